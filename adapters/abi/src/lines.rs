//! Batches of lines. WebAssembly has none: it has one thread, and its hosts find the lines themselves.

use crate::codec::{Codec, State};
use crate::result::{Failure, Result};
use crate::to_json;
use crate::{STRICT, call, encode_options, print_options};
use chatpb_core::{LinesError, Written};
use std::mem::MaybeUninit;

/// Bytes to ask for beyond the expected size of a batch.
const MARGIN: usize = 1 << 10;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_json_lines_to_wire(
    codec: *mut Codec,
    text: *const u8,
    size: usize,
    options: u32,
    threads: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, text, size, result, |State { plan, buffers }, text| {
            let strict = options & STRICT != 0;
            let (schema, options, threads) = (plan.schema(), encode_options(options & !STRICT)?, threads_of(threads));
            batch(&mut buffers.emptied().out, text.len() + MARGIN, |memory| {
                Ok(chatpb_core::json_lines_to_wire(schema, text, options, strict, threads, memory)?)
            })
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_wire_to_json_lines(
    codec: *mut Codec,
    wire: *const u8,
    size: usize,
    options: u32,
    threads: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, wire, size, result, |State { plan, buffers }, wire| {
            let (options, threads) = (print_options(options)?, threads_of(threads));
            batch(&mut buffers.emptied().out, (wire.len() / 2).saturating_mul(5) + MARGIN, |memory| {
                Ok(chatpb_core::wire_to_json_lines(plan, wire, options, threads, memory)?)
            })
        })
    }
}

impl From<LinesError> for Failure {
    fn from(error: LinesError) -> Self {
        match error {
            LinesError::Json(error) => error.into(),
            LinesError::Contract(violations) => Failure::Violations(to_json(&violations)),
            LinesError::Wire(error) => error.into(),
        }
    }
}

fn threads_of(threads: u32) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        _ => threads as usize,
    }
}

/// Return what a batch writes in an empty buffer.
fn batch(
    buffer: &mut Vec<u8>,
    size: usize,
    write: impl FnOnce(&mut [MaybeUninit<u8>]) -> std::result::Result<Written, Failure>,
) -> std::result::Result<&[u8], Failure> {
    buffer.reserve(size);
    let Written { size, overflow } = write(buffer.spare_capacity_mut())?;
    // SAFETY: the batch wrote so many bytes from the start of the buffer on.
    unsafe { buffer.set_len(size) };
    overflow.iter().for_each(|bytes| buffer.extend_from_slice(bytes));
    Ok(buffer)
}
