//! The functions that take most of the time, compiled for each instruction set.
//!
//! What they inline is compiled with them, and is given their set. All else takes `OWN`, since the vectors of a set that the
//! caller is not compiled for are slow.

use crate::buffer::output::{Output, OutputPointer};
use crate::encode::encoding::Encoding;
use crate::encode::seen_fields::SeenFields;
use crate::encode::token_reader::{Encoded, TokenReader};
use crate::json::fail::Fail;
use crate::json::padded_text::TextPointer;
use crate::scan::InstructionSet;
use crate::schema::MessageSchema;
use crate::wire::write::TagWord;
use std::cell::Cell;

/// An instruction set that the encoder is compiled for. Each function does what the one of the same name does that begins
/// with `inlined`. That the processor has the set is proved by the value of it in the reader.
pub trait CompiledFor: InstructionSet {
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn message(
        encoding: &mut Encoding<Self>,
        index: usize,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded;

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn other_name<'a>(
        encoding: &mut Encoding<'a, Self>,
        message: &'a MessageSchema,
        next: &Cell<u8>,
        at: TextPointer,
        fields: &mut SeenFields,
    ) -> Result<(TextPointer, u8), Fail>;

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn open_value(
        encoding: &mut Encoding<Self>,
        at: TextPointer,
        end: OutputPointer,
        level: usize,
        depth: usize,
    ) -> Encoded;

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn long_string(
        reader: &mut TokenReader<Self>,
        out: &mut Output,
        tag: TagWord,
        place: u32,
        inside: TextPointer,
        end: OutputPointer,
    ) -> Encoded;
}

/// Write the string that starts here with its quote, after a tag and its length, as the field of a place.
///
/// # Safety
///
/// `at` and `end` keep the rules of `encode`.
#[inline(always)]
pub unsafe fn string<S: CompiledFor>(
    reader: &mut TokenReader<S>,
    set: impl InstructionSet,
    out: &mut Output,
    (tag, place): (TagWord, u32),
    at: TextPointer,
    end: OutputPointer,
) -> Encoded {
    match reader.short_string(set, tag, at, end) {
        Some(done) => Ok(done),
        None => S::long_string(reader, out, tag, place, at.skip(1), end),
    }
}

macro_rules! compile_for {
    ($set:ty $(, #[$features:meta])?) => {
        impl CompiledFor for $set {
            #[inline(never)]
            $(#[$features])?
            unsafe fn message(
                encoding: &mut Encoding<Self>,
                index: usize,
                at: TextPointer,
                end: OutputPointer,
                depth: usize,
            ) -> Encoded {
                encoding.inlined_message(index, at, end, depth)
            }

            #[inline(never)]
            $(#[$features])?
            unsafe fn other_name<'a>(
                encoding: &mut Encoding<'a, Self>,
                message: &'a MessageSchema,
                next: &Cell<u8>,
                at: TextPointer,
                fields: &mut SeenFields,
            ) -> Result<(TextPointer, u8), Fail> {
                encoding.inlined_other_name(message, next, at, fields)
            }

            #[inline(never)]
            $(#[$features])?
            unsafe fn open_value(
                encoding: &mut Encoding<Self>,
                at: TextPointer,
                end: OutputPointer,
                level: usize,
                depth: usize,
            ) -> Encoded {
                encoding.inlined_value(at, end, level, depth)
            }

            #[inline(never)]
            $(#[$features])?
            unsafe fn long_string(
                reader: &mut TokenReader<Self>,
                out: &mut Output,
                tag: TagWord,
                place: u32,
                inside: TextPointer,
                end: OutputPointer,
            ) -> Encoded {
                reader.inlined_long_string(out, tag, place, inside, end)
            }
        }
    };
}

compile_for!(crate::scan::OWN);
#[cfg(target_arch = "x86_64")]
compile_for!(crate::scan::Avx2, #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]);
