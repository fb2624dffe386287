//! Prints single values.

use crate::buffer::output::OutputPointer;
use crate::json::normalize::normalize;
use crate::json::print_number::{put_double, put_signed, put_unsigned};
use crate::limits::MAX_DEPTH;
use crate::print::compiled::CompiledFor;
use crate::print::plan::ENUM_SIZE;
use crate::print::printing::{Printed, Printing};
use crate::scan::OWN;
use crate::schema::{Field, FieldKind};
use crate::wire::read::varint;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl<'a, S: CompiledFor> Printing<'a, S> {
    /// Print the string or the number of an enum whose strings start in `PrintPlan::strings` at an index.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    pub unsafe fn enumeration(&mut self, from: usize, number: i32, end: OutputPointer) -> Printed {
        if let 0..64 = number
            && let Some(text) = self.plan.strings.get(from + number as usize)
            && !text.is_empty()
        {
            return self.short_text(text, end);
        }
        self.rare_enumeration(from / ENUM_SIZE, number, end)
    }

    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[cold]
    #[inline(never)]
    unsafe fn rare_enumeration(&mut self, index: usize, number: i32, end: OutputPointer) -> Printed {
        let end = self.out.reserve(end);
        let end = match self.plan.schema.enums[index].printed(number) {
            Some(text) => self.slice(text, end)?,
            // SAFETY: there is room for `RESERVED` bytes.
            None => unsafe { put_signed(i64::from(number), end) },
        };
        // SAFETY: room is left of the `RESERVED` bytes.
        Some(unsafe { end.put_bytes(b",") })
    }

    /// Print the value of varint or fixed form that the bytes begin with. Return the bytes after it too.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline]
    pub unsafe fn scalar(
        &mut self,
        field: &Field,
        bytes: &'a [u8],
        end: OutputPointer,
    ) -> Printed<(OutputPointer, &'a [u8])> {
        if field.kind == FieldKind::Double {
            let (value, rest) = bytes.split_first_chunk()?;
            return Some((self.double(*value, end)?, rest));
        }
        let (value, rest) = varint(bytes)?;
        let end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        let end = unsafe {
            match field.kind {
                FieldKind::Enum => self.enumeration(field.type_index * ENUM_SIZE, value as i32, end)?,
                FieldKind::Bool => put_bool(value != 0, end),
                kind => put_integer(kind, value, end),
            }
        };
        Some((end, rest))
    }

    /// Print a value of length-delimited form. `depth` is the nesting level of the container around it.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline]
    pub unsafe fn delimited(&mut self, field: &Field, bytes: &'a [u8], depth: usize, end: OutputPointer) -> Printed {
        match field.kind {
            FieldKind::String => self.string(OWN, bytes, b',', end),
            FieldKind::Message => self.message(field.type_index, bytes, depth + 1, end),
            FieldKind::List if depth < MAX_DEPTH => {
                let item = &self.plan.schema.messages[field.type_index].fields[0];
                let (end, rest) = self.array(item, bytes, depth + 1, end, true)?;
                rest.is_empty().then_some(end)
            }
            FieldKind::Text => self.text(bytes, depth, end),
            FieldKind::Bytes => self.slice(format!("\"{}\",", STANDARD.encode(bytes)).as_bytes(), end),
            FieldKind::ByteArray => self.byte_array(bytes, end),
            _ => None,
        }
    }

    /// Print a double.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    pub unsafe fn double(&mut self, bytes: [u8; 8], end: OutputPointer) -> Printed {
        let value = f64::from_le_bytes(bytes);
        if !value.is_finite() && !self.options.nonfinite {
            return None;
        }
        let end = self.out.reserve(end);
        // SAFETY: a number and a comma are less than `RESERVED` bytes.
        Some(unsafe { put_double(value, end).put_bytes(b",") })
    }

    /// Print the text of a JSON value inside a container of a nesting level.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    pub unsafe fn text(&mut self, text: &[u8], depth: usize, end: OutputPointer) -> Printed {
        simdutf8::basic::from_utf8(text).ok()?;
        self.text.clear();
        let nesting = normalize(text, self.options.nonfinite, self.names, self.text)?;
        if depth + nesting > MAX_DEPTH {
            return None;
        }
        self.text.push(b',');
        let end = self.out.reserve_for(end, self.text.len());
        // SAFETY: there is room for it.
        Some(unsafe { end.put_slice(self.text) })
    }
}

/// Write a varint as an integer of a kind, and a comma.
///
/// # Safety
///
/// There is room for `RESERVED` bytes.
#[inline(always)]
pub unsafe fn put_integer(kind: FieldKind, value: u64, end: OutputPointer) -> OutputPointer {
    // SAFETY: by the contract.
    unsafe {
        let end = match kind {
            FieldKind::Int32 => put_signed(i64::from(value as i32), end),
            FieldKind::Int64 => put_signed(value as i64, end),
            FieldKind::Uint32 => put_unsigned(u64::from(value as u32), end),
            _ => put_unsigned(value, end),
        };
        end.put_bytes(b",")
    }
}

/// Write a bool, and a comma.
///
/// # Safety
///
/// There is room for `RESERVED` bytes.
#[inline(always)]
pub unsafe fn put_bool(value: bool, end: OutputPointer) -> OutputPointer {
    // SAFETY: by the contract.
    unsafe { if value { end.put_bytes(b"true,") } else { end.put_bytes(b"false,") } }
}
