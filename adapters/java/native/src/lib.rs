//! The native methods of `chatpb.Natives`: those of `chatpb.h`, with arrays of Java.
//!
//! - No panic goes to Java. Those of the core end in the C interface, which reports them, and what is here has none.
//! - An input is copied. While the core reads it, another thread may write to the array, and what the core has checked of
//!   a text must stay so.
//! - A call starts only where the thread's stack is long enough for all calls: its end is no error that Rust can report.

#![allow(clippy::missing_safety_doc)] // Java's virtual machine calls all functions here, as their signatures in Java say

mod stack;

use chatpb::{
    chatpb_accumulator_add, chatpb_accumulator_free, chatpb_accumulator_json, chatpb_accumulator_new,
    chatpb_codec_free, chatpb_codec_new, chatpb_compact_stream, chatpb_expand_stream, chatpb_json_to_wire,
    chatpb_schema_free, chatpb_schema_new, chatpb_splitter_free, chatpb_splitter_new, chatpb_splitter_next,
    chatpb_validate, chatpb_wire_to_json,
};
use jni_sys::{JNIEnv, jbyteArray, jclass, jint, jlong, jobjectArray, jsize};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

const OK: u32 = 0;
const INTERNAL: u32 = 7;
const CONTRACT: u32 = 8;
const END: u32 = 9;

/// `chatpb_result`.
#[derive(Default)]
#[repr(C)]
struct Outcome {
    data: u64,
    size: u64,
    path: u64,
    path_size: u64,
    reason: u64,
    reason_size: u64,
    line: u64,
    column: u64,
    offset: u64,
    code: u32,
    reserved: u32,
}

/// What a native method works with: the virtual machine's functions for this thread, and the caller's array of one
/// element, where the bytes of an error go.
struct Call {
    env: *mut JNIEnv,
    failure: jobjectArray,
}

impl Call {
    /// Return a copy of an array; null stands for none. Return none after an error, which is reported.
    fn copy(&self, array: jbyteArray) -> Option<Option<Vec<u8>>> {
        if array.is_null() {
            return Some(None);
        }
        // SAFETY: the virtual machine gave both, and they are valid until the native method returns.
        let length = unsafe { ((**self.env).v1_1.GetArrayLength)(self.env, array) };
        let size = usize::try_from(length).unwrap_or(0);
        let mut bytes: Vec<u8> = Vec::new();
        if bytes.try_reserve_exact(size).is_err() {
            self.report(INTERNAL, &[], b"no memory for the input", [0; 3]);
            return None;
        }
        // SAFETY: as above; the vector has room for the whole array, which the function writes.
        unsafe {
            ((**self.env).v1_1.GetByteArrayRegion)(self.env, array, 0, length, bytes.as_mut_ptr().cast());
            bytes.set_len(size);
        }
        Some(Some(bytes))
    }

    /// Return a new array; null after an error, which is reported, or is an exception that waits in the virtual machine.
    fn array(&self, parts: &[&[u8]]) -> jbyteArray {
        let Ok(size) = jsize::try_from(parts.iter().map(|part| part.len()).sum::<usize>()) else {
            self.report(INTERNAL, &[], b"a result that is larger than an array of Java can be", [0; 3]);
            return null_mut();
        };
        // SAFETY: the virtual machine gave the environment; the regions lie one after the other within the new array.
        unsafe {
            let array = ((**self.env).v1_1.NewByteArray)(self.env, size);
            let mut start = 0;
            for part in parts.iter().filter(|_| !array.is_null()) {
                let size = part.len() as jsize;
                ((**self.env).v1_1.SetByteArrayRegion)(self.env, array, start, size, part.as_ptr().cast());
                start += size;
            }
            array
        }
    }

    /// Report an error: its code, line, column and offset and the length of its path, then the path and the reason.
    #[cold]
    fn report(&self, code: u32, path: &[u8], reason: &[u8], [line, column, offset]: [u64; 3]) {
        let numbers = [u64::from(code), line, column, offset, path.len() as u64];
        let array = self.array(&[&numbers.map(u64::to_be_bytes).concat(), path, reason]);
        if !array.is_null() {
            // SAFETY: the virtual machine gave all three, and the caller's array has an element.
            unsafe { ((**self.env).v1_1.SetObjectArrayElement)(self.env, self.failure, 0, array) };
        }
    }

    /// Return the data of a result, or null after reporting its error.
    fn data(&self, outcome: &Outcome) -> jbyteArray {
        let bytes = |start: u64, size: u64| match start as usize as *const u8 {
            start if start.is_null() => &[][..],
            // SAFETY: a result points to bytes that stay until the next call with the handle, or on this thread.
            start => unsafe { std::slice::from_raw_parts(start, size as usize) },
        };
        let data = bytes(outcome.data, outcome.size);
        let reason = match outcome.code {
            OK => return self.array(&[data]),
            END => return null_mut(),
            CONTRACT => data,
            _ => bytes(outcome.reason, outcome.reason_size),
        };
        let Outcome { line, column, offset, .. } = *outcome;
        self.report(outcome.code, bytes(outcome.path, outcome.path_size), reason, [line, column, offset]);
        null_mut()
    }

    /// Return whether the stack is long enough. Report it if not.
    fn has_stack(&self) -> bool {
        let enough = stack::remaining() >= stack::NEEDED;
        if !enough {
            self.report(INTERNAL, &[], b"no stack left for this call", [0; 3]);
        }
        enough
    }
}

/// A null array is no input.
fn pointer(input: &Option<Vec<u8>>) -> (*const u8, usize) {
    input.as_ref().map_or((null(), 0), |bytes| (bytes.as_ptr(), bytes.len()))
}

/// Define native methods that give a function of `chatpb.h` a handle, an input and options.
macro_rules! with_input {
    ($($method:ident: $function:ident,)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $method(
            env: *mut JNIEnv,
            _: jclass,
            handle: jlong,
            input: jbyteArray,
            options: jint,
            failure: jobjectArray,
        ) -> jbyteArray {
            let call = Call { env, failure };
            let (true, Some(input)) = (call.has_stack(), call.copy(input)) else { return null_mut() };
            let mut outcome = Outcome::default();
            let (start, size) = pointer(&input);
            // SAFETY: `NativeCore` gives each function handles of its kind that it has not freed.
            unsafe {
                $function(handle as usize as *mut _, start, size, options as u32, (&raw mut outcome).cast());
            }
            call.data(&outcome)
        }
    )*};
}

/// Define native methods that give a function of `chatpb.h` a handle alone.
macro_rules! without_input {
    ($($method:ident: $function:ident,)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $method(
            env: *mut JNIEnv,
            _: jclass,
            handle: jlong,
            failure: jobjectArray,
        ) -> jbyteArray {
            let call = Call { env, failure };
            if !call.has_stack() {
                return null_mut();
            }
            let mut outcome = Outcome::default();
            // SAFETY: as above.
            unsafe { $function(handle as usize as *mut _, (&raw mut outcome).cast()) };
            call.data(&outcome)
        }
    )*};
}

/// Define native methods that free something.
macro_rules! freeing {
    ($($method:ident: $function:ident,)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $method(_: *mut JNIEnv, _: jclass, handle: jlong) {
            // SAFETY: `NativeCore` frees each handle at most once.
            unsafe { $function(handle as usize as *mut _) };
        }
    )*};
}

/// Define native methods that make something of a schema.
macro_rules! of_schema {
    ($($method:ident: $function:ident,)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $method(_: *mut JNIEnv, _: jclass, schema: jlong) -> jlong {
            // SAFETY: `NativeCore` gives a schema that it has not freed.
            unsafe { $function(schema as usize as *const _) as usize as jlong }
        }
    )*};
}

with_input! {
    Java_chatpb_Natives_jsonToWire: chatpb_json_to_wire,
    Java_chatpb_Natives_wireToJson: chatpb_wire_to_json,
    Java_chatpb_Natives_validate: chatpb_validate,
    Java_chatpb_Natives_compactStream: chatpb_compact_stream,
    Java_chatpb_Natives_expandStream: chatpb_expand_stream,
    Java_chatpb_Natives_accumulatorAdd: chatpb_accumulator_add,
}

without_input! {
    Java_chatpb_Natives_accumulatorJson: chatpb_accumulator_json,
    Java_chatpb_Natives_splitterNext: chatpb_splitter_next,
}

freeing! {
    Java_chatpb_Natives_schemaFree: chatpb_schema_free,
    Java_chatpb_Natives_codecFree: chatpb_codec_free,
    Java_chatpb_Natives_accumulatorFree: chatpb_accumulator_free,
    Java_chatpb_Natives_splitterFree: chatpb_splitter_free,
}

of_schema! {
    Java_chatpb_Natives_codecNew: chatpb_codec_new,
    Java_chatpb_Natives_accumulatorNew: chatpb_accumulator_new,
}

/// Make the schema of a type; without descriptors, that of the contract's own.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_chatpb_Natives_schemaNew(
    env: *mut JNIEnv,
    _: jclass,
    descriptors: jbyteArray,
    type_name: jbyteArray,
    failure: jobjectArray,
) -> jlong {
    let call = Call { env, failure };
    let (true, Some(set), Some(name)) = (call.has_stack(), call.copy(descriptors), call.copy(type_name)) else {
        return 0;
    };
    let ((set, set_size), (name, name_size)) = (pointer(&set), pointer(&name));
    let mut outcome = Outcome::default();
    // SAFETY: both inputs are as long as their sizes say.
    let schema = unsafe { chatpb_schema_new(set, set_size, name.cast(), name_size, (&raw mut outcome).cast()) };
    made(&call, schema.cast(), &outcome)
}

/// Split a completion, given the schemas of it and of its chunks.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Java_chatpb_Natives_splitterNew(
    env: *mut JNIEnv,
    _: jclass,
    completion: jlong,
    chunk: jlong,
    wire: jbyteArray,
    characters: jint,
    options: jint,
    failure: jobjectArray,
) -> jlong {
    let call = Call { env, failure };
    let (true, Some(wire)) = (call.has_stack(), call.copy(wire)) else { return 0 };
    let (start, size) = pointer(&wire);
    let mut outcome = Outcome::default();
    // SAFETY: `NativeCore` gives schemas that it has not freed.
    let splitter = unsafe {
        chatpb_splitter_new(
            completion as usize as *const _,
            chunk as usize as *const _,
            start,
            size,
            usize::try_from(characters).unwrap_or(0),
            options as u32,
            (&raw mut outcome).cast(),
        )
    };
    made(&call, splitter.cast(), &outcome)
}

/// Return the handle of what was made, or 0 after reporting why there is none.
fn made(call: &Call, handle: *mut c_void, outcome: &Outcome) -> jlong {
    if handle.is_null() {
        call.data(outcome);
    }
    handle as usize as jlong
}
