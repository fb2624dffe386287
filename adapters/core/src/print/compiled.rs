//! The functions that take most of the time, compiled for each instruction set with all that they inline.

use crate::buffer::output::OutputPointer;
use crate::print::printing::{Printed, Printing};
use crate::scan::InstructionSet;

/// An instruction set that printing is compiled for. Each function does what the one of the same name does that begins with
/// `inlined`. That the processor has the set is proved by the value of it in the printer.
pub trait CompiledFor: InstructionSet {
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn message<'a>(
        printing: &mut Printing<'a, Self>,
        index: usize,
        bytes: &'a [u8],
        depth: usize,
        end: OutputPointer,
    ) -> Printed;

    /// # Safety
    ///
    /// `end` keeps the rule of `print`, and the string is a part of the wire bytes.
    unsafe fn string<'a>(printing: &mut Printing<'a, Self>, string: &'a [u8], after: u8, end: OutputPointer)
    -> Printed;

    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn open_value<'a>(
        printing: &mut Printing<'a, Self>,
        bytes: &'a [u8],
        depth: usize,
        end: OutputPointer,
    ) -> Printed;
}

macro_rules! compile_for {
    ($set:ty $(, #[$features:meta])?) => {
        impl CompiledFor for $set {
            #[inline(never)]
            $(#[$features])?
            unsafe fn message<'a>(
                printing: &mut Printing<'a, Self>,
                index: usize,
                bytes: &'a [u8],
                depth: usize,
                end: OutputPointer,
            ) -> Printed {
                printing.inlined_message(index, bytes, depth, end)
            }

            #[inline(never)]
            $(#[$features])?
            unsafe fn string<'a>(
                printing: &mut Printing<'a, Self>,
                string: &'a [u8],
                after: u8,
                end: OutputPointer,
            ) -> Printed {
                printing.inlined_string(string, after, end)
            }

            #[inline(never)]
            $(#[$features])?
            unsafe fn open_value<'a>(
                printing: &mut Printing<'a, Self>,
                bytes: &'a [u8],
                depth: usize,
                end: OutputPointer,
            ) -> Printed {
                printing.inlined_open_value(bytes, depth, end)
            }
        }
    };
}

compile_for!(crate::scan::OWN);
#[cfg(target_arch = "x86_64")]
compile_for!(crate::scan::Avx2, #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]);
