//! Calls every function of `chatpb.h` with all that it promises to take: damaged texts, wire bytes and descriptors, null
//! pointers, sizes beyond the address space, options that do not exist. `python -m tests.abi.hostile` runs it under
//! AddressSanitizer, which sees each read and write outside of an input or of what a result points to, and each leak.
//!
//!     hostile SEED COUNT FILE...
//!
//! makes so many calls of the bytes in the files: JSON lines (`.jsonl`), a text (`.json`) or wire bytes (`.binpb`). The same
//! seed makes the same calls.

// Handles are null or not freed; an input is as long as its size says, or is null, or has a size that no input can have.
#![allow(clippy::undocumented_unsafe_blocks)]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::{env, fs, hint, iter, slice, str};

const TYPES: [&str; 5] =
    ["ChatCompletion", "ChatCompletionChunk", "CreateChatCompletionRequest", "ErrorResponse", "ChatCompletionRecord"];
/// The most schemas, codecs, accumulators and splitters that are alive at once.
const ALIVE: usize = 8;
/// A random one of those is freed before so many calls.
const LIFE: usize = 40;

const OK: u32 = 0;
const JSON_ERROR: u32 = 1;
const WIRE_ERROR: u32 = 2;
const ARGUMENT_ERROR: u32 = 5;
const INTERNAL_ERROR: u32 = 7;
const CODES: usize = 10;
/// How many functions have a result.
const WITH_RESULT: usize = 12;

use chatpb as _;

type Handle = *mut c_void;
type Bytes = *const u8;

// As chatpb.h declares them.
unsafe extern "C" {
    safe fn chatpb_abi_version() -> u32;
    fn chatpb_schema_new(set: Bytes, size: usize, name: Bytes, name_size: usize, result: *mut Told) -> Handle;
    fn chatpb_schema_free(schema: Handle);
    fn chatpb_codec_new(schema: Handle) -> Handle;
    fn chatpb_codec_free(codec: Handle);
    fn chatpb_json_to_wire(codec: Handle, text: Bytes, size: usize, options: u32, result: *mut Told) -> u32;
    fn chatpb_wire_to_json(codec: Handle, wire: Bytes, size: usize, options: u32, result: *mut Told) -> u32;
    fn chatpb_validate(codec: Handle, wire: Bytes, size: usize, options: u32, result: *mut Told) -> u32;
    fn chatpb_json_lines_to_wire(
        codec: Handle,
        text: Bytes,
        size: usize,
        options: u32,
        threads: u32,
        result: *mut Told,
    ) -> u32;
    fn chatpb_wire_to_json_lines(
        codec: Handle,
        wire: Bytes,
        size: usize,
        options: u32,
        threads: u32,
        result: *mut Told,
    ) -> u32;
    fn chatpb_compact_stream(codec: Handle, chunks: Bytes, size: usize, options: u32, result: *mut Told) -> u32;
    fn chatpb_expand_stream(codec: Handle, stream: Bytes, size: usize, options: u32, result: *mut Told) -> u32;
    fn chatpb_accumulator_new(chunk: Handle) -> Handle;
    fn chatpb_accumulator_free(accumulator: Handle);
    fn chatpb_accumulator_add(accumulator: Handle, chunk: Bytes, size: usize, options: u32, result: *mut Told) -> u32;
    fn chatpb_accumulator_json(accumulator: Handle, result: *mut Told) -> u32;
    fn chatpb_splitter_new(
        completion: Handle,
        chunk: Handle,
        wire: Bytes,
        size: usize,
        characters: usize,
        options: u32,
        result: *mut Told,
    ) -> Handle;
    fn chatpb_splitter_free(splitter: Handle);
    fn chatpb_splitter_next(splitter: Handle, result: *mut Told) -> u32;
}

/// `chatpb_result`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Told {
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

impl Told {
    fn data(&self) -> &[u8] {
        bytes_at(self.data, self.size)
    }
}

/// Return the bytes that a result points to, which stay until the next call.
fn bytes_at<'a>(start: u64, size: u64) -> &'a [u8] {
    if size == 0 { &[] } else { unsafe { slice::from_raw_parts(start as Bytes, size as usize) } }
}

fn text_at<'a>(start: u64, size: u64) -> &'a str {
    str::from_utf8(bytes_at(start, size)).expect("UTF-8")
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 32) as usize) % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// Damage some bytes, given others to mix them with.
    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = at + self.below((bytes.len() - at).min(64) + 1);
            match self.below(8) {
                0 if at < end => bytes[at] ^= 1 << self.below(8),
                1 if at < end => bytes[at] = *self.of(b"\x00\x01\x7f\x80\xff\"\\{}[]:,09-eE. \n"),
                2 => drop(bytes.drain(at..end)),
                3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                4 => drop(bytes.splice(at..end, iter::repeat_n(0xff, self.below(11)))),
                5 => bytes.truncate(at),
                6 => {
                    let from = self.below(other.len() + 1);
                    drop(bytes.splice(at..end, other[from..].iter().take(256).copied()));
                }
                _ => drop(bytes.splice(at..end, self.next().to_le_bytes())),
            }
        }
    }
}

/// An input in memory of exactly its size, and what is said of it.
struct Given {
    bytes: Box<[u8]>,
    is_null: bool,
    size: usize,
}

impl Given {
    fn start(&self) -> Bytes {
        if self.is_null { null() } else { self.bytes.as_ptr() }
    }
}

struct Hostile {
    random: Random,
    texts: Vec<Vec<u8>>,
    wires: Vec<Vec<u8>>,
    schemas: Vec<Handle>,
    codecs: Vec<Handle>,
    accumulators: Vec<Handle>,
    splitters: Vec<Handle>,
    /// How often each function returned each code.
    seen: BTreeMap<&'static str, [u64; CODES]>,
}

impl Hostile {
    /// Add the wire bytes of each text, as a message of a random type.
    fn add_wires(&mut self) {
        let codecs: Vec<Handle> = self.schemas.iter().map(|schema| unsafe { chatpb_codec_new(*schema) }).collect();
        for text in &self.texts {
            let (codec, mut told) = (*self.random.of(&codecs), Told::default());
            if unsafe { chatpb_json_to_wire(codec, text.as_ptr(), text.len(), 0, &mut told) } == OK {
                self.wires.push(told.data().to_vec());
            }
        }
        codecs.into_iter().for_each(|codec| unsafe { chatpb_codec_free(codec) });
    }

    /// Return the bytes of a text or of wire bytes, mostly damaged.
    fn bytes(&mut self, is_text: bool) -> Vec<u8> {
        let random = &mut self.random;
        // Now and then a function is given what another one takes.
        let (own, others) = if is_text { (&self.texts, &self.wires) } else { (&self.wires, &self.texts) };
        let mut bytes = {
            let pool = if random.one_in(20) { others } else { own };
            random.of(pool).clone()
        };
        if !random.one_in(8) {
            let other = random.of(own);
            random.damage(&mut bytes, other);
        }
        bytes
    }

    fn given(&mut self, bytes: Vec<u8>) -> Given {
        let (bytes, random) = (bytes.into_boxed_slice(), &mut self.random);
        let (is_null, size) = match random.below(50) {
            0 => (true, 0),
            1 => (true, random.next() as usize),
            2 => (false, usize::MAX - random.below(1 << 20)),
            3 => (false, random.below(bytes.len() + 1)),
            _ => (false, bytes.len()),
        };
        Given { bytes, is_null, size }
    }

    fn options(&mut self) -> u32 {
        match self.random.below(8) {
            0..5 => 0,
            5 | 6 => 1 << self.random.below(6),
            _ => self.random.next() as u32 >> self.random.below(32),
        }
    }

    /// Return one of some handles, or null.
    fn handle(random: &mut Random, handles: &[Handle]) -> Handle {
        if handles.is_empty() || random.one_in(50) { null_mut() } else { *random.of(handles) }
    }

    /// Call a function with a place for its result, and check what it tells.
    fn call(&mut self, name: &'static str, size: usize, call: impl FnOnce(*mut Told) -> Option<u32>) {
        // A place need not be aligned, and may be none.
        let mut place = [0u8; size_of::<Told>() + 8];
        let told = place[self.random.below(8)..].as_mut_ptr().cast::<Told>();
        let wants_result = !self.random.one_in(30);
        let returned = call(if wants_result { told } else { null_mut() });
        let told = unsafe { told.read_unaligned() };
        let code = if wants_result { told.code } else { returned.unwrap_or(OK) };
        assert!((code as usize) < CODES && code != INTERNAL_ERROR, "{name}: code {code}");
        self.seen.entry(name).or_default()[code as usize] += 1;
        if !wants_result {
            return;
        }
        assert!(returned.is_none_or(|returned| returned == code), "{name}: returns {returned:?}, and tells {code}");
        hint::black_box(told.data().iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
        let (path, reason) = (text_at(told.path, told.path_size), text_at(told.reason, told.reason_size));
        assert!(path.is_empty() || path.starts_with('/'), "{name}: path {path}");
        match code {
            JSON_ERROR => assert!(told.line > 0 && told.column > 0 && told.offset <= size as u64, "{name}: no place"),
            WIRE_ERROR => assert!(told.offset <= size as u64 && !reason.is_empty(), "{name}: no place"),
            _ => assert_eq!((told.line, told.column, told.offset), (0, 0, 0), "{name}: a place"),
        }
    }

    /// Free one handle of some, if there are as many as may be, or by chance.
    fn forget(random: &mut Random, handles: &mut Vec<Handle>, kept: usize, free: impl FnOnce(Handle)) {
        if handles.len() >= ALIVE || (handles.len() > kept && random.one_in(LIFE)) {
            let at = kept + random.below(handles.len() - kept);
            free(handles.swap_remove(at));
        }
    }

    /// Call one function.
    fn step(&mut self) {
        match self.random.below(100) {
            0 => self.new_schema(),
            1..4 => self.new_codec(),
            4..6 => self.new_accumulator(),
            6..14 => self.new_splitter(),
            14..24 => {
                let splitter = Self::handle(&mut self.random, &self.splitters);
                self.call("splitter_next", 0, |told| Some(unsafe { chatpb_splitter_next(splitter, told) }));
            }
            24..36 => {
                let accumulator = Self::handle(&mut self.random, &self.accumulators);
                let bytes = self.bytes(false);
                let (given, options) = (self.given(bytes), self.options());
                self.call("accumulator_add", given.size, |told| {
                    let (start, size) = (given.start(), given.size);
                    Some(unsafe { chatpb_accumulator_add(accumulator, start, size, options, told) })
                });
            }
            36..40 => {
                let accumulator = Self::handle(&mut self.random, &self.accumulators);
                self.call("accumulator_json", 0, |told| Some(unsafe { chatpb_accumulator_json(accumulator, told) }));
            }
            40..60 => self.convert("json_to_wire", true, false, |codec, start, size, options, _, told| unsafe {
                chatpb_json_to_wire(codec, start, size, options, told)
            }),
            60..75 => self.convert("wire_to_json", false, false, |codec, start, size, options, _, told| unsafe {
                chatpb_wire_to_json(codec, start, size, options, told)
            }),
            75..82 => self.convert("validate", false, false, |codec, start, size, options, _, told| unsafe {
                chatpb_validate(codec, start, size, options, told)
            }),
            82..88 => {
                self.convert("json_lines_to_wire", true, true, |codec, start, size, options, threads, told| unsafe {
                    chatpb_json_lines_to_wire(codec, start, size, options, threads, told)
                })
            }
            88..92 => {
                self.convert("wire_to_json_lines", false, true, |codec, start, size, options, threads, told| unsafe {
                    chatpb_wire_to_json_lines(codec, start, size, options, threads, told)
                })
            }
            92..96 => self.convert("compact_stream", false, true, |codec, start, size, options, _, told| unsafe {
                chatpb_compact_stream(codec, start, size, options, told)
            }),
            _ => self.convert("expand_stream", false, false, |codec, start, size, options, _, told| unsafe {
                chatpb_expand_stream(codec, start, size, options, told)
            }),
        }
    }

    /// Convert one document, or several: lines of texts, or wire bytes each after its length.
    fn convert(
        &mut self,
        name: &'static str,
        is_text: bool,
        several: bool,
        convert: impl FnOnce(Handle, Bytes, usize, u32, u32, *mut Told) -> u32,
    ) {
        let mut bytes = Vec::new();
        for _ in 0..if several { self.random.below(5) } else { 1 } {
            let document = if several && self.random.one_in(2) {
                self.random.of(if is_text { &self.texts } else { &self.wires }).clone()
            } else {
                self.bytes(is_text)
            };
            if several && !is_text {
                let mut rest = document.len();
                while rest > 127 {
                    bytes.push(rest as u8 | 128);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
            bytes.extend_from_slice(&document);
            if several && is_text {
                bytes.push(b'\n');
            }
        }
        let (given, options) = (self.given(bytes), self.options());
        let codec = Self::handle(&mut self.random, &self.codecs);
        let threads = *self.random.of(&[1, 1, 1, 1, 1, 0, 2, u32::MAX]);
        self.call(name, given.size, |told| Some(convert(codec, given.start(), given.size, options, threads, told)));
    }

    /// Make a schema of the contract's descriptors, damaged or not, or of any bytes. Others are made of it, if it can be made.
    fn new_schema(&mut self) {
        let set = match self.random.below(10) {
            0 => Vec::new(),
            1 => self.bytes(false),
            2 => chatpb_core::contract().to_vec(),
            _ => {
                let mut set = chatpb_core::contract().to_vec();
                let other = self.random.of(&self.wires);
                self.random.damage(&mut set, other);
                set
            }
        };
        let mut name = format!("chatcompletion.v1.{}", self.random.of(&TYPES)).into_bytes();
        if self.random.one_in(8) {
            self.random.damage(&mut name, b".google.protobuf.Value");
        }
        let (set, name) = (self.given(set), self.given(name));
        let mut schema = null_mut();
        self.call("schema_new", usize::MAX, |told| {
            schema = unsafe { chatpb_schema_new(set.start(), set.size, name.start(), name.size, told) };
            None
        });
        if !schema.is_null() {
            self.schemas.push(schema);
        }
        Self::forget(&mut self.random, &mut self.schemas, TYPES.len(), |schema| unsafe {
            chatpb_schema_free(schema);
        });
    }

    fn new_codec(&mut self) {
        let schema = Self::handle(&mut self.random, &self.schemas);
        let codec = unsafe { chatpb_codec_new(schema) };
        Self::keep(&mut self.codecs, schema, codec);
        Self::forget(&mut self.random, &mut self.codecs, 0, |codec| unsafe { chatpb_codec_free(codec) });
    }

    fn new_accumulator(&mut self) {
        let schema = Self::handle(&mut self.random, &self.schemas);
        let accumulator = unsafe { chatpb_accumulator_new(schema) };
        Self::keep(&mut self.accumulators, schema, accumulator);
        Self::forget(&mut self.random, &mut self.accumulators, 0, |accumulator| unsafe {
            chatpb_accumulator_free(accumulator);
        });
    }

    /// Keep what was made of a schema, if there is one.
    fn keep(handles: &mut Vec<Handle>, schema: Handle, made: Handle) {
        assert_eq!(made.is_null(), schema.is_null());
        if !made.is_null() {
            handles.push(made);
        }
    }

    fn new_splitter(&mut self) {
        let [completion, chunk] = [0, 0].map(|_: i32| Self::handle(&mut self.random, &self.schemas));
        let bytes = self.bytes(false);
        let (given, options) = (self.given(bytes), self.options());
        let characters = *self.random.of(&[0, 1, 7, usize::MAX]);
        let mut splitter = null_mut();
        self.call("splitter_new", given.size, |told| {
            let (start, size) = (given.start(), given.size);
            splitter = unsafe { chatpb_splitter_new(completion, chunk, start, size, characters, options, told) };
            None
        });
        if !splitter.is_null() {
            self.splitters.push(splitter);
        }
        Self::forget(&mut self.random, &mut self.splitters, 0, |splitter| unsafe {
            chatpb_splitter_free(splitter);
        });
    }

    fn free_all(&mut self) {
        unsafe {
            // What was made of a schema outlives it.
            self.schemas.drain(..).for_each(|schema| chatpb_schema_free(schema));
            self.codecs.drain(..).for_each(|codec| chatpb_codec_free(codec));
            self.accumulators.drain(..).for_each(|stream| chatpb_accumulator_free(stream));
            self.splitters.drain(..).for_each(|stream| chatpb_splitter_free(stream));
            chatpb_schema_free(null_mut());
            chatpb_codec_free(null_mut());
            chatpb_accumulator_free(null_mut());
            chatpb_splitter_free(null_mut());
        }
    }
}

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number =
        |name: &str| arguments.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}"));
    let (seed, count): (u64, u64) = (number("seed"), number("count"));
    let (mut texts, mut wires) = (Vec::new(), Vec::new());
    for file in arguments {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        match Path::new(&file).extension().and_then(|extension| extension.to_str()) {
            Some("jsonl") => texts.extend(bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec)),
            Some("json") => texts.push(bytes),
            Some("binpb") => wires.push(bytes),
            _ => panic!("{file}: not .jsonl, .json or .binpb"),
        }
    }
    assert!(!texts.is_empty() && !wires.is_empty(), "no texts, or no wire bytes");
    println!("seed {seed}: {count} calls, of {} texts and {} wire bytes", texts.len(), wires.len());
    let mut hostile = Hostile {
        random: Random(seed),
        texts,
        wires,
        schemas: Vec::new(),
        codecs: Vec::new(),
        accumulators: Vec::new(),
        splitters: Vec::new(),
        seen: BTreeMap::new(),
    };
    for name in TYPES.map(|name| format!("chatcompletion.v1.{name}")) {
        let schema = unsafe { chatpb_schema_new(null(), 0, name.as_ptr(), name.len(), null_mut()) };
        assert!(!schema.is_null(), "{name}");
        hostile.schemas.push(schema);
    }
    hostile.add_wires();
    assert_eq!(chatpb_abi_version(), 1);
    for _ in 0..count {
        hostile.step();
    }
    hostile.free_all();
    println!("{:<20}{:>10} {:>10} {:>10}", "function", "right", "refused", "arguments");
    for (name, seen) in &hostile.seen {
        let [right, arguments] = [OK, ARGUMENT_ERROR].map(|code| seen[code as usize]);
        let refused = seen.iter().sum::<u64>() - right - arguments;
        println!("{name:<20}{right:>10} {refused:>10} {arguments:>10}");
        // Few calls may not come to all of these, and then show little.
        let has_input = *name != "accumulator_json";
        assert!(right > 0 && arguments > 0 && (refused > 0 || !has_input), "{name}: more calls are needed");
    }
    assert_eq!(hostile.seen.len(), WITH_RESULT, "a function was not called: more calls are needed");
}
