//! How much of the thread's stack is left.

use libc::{c_void, pthread_attr_destroy, pthread_attr_getstack, pthread_attr_t, pthread_getattr_np, pthread_self};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Bytes of stack that a call may need: for the deepest documents, and for the pages at the end of a stack by which the
/// virtual machine notices that end. The tests have documents at every limit.
pub const NEEDED: usize = 192 << 10;

thread_local! {
    /// The lowest address of the stack; 0 until it is asked for.
    static LOWEST: Cell<usize> = const { Cell::new(0) };
}

/// Return the bytes of the thread's stack that are left; none where the system does not say.
pub fn remaining() -> usize {
    let here = 0u8;
    LOWEST.with(|lowest| {
        if lowest.get() == 0 {
            lowest.set(lowest_address());
        }
        (&raw const here).addr().saturating_sub(lowest.get())
    })
}

#[cold]
fn lowest_address() -> usize {
    let mut attributes = MaybeUninit::<pthread_attr_t>::uninit();
    let (mut lowest, mut size): (*mut c_void, usize) = (null_mut(), 0);
    // SAFETY: the attributes are read only after the system has written them, and freed once.
    let is_known = unsafe {
        pthread_getattr_np(pthread_self(), attributes.as_mut_ptr()) == 0 && {
            let found = pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) == 0;
            pthread_attr_destroy(attributes.as_mut_ptr());
            found
        }
    };
    if is_known { lowest.addr() } else { usize::MAX }
}

#[cfg(test)]
mod tests {
    use super::{NEEDED, remaining};
    use chatpb::{
        STRICT, chatpb_accumulator_add, chatpb_accumulator_json, chatpb_accumulator_new, chatpb_codec_new,
        chatpb_compact_stream, chatpb_expand_stream, chatpb_json_to_wire, chatpb_schema_new, chatpb_splitter_new,
        chatpb_splitter_next, chatpb_validate, chatpb_wire_to_json,
    };
    use std::ptr::null;

    #[derive(Default)]
    #[repr(C)]
    struct Outcome {
        data: u64,
        size: u64,
        others: [u64; 8],
    }

    impl Outcome {
        fn bytes(&self) -> Vec<u8> {
            let start = self.data as usize as *const u8;
            if start.is_null() {
                return Vec::new();
            }
            // SAFETY: a result points to as many bytes, until the next call.
            unsafe { std::slice::from_raw_parts(start, self.size as usize) }.to_vec()
        }
    }

    /// Give every function that reads data a document.
    fn every_call(text: &[u8], type_name: &str) {
        let mut outcome = Outcome::default();
        let result = (&raw mut outcome).cast();
        // SAFETY: all handles are of the functions before, and each size is that of its input. What is made stays.
        unsafe {
            let schema = chatpb_schema_new(null(), 0, type_name.as_ptr().cast(), type_name.len(), result);
            let codec = chatpb_codec_new(schema);
            for options in [0, STRICT] {
                chatpb_json_to_wire(codec, text.as_ptr(), text.len(), options, result);
            }
            chatpb_json_to_wire(codec, text.as_ptr(), text.len(), 0, result);
            let wire = outcome.bytes();
            chatpb_wire_to_json(codec, wire.as_ptr(), wire.len(), 0, result);
            chatpb_validate(codec, wire.as_ptr(), wire.len(), 0, result);
            let mut chunks = vec![(wire.len() & 127 | 128) as u8, (wire.len() >> 7) as u8];
            chunks.extend(&wire);
            chatpb_compact_stream(codec, chunks.as_ptr(), chunks.len(), 0, result);
            let stream = outcome.bytes();
            chatpb_expand_stream(codec, stream.as_ptr(), stream.len(), 0, result);
            let accumulator = chatpb_accumulator_new(schema);
            for _ in 0..2 {
                chatpb_accumulator_add(accumulator, wire.as_ptr(), wire.len(), 0, result);
            }
            chatpb_accumulator_json(accumulator, result);
            let splitter = chatpb_splitter_new(schema, schema, wire.as_ptr(), wire.len(), 1, 0, result);
            if !splitter.is_null() {
                chatpb_splitter_next(splitter, result);
            }
        }
    }

    /// Documents with the same value in a message, in a message of an array, and in an open member.
    fn documents() -> Vec<String> {
        let levels = [("[", "]"), ("{\"a\":", "}"), ("{\"choices\":[", "]}"), ("{\"choices\":[{\"delta\":", "}]}")];
        let nested = |(open, close): (&str, &str), depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let values = levels.into_iter().flat_map(|level| [23, 24, 90, 199, 250].map(|depth| nested(level, depth)));
        values
            .map(|value| {
                let choice = format!("{{\"index\":0,\"delta\":{{\"x\":{value}}},\"message\":{{\"x\":{value}}}}}");
                format!("{{\"choices\":[{choice}],\"response_format\":{value},\"x\":{value}}}")
            })
            .collect()
    }

    /// What is needed beyond that is the virtual machine's, which takes 80 KiB at most.
    #[test]
    fn the_deepest_documents_need_no_more_stack() {
        let size = NEEDED - (80 << 10);
        let call = || {
            for name in ["ChatCompletion", "ChatCompletionChunk", "CreateChatCompletionRequest"] {
                documents().iter().for_each(|text| every_call(text.as_bytes(), &format!("chatcompletion.v1.{name}")));
            }
            remaining()
        };
        let left = std::thread::Builder::new().stack_size(size).spawn(call).unwrap().join().unwrap();
        assert!((1..size).contains(&left), "{left} of {size} bytes");
    }
}
