//! google.protobuf.Struct wire bytes to open JSON values. The rules are those of `chatpb/_tree/read_struct.py`.

use crate::limits::MAX_DEPTH;
use crate::tree::message::{OpenValue, OrderedMap};
use crate::wire::read::{FieldError, WireReader};
use crate::wire::struct_tags::{
    BOOL_VALUE, ENTRY_KEY, ENTRY_VALUE, LIST_VALUE, LIST_VALUES, NULL_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS,
    STRUCT_VALUE,
};

pub fn too_deep() -> FieldError {
    FieldError(format!("nesting deeper than {MAX_DEPTH} levels"))
}

/// What to do about a field that the schema does not have.
pub const SKIPPED: &str = "; unknown_fields='skip' leaves it out";

/// Return a double that is a JSON number, or that `nonfinite` allows.
pub fn json_double(value: f64, nonfinite: bool) -> Result<f64, FieldError> {
    if value.is_finite() || nonfinite {
        return Ok(value);
    }
    Err("a number that is NaN or infinite, which is not JSON; nonfinite='allow' writes it".into())
}

/// Reads Structs for one choice of options. `depth` is the nesting level of the object or array that is read into.
pub struct StructReader<'r, 'a> {
    pub wire: &'r mut WireReader<'a>,
    pub refuse_unknown: bool,
    pub nonfinite: bool,
}

impl<'a> StructReader<'_, 'a> {
    /// Read a google.protobuf.Struct.
    pub fn structure(
        &mut self,
        into: &mut OrderedMap<'a, OpenValue<'a>>,
        end: usize,
        depth: usize,
    ) -> Result<(), FieldError> {
        while self.wire.at < end {
            let tag = self.wire.tag(end)?;
            if tag != STRUCT_FIELDS.into() {
                self.skip(tag, end)?;
                continue;
            }
            let stop = self.wire.stop(end)?;
            let (mut key, mut value): (&[u8], _) = (b"", OpenValue::Nothing);
            while self.wire.at < stop {
                let tag = self.wire.tag(stop)?;
                if tag == ENTRY_KEY.into() {
                    key = self.wire.string(stop)?;
                } else if tag == ENTRY_VALUE.into() {
                    let inner = self.wire.stop(stop)?;
                    value = self.value(value, inner, depth)?;
                } else {
                    self.skip(tag, stop)?;
                }
            }
            into.put(key, value);
        }
        Ok(())
    }

    /// Read a google.protobuf.Value over an earlier one of the same field.
    fn value(&mut self, mut value: OpenValue<'a>, end: usize, depth: usize) -> Result<OpenValue<'a>, FieldError> {
        while self.wire.at < end {
            let tag = self.wire.tag(end)?;
            value = match u8::try_from(tag) {
                Ok(NULL_VALUE) => {
                    self.wire.varint(end)?;
                    OpenValue::Null
                }
                Ok(NUMBER_VALUE) => OpenValue::Number(json_double(self.wire.double(end)?, self.nonfinite)?),
                Ok(STRING_VALUE) => OpenValue::String(self.wire.string(end)?),
                Ok(BOOL_VALUE) => OpenValue::Bool(self.wire.varint(end)? != 0),
                Ok(STRUCT_VALUE | LIST_VALUE) if depth == MAX_DEPTH => return Err(too_deep()),
                Ok(STRUCT_VALUE) => {
                    let stop = self.wire.stop(end)?;
                    let mut map = if let OpenValue::Object(map) = value { map } else { OrderedMap::default() };
                    self.structure(&mut map, stop, depth + 1)?;
                    OpenValue::Object(map)
                }
                Ok(LIST_VALUE) => {
                    let stop = self.wire.stop(end)?;
                    let mut items = if let OpenValue::Array(items) = value { items } else { Vec::new() };
                    self.list(&mut items, stop, depth + 1)?;
                    OpenValue::Array(items)
                }
                _ => {
                    self.skip(tag, end)?;
                    value
                }
            };
        }
        Ok(value)
    }

    /// Read a google.protobuf.ListValue.
    fn list(&mut self, into: &mut Vec<OpenValue<'a>>, end: usize, depth: usize) -> Result<(), FieldError> {
        while self.wire.at < end {
            let tag = self.wire.tag(end)?;
            if tag == LIST_VALUES.into() {
                let stop = self.wire.stop(end)?;
                into.push(self.value(OpenValue::Nothing, stop, depth)?);
            } else {
                self.skip(tag, end)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, tag: u32, end: usize) -> Result<(), FieldError> {
        if self.refuse_unknown {
            return Err(FieldError(format!("field {}, which google.protobuf.Struct does not have{SKIPPED}", tag >> 3)));
        }
        self.wire.skip(tag, end, 0)
    }
}
