//! Wire bytes to JSON text, in the encodings that protobuf's own writers make.
//!
//! - A message is printed in one pass over its fields, which mostly come in the order in which their members print. If
//!   they do not, a copy with its fields in order is printed instead.
//! - Only the bits of null and empty members come late, so they are looked for first in messages of those types in which
//!   they are often needed early.
//! - Every value printed ends with a comma; the comma after the last one of several becomes the closing bracket.
//! - What is wrong, and what is valid but unusual (a singular field that comes twice, two entries of one key), is only
//!   noticed here. Then `crate::tree` reads the message exactly, and `tree` prints it: these two are the twins of
//!   `chatpb/_engine/reference/print.py`.
//!
//! # The rule of the end
//!
//! `end` is the end of `Printing::out`, which reserved no more since, and all before it is written. The functions that are
//! given it are `unsafe`: they write where it points. They reserve what they need, unless they ask for room.
//!
//! `message` prints messages, `value` single values, `arrays_and_maps` arrays and maps, `open_values` members that no
//! typed field holds, and `string` strings. `plan` is what they need of a schema, and `printing` what they share.

// What a block around each call of a function with this rule would say is the rule alone.
#![allow(unsafe_op_in_unsafe_fn)]

mod arrays_and_maps;
mod compiled;
mod message;
mod name_filter;
mod open_values;
mod plan;
mod printing;
mod string;
mod tree;
mod value;

use crate::buffer::output::{GrowableMemory, Output};
use crate::error::WireError;
use crate::limits::{MAX_KEPT_BUFFER, MAX_SIZE};
use crate::scan::OWN;
#[cfg(target_arch = "x86_64")]
use crate::scan::avx2;
use crate::schema::Schema;
use crate::schema::per_schema::PerSchema;
use crate::tree::read::wire_to_tree;
use compiled::CompiledFor;
pub use plan::PrintPlan;
pub use printing::PrintOptions;
use printing::{Buffers, PaddedWire, Printing};
use std::cell::Cell;
use tree::print_tree;

/// Turns messages into JSON text, one after the other, with the same buffers.
#[derive(Debug, Default)]
pub struct Printer {
    out: Vec<u8>,
    buffers: Buffers,
    looks_ahead: PerSchema<Box<[Cell<bool>]>>,
}

impl Printer {
    /// Return the JSON text of an encoded message.
    ///
    /// The error is boxed so that the result is two words, which are returned in registers.
    pub fn wire_to_json(
        &mut self,
        plan: &PrintPlan,
        wire: &[u8],
        options: PrintOptions,
    ) -> Result<&[u8], Box<WireError>> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if out.capacity() > MAX_KEPT_BUFFER {
            self.buffers = Buffers::default();
            out = Vec::new();
        }
        let done = self.append(plan, wire, options, &mut out);
        self.out = out;
        done?;
        Ok(&self.out)
    }

    /// Append the JSON text of an encoded message to a vector, which stays as it is if that fails.
    pub fn append(
        &mut self,
        plan: &PrintPlan,
        wire: &[u8],
        options: PrintOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<WireError>> {
        let used = out.len();
        // SAFETY: a vector's bytes up to its length are written.
        let done = unsafe { self.write(plan, wire, options, out, used) };
        // SAFETY: as many are written in the vector's memory.
        unsafe { out.set_len(*done.as_ref().unwrap_or(&used)) };
        done.map(drop)
    }

    /// Write the JSON text of an encoded message behind the `used` bytes of some memory. Return the number of bytes
    /// used then. Unwind where the memory cannot grow.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the memory are written.
    pub unsafe fn write(
        &mut self,
        plan: &PrintPlan,
        wire: &[u8],
        options: PrintOptions,
        memory: &mut dyn GrowableMemory,
        used: usize,
    ) -> Result<usize, Box<WireError>> {
        let schema = plan.schema();
        if wire.len() <= MAX_SIZE {
            // SAFETY: by the contract.
            if let Some(used) = unsafe { self.print(plan, wire, options, memory, used) } {
                return Ok(used);
            }
        }
        let tree = wire_to_tree(schema, wire, options.refuse_unknown, options.nonfinite, true)?;
        let mut text = Vec::new();
        print_tree(schema, &tree, options.fill_required, &mut text);
        // SAFETY: the first bytes are as they were.
        unsafe {
            let mut out = Output::new(memory, used);
            let end = out.resume(text.len());
            _ = out.put(end, &text);
        }
        Ok(used + text.len())
    }

    /// Do what `write` does, but return `None` where the message is wrong or unusual.
    ///
    /// # Safety
    ///
    /// That of `write`.
    unsafe fn print(
        &mut self,
        plan: &PrintPlan,
        wire: &[u8],
        options: PrintOptions,
        memory: &mut dyn GrowableMemory,
        used: usize,
    ) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        if let Some(set) = avx2() {
            return self.print_with(set, plan, wire, options, memory, used);
        }
        self.print_with(OWN, plan, wire, options, memory, used)
    }

    /// Do what `print` does with an instruction set.
    ///
    /// # Safety
    ///
    /// That of `write`.
    unsafe fn print_with(
        &mut self,
        set: impl CompiledFor,
        plan: &PrintPlan,
        wire: &[u8],
        options: PrintOptions,
        memory: &mut dyn GrowableMemory,
        used: usize,
    ) -> Option<usize> {
        let all = |schema: &Schema| vec![Cell::new(false); schema.messages.len()].into();
        let looks_ahead = self.looks_ahead.of(plan.schema(), all);
        let out = Output::new(memory, used);
        let mut copy = PaddedWire::new();
        let (wire, padded) = copy.of(wire);
        let (mut printing, end) = Printing::new(set, plan, padded, options, &mut self.buffers, looks_ahead, out);
        // This is the first end of the output.
        let end = printing.message(0, wire, 1, end)?;
        // But for the comma.
        Some(printing.out.offset(end) - 1)
    }
}
