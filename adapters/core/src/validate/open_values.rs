//! Steps over open JSON values in wire bytes. What can be read is what `crate::tree::read_struct` reads.

use crate::limits::MAX_DEPTH;
use crate::tree::read_struct::too_deep;
use crate::wire::read::{FieldError, WireReader};
use crate::wire::struct_tags::{
    BOOL_VALUE, ENTRY_KEY, ENTRY_VALUE, LIST_VALUE, LIST_VALUES, NULL_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS,
    STRUCT_VALUE,
};

/// What a google.protobuf.Value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has no kind, so the entry that holds it is no member.
    Nothing,
    String,
    Other,
}

/// Step over a google.protobuf.Struct of a nesting level. Call `visit` with the name of each entry, and with what its
/// value is. Of the entries of a name, the last one counts.
pub fn skip_struct<'a>(
    wire: &mut WireReader<'a>,
    end: usize,
    depth: usize,
    visit: &mut impl FnMut(&'a [u8], Kind),
) -> Result<(), FieldError> {
    while wire.at < end {
        let tag = wire.tag(end)?;
        if tag != STRUCT_FIELDS.into() {
            wire.skip(tag, end, 0)?;
            continue;
        }
        let stop = wire.stop(end)?;
        let (mut key, mut kind): (&[u8], _) = (b"", Kind::Nothing);
        while wire.at < stop {
            let tag = wire.tag(stop)?;
            if tag == ENTRY_KEY.into() {
                key = wire.string(stop)?;
            } else if tag == ENTRY_VALUE.into() {
                let inner = wire.stop(stop)?;
                kind = skip_value(wire, inner, depth, kind)?;
            } else {
                wire.skip(tag, stop, 0)?;
            }
        }
        visit(key, kind);
    }
    Ok(())
}

/// Step over a google.protobuf.Value. Return what it is, given what it was before, if the same field came already.
fn skip_value(wire: &mut WireReader<'_>, end: usize, depth: usize, mut found: Kind) -> Result<Kind, FieldError> {
    while wire.at < end {
        let tag = wire.tag(end)?;
        let kind = u8::try_from(tag).unwrap_or(0);
        match kind {
            STRING_VALUE => drop(wire.string(end)?),
            NUMBER_VALUE => drop(wire.double(end)?),
            NULL_VALUE | BOOL_VALUE => drop(wire.varint(end)?),
            STRUCT_VALUE | LIST_VALUE if depth == MAX_DEPTH => return Err(too_deep()),
            STRUCT_VALUE => {
                let stop = wire.stop(end)?;
                skip_struct(wire, stop, depth + 1, &mut |_, _| {})?;
            }
            LIST_VALUE => {
                let stop = wire.stop(end)?;
                skip_list(wire, stop, depth + 1)?;
            }
            _ => {
                wire.skip(tag, end, 0)?;
                continue;
            }
        }
        found = if kind == STRING_VALUE { Kind::String } else { Kind::Other };
    }
    Ok(found)
}

/// Step over a google.protobuf.ListValue.
fn skip_list(wire: &mut WireReader<'_>, end: usize, depth: usize) -> Result<(), FieldError> {
    while wire.at < end {
        let tag = wire.tag(end)?;
        if tag == LIST_VALUES.into() {
            let stop = wire.stop(end)?;
            skip_value(wire, stop, depth, Kind::Nothing)?;
        } else {
            wire.skip(tag, end, 0)?;
        }
    }
    Ok(())
}
