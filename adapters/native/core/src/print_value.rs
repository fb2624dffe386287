//! Printing single values.

use crate::base64;
use crate::digits::{self, signed, unsigned};
use crate::end::{End, STEP};
use crate::limits::MAX_DEPTH;
use crate::plan::{ENUM_SIZE, EnumString};
use crate::print::{Done, Printing};
use crate::schema::{Field, Kind};
use crate::split::varint;
use crate::tree::print_text;

impl<'a> Printing<'a> {
    /// The string or the number of an enum that starts in `Plan::strings` at a place.
    #[inline(always)]
    pub fn enumeration(&mut self, from: usize, number: i32, end: End) -> Done {
        if let 0..64 = number
            && let Some(EnumString { text, size: size @ 1.. }) = self.schema.plan.strings.get(from + number as usize)
        {
            let end = self.room(end, STEP)?;
            // SAFETY: there is room for the block.
            return Some(unsafe { end.block(text, usize::from(*size)) });
        }
        self.rare_enumeration(from / ENUM_SIZE, number, end)
    }

    #[cold]
    #[inline(never)]
    fn rare_enumeration(&mut self, place: usize, number: i32, end: End) -> Done {
        let end = self.room(end, STEP)?;
        let end = match self.schema.enums[place].printed(number) {
            Some(text) => self.slice(text, end)?,
            // SAFETY: there is room for a step.
            None => unsafe { signed(i64::from(number), end) },
        };
        // SAFETY: room is left of the step.
        Some(unsafe { end.bytes(b",") })
    }

    /// A value of varint or fixed form at the start of some bytes, and the rest of them.
    #[inline]
    pub fn scalar(&mut self, field: &Field, bytes: &'a [u8], end: End) -> Option<(End, &'a [u8])> {
        if field.kind == Kind::Double {
            let (value, rest) = bytes.split_first_chunk()?;
            return Some((self.double(*value, end)?, rest));
        }
        let (value, rest) = varint(bytes)?;
        let end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        let end = unsafe {
            match field.kind {
                Kind::Enum => self.enumeration(field.refers * ENUM_SIZE, value as i32, end)?,
                Kind::Bool => boolean(value, end),
                kind => integer(kind, value, end),
            }
        };
        Some((end, rest))
    }

    /// A value of delimited form.
    #[inline]
    pub fn delimited(&mut self, field: &Field, bytes: &'a [u8], depth: usize, end: End) -> Done {
        match field.kind {
            Kind::String => self.string(bytes, b',', end),
            Kind::Message => self.message(field.refers, bytes, depth + 1, end),
            Kind::List if depth < MAX_DEPTH => {
                let item = &self.schema.messages[field.refers].fields[0];
                let (end, rest) = self.items(item, bytes, depth + 1, end, true)?;
                rest.is_empty().then_some(end)
            }
            Kind::Text => self.text(bytes, depth, end),
            Kind::Bytes => {
                let mut text = b"\"".to_vec();
                base64::encode(bytes, &mut text);
                text.extend_from_slice(b"\",");
                self.slice(&text, end)
            }
            Kind::ByteArray => self.octets(bytes, end),
            _ => None,
        }
    }

    /// A double.
    #[inline(always)]
    pub fn double(&mut self, bytes: [u8; 8], end: End) -> Done {
        let value = f64::from_le_bytes(bytes);
        if !value.is_finite() && !self.options.nonfinite {
            return None;
        }
        let end = self.room(end, STEP)?;
        // SAFETY: a number and a comma are less than a step.
        Some(unsafe { digits::double(value, end).bytes(b",") })
    }

    /// The text of a JSON value inside a container of a nesting level.
    pub fn text(&mut self, text: &[u8], depth: usize, end: End) -> Done {
        simdutf8::basic::from_utf8(text).ok()?;
        self.text.clear();
        let nesting = print_text(text, self.options.nonfinite, self.names, self.text)?;
        if depth + nesting > MAX_DEPTH {
            return None;
        }
        self.text.push(b',');
        let end = self.room(end, self.text.len() + STEP)?;
        // SAFETY: there is room for it.
        Some(unsafe { end.slice(self.text) })
    }
}

/// A varint as an integer of a kind, and a comma.
///
/// # Safety
///
/// There is room for a step.
#[inline(always)]
pub unsafe fn integer(kind: Kind, value: u64, end: End) -> End {
    // SAFETY: by the contract.
    unsafe {
        let end = match kind {
            Kind::Int32 => signed(i64::from(value as i32), end),
            Kind::Int64 => signed(value as i64, end),
            Kind::Uint32 => unsigned(u64::from(value as u32), end),
            _ => unsigned(value, end),
        };
        end.bytes(b",")
    }
}

/// # Safety
///
/// There is room for a step.
#[inline(always)]
unsafe fn boolean(value: u64, end: End) -> End {
    // SAFETY: by the contract.
    unsafe { if value != 0 { end.bytes(b"true,") } else { end.bytes(b"false,") } }
}
