//! The C interface of the core. `chatpb.h` says what each function does; here is how it stays safe.
//!
//! - A pointer is used only after it was compared with null, and a size only after it was compared with the address space.
//! - A codec or a stream is taken by one call at a time; a second one is told so.
//! - A panic ends in a result, never in the caller.

#![allow(clippy::missing_safety_doc)] // chatpb.h has the contracts, for callers of every language

mod codec;
mod exclusive;
#[cfg(not(target_family = "wasm"))]
mod lines;
#[cfg(target_family = "wasm")]
mod memory;
mod result;
mod streams;
mod violations;

use chatpb_core::{EncodeOptions, Origin, PrintOptions, PrintPlan, Schema};
use codec::{Buffers, Codec, State};
use exclusive::{Exclusive, Recover};
use result::{Code, Failure, Result};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use streams::{Accumulating, Accumulator, Splitter, Splitting};
use violations::to_json;

pub const ABI_VERSION: u32 = 1;
pub const CANONICAL: u32 = 1;
pub const NONFINITE: u32 = 2;
pub const FILL_REQUIRED: u32 = 4;
pub const SKIP_UNKNOWN: u32 = 8;
pub const STRICT: u32 = 16;
pub const WITHOUT_USAGE: u32 = 32;

thread_local! {
    /// What the last result of a function that makes something points to.
    static FAILURE: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// A schema, with how it is printed. Codecs keep it as long as they need it.
pub struct SharedSchema(Arc<PrintPlan>);

#[unsafe(no_mangle)]
pub extern "C" fn chatpb_abi_version() -> u32 {
    ABI_VERSION
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_schema_new(
    descriptor_set: *const u8,
    size: usize,
    name: *const u8,
    name_size: usize,
    result: *mut Result,
) -> *mut SharedSchema {
    let make = || {
        // SAFETY: by the contract of chatpb.h.
        let name = unsafe { bytes(name, name_size) }?;
        let name = std::str::from_utf8(name).map_err(|_| argument("name is not UTF-8"))?;
        let set = match descriptor_set.is_null() && size == 0 {
            true => chatpb_core::contract(),
            // SAFETY: by the contract of chatpb.h.
            false => unsafe { bytes(descriptor_set, size) }?,
        };
        Ok(SharedSchema(Arc::new(PrintPlan::new(Schema::new(set, name)?))))
    };
    // SAFETY: by the contract of chatpb.h.
    unsafe { made(make, result) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_schema_free(schema: *mut SharedSchema) {
    // SAFETY: by the contract of chatpb.h.
    unsafe { free(schema) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_codec_new(schema: *const SharedSchema) -> *mut Codec {
    // SAFETY: by the contract of chatpb.h.
    unsafe { made_of(schema, State::new) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_codec_free(codec: *mut Codec) {
    // SAFETY: by the contract of chatpb.h.
    unsafe { free(codec) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_json_to_wire(
    codec: *mut Codec,
    text: *const u8,
    size: usize,
    options: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, text, size, result, |State { plan, buffers }, text| {
            let (schema, strict) = (plan.schema(), options & STRICT != 0);
            let options = encode_options(options & !STRICT)?;
            let Buffers { encoder, out: wire, .. } = buffers.emptied();
            encoder.append(schema, text, options, wire).map_err(|error| Failure::from(*error))?;
            match strict.then(|| encoder.violations(schema, wire)).transpose()? {
                Some(violations) if !violations.is_empty() => Err(Failure::Violations(to_json(&violations))),
                _ => Ok(wire),
            }
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_wire_to_json(
    codec: *mut Codec,
    wire: *const u8,
    size: usize,
    options: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, wire, size, result, |State { plan, buffers }, wire| {
            let options = print_options(options)?;
            buffers.printer.wire_to_json(plan, wire, options).map_err(|error| (*error).into())
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_validate(
    codec: *mut Codec,
    wire: *const u8,
    size: usize,
    options: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, wire, size, result, |State { plan, buffers }, wire| {
            only(options, STRICT)?;
            buffers.out = to_json(&chatpb_core::validate(plan.schema(), wire, options & STRICT != 0)?);
            Ok(&buffers.out)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_compact_stream(
    codec: *mut Codec,
    chunks: *const u8,
    size: usize,
    options: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, chunks, size, result, |State { plan, buffers }, chunks| {
            only(options, 0)?;
            buffers.out = chatpb_core::compact_stream(plan.schema(), &chatpb_core::messages_of(chunks)?)?;
            Ok(&buffers.out)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_expand_stream(
    codec: *mut Codec,
    stream: *const u8,
    size: usize,
    options: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(codec, stream, size, result, |State { plan, buffers }, stream| {
            only(options, 0)?;
            let chunks = chatpb_core::expand_stream(plan.schema(), stream)?;
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            buffers.out = chatpb_core::messages_of_rows(&chunks);
            Ok(&buffers.out)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_accumulator_new(chunk: *const SharedSchema) -> *mut Accumulator {
    // SAFETY: by the contract of chatpb.h.
    unsafe { made_of(chunk, Accumulating::new) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_accumulator_free(accumulator: *mut Accumulator) {
    // SAFETY: by the contract of chatpb.h.
    unsafe { free(accumulator) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_accumulator_add(
    accumulator: *mut Accumulator,
    chunk: *const u8,
    size: usize,
    options: u32,
    result: *mut Result,
) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe {
        call(accumulator, chunk, size, result, |stream, chunk| {
            only(options, NONFINITE | SKIP_UNKNOWN)?;
            stream.add(chunk, print_options(options)?)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_accumulator_json(accumulator: *mut Accumulator, result: *mut Result) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe { call(accumulator, null(), 0, result, |stream, _| stream.json()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_splitter_new(
    completion: *const SharedSchema,
    chunk: *const SharedSchema,
    wire: *const u8,
    size: usize,
    characters: usize,
    options: u32,
    result: *mut Result,
) -> *mut Splitter {
    let make = || {
        // SAFETY: by the contract of chatpb.h, each is null or was not freed.
        let (Some(completion), Some(chunk)) = (unsafe { (completion.as_ref(), chunk.as_ref()) }) else {
            return Err(argument("a null pointer for a schema"));
        };
        only(options, NONFINITE | SKIP_UNKNOWN | WITHOUT_USAGE)?;
        let with_last = options & WITHOUT_USAGE == 0;
        let options = (print_options(options & !WITHOUT_USAGE)?, encode_options(options & NONFINITE)?);
        let characters = (characters != 0).then_some(characters);
        // SAFETY: by the contract of chatpb.h.
        let wire = unsafe { bytes(wire, size) }?;
        Splitting::new(&completion.0, chunk.0.clone(), wire, characters, with_last, options).map(Exclusive::new)
    };
    // SAFETY: by the contract of chatpb.h.
    unsafe { made(make, result) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_splitter_free(splitter: *mut Splitter) {
    // SAFETY: by the contract of chatpb.h.
    unsafe { free(splitter) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_splitter_next(splitter: *mut Splitter, result: *mut Result) -> u32 {
    // SAFETY: by the contract of chatpb.h.
    unsafe { call(splitter, null(), 0, result, |chunks, _| chunks.next()) }
}

/// Make something and hand it over; null after an error, which is reported.
///
/// # Safety
///
/// The result is null or writable.
unsafe fn made<T>(make: impl FnOnce() -> std::result::Result<T, Failure> + UnwindSafe, result: *mut Result) -> *mut T {
    let (told, made) = match catch_unwind(make).unwrap_or_else(|_| Err(Failure::defect())) {
        Ok(made) => (Result::default(), Box::into_raw(Box::new(made))),
        Err(failure) => (FAILURE.with_borrow_mut(|kept| Result::of_failure(kept.insert(failure))), null_mut()),
    };
    // SAFETY: by the contract of this function.
    unsafe { report(told, result) };
    made
}

/// Make something of a schema and hand it over; null if that is null.
///
/// # Safety
///
/// The schema is null or was not freed.
unsafe fn made_of<S: Recover>(
    schema: *const SharedSchema,
    make: impl FnOnce(Arc<PrintPlan>) -> S,
) -> *mut Exclusive<S> {
    // SAFETY: by the contract of this function.
    let Some(schema) = (unsafe { schema.as_ref() }) else { return null_mut() };
    let make = AssertUnwindSafe(|| make(schema.0.clone()));
    catch_unwind(make).map_or(null_mut(), |state| Box::into_raw(Box::new(Exclusive::new(state))))
}

/// Free something that was handed over.
///
/// # Safety
///
/// The pointer is null, or what `made` or `made_of` returned and was not freed, and no call has it.
unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: by the contract of this function.
        drop(unsafe { Box::from_raw(handle) });
    }
}

/// Do some work with a state and an input, and report what became of it.
///
/// # Safety
///
/// The handle is null or one that was not freed, the input null or as long as its size says, the result null or writable.
unsafe fn call<S: Recover>(
    handle: *const Exclusive<S>,
    input: *const u8,
    size: usize,
    result: *mut Result,
    work: impl for<'a> FnOnce(&'a mut S, &[u8]) -> std::result::Result<&'a [u8], Failure>,
) -> u32 {
    // SAFETY: by the contract of this function.
    let done = match unsafe { handle.as_ref() } {
        // SAFETY: by the contract of this function.
        Some(handle) => handle.call(|state| work(state, unsafe { bytes(input, size) }?)),
        None => Result { code: Code::Argument as u32, ..Result::default() },
    };
    // SAFETY: by the contract of this function.
    unsafe { report(done, result) };
    done.code
}

/// Return the bytes that a caller gives; null stands for none.
///
/// # Safety
///
/// The pointer is null or points to so many bytes, which stay as they are for as long as the slice is used.
unsafe fn bytes<'a>(start: *const u8, size: usize) -> std::result::Result<&'a [u8], Failure> {
    match (start.is_null(), size) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(argument("a null pointer with a size")),
        (false, _) if isize::try_from(size).is_err() => Err(argument("a size beyond the address space")),
        // SAFETY: by the contract of this function; the size is one that a slice can have.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(start, size) }),
    }
}

/// Write a result where the caller wants it, if anywhere.
///
/// # Safety
///
/// The place is null or writable.
unsafe fn report(done: Result, result: *mut Result) {
    if !result.is_null() {
        // SAFETY: by the contract of this function. Callers of other languages may not align it.
        unsafe { result.write_unaligned(done) };
    }
}

#[cold]
fn argument(reason: &str) -> Failure {
    Failure::new(Code::Argument, reason)
}

fn encode_options(options: u32) -> std::result::Result<EncodeOptions, Failure> {
    only(options, CANONICAL | NONFINITE)?;
    let (canonical, nonfinite) = (options & CANONICAL != 0, options & NONFINITE != 0);
    Ok(EncodeOptions { canonical, nonfinite, origin: Origin::Bytes })
}

fn print_options(options: u32) -> std::result::Result<PrintOptions, Failure> {
    only(options, NONFINITE | FILL_REQUIRED | SKIP_UNKNOWN)?;
    Ok(PrintOptions {
        nonfinite: options & NONFINITE != 0,
        fill_required: options & FILL_REQUIRED != 0,
        refuse_unknown: options & SKIP_UNKNOWN == 0,
    })
}

fn only(options: u32, known: u32) -> std::result::Result<(), Failure> {
    match options & !known {
        0 => Ok(()),
        others => Err(argument(&format!("options {others:#x}, which this function does not have"))),
    }
}
