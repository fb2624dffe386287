//! Reads `text/event-stream`, the form of streamed completions over HTTP. No code here opens a connection.
//!
//! Rules, from the WHATWG specification of server-sent events and from what providers send:
//!
//! - The bytes may be split anywhere. Lines end in LF, CRLF or CR. An event ends at an empty line. Skipped are a leading
//!   byte order mark, comments, and fields other than `event` and `data`. Several data lines are joined by LF.
//! - An event with the data `[DONE]` ends the stream, and whatever follows it is ignored. A stream may also just end.
//! - The last event counts without the empty line after it, which some providers leave out, but only if it is whole JSON.
//! - An event named `error` is an error. So is one whose data is an error body.
//! - A line that begins with `{` is no field of the specification, but what some servers write when they fail. With the
//!   lines after it, up to the empty line, it is the data of an event of its own.
//! - Not chunks, and left out: events without data or with `null`, and those with another name than `message` whose data
//!   has no `choices`, such as `ping`.
//! - Of an event that has not ended, at most the limit is kept. An event above the limit is refused.

use crate::codec::{Codec, Options};
use crate::error::{Error, Result, StreamError};
use memchr::{memchr2, memmem};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::sync::LazyLock;

/// Bytes of one event, unless the caller sets another limit.
pub const MAX_EVENT: usize = 16 << 20;

/// Bytes to ask a stream for.
const READ_SIZE: usize = 1 << 14;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Return the chunks of an event stream, each as its wire bytes, such as those of an HTTP answer's body.
///
/// ```
/// let body = "data: {\"choices\":[]}\n\ndata: [DONE]\n\n";
/// let chunks: Result<Vec<_>, _> = chatpb::read_chunks(body.as_bytes()).collect();
/// assert_eq!(chatpb::Codec::chunk().wire_to_json(&chunks?[0])?, r#"{"choices":[]}"#);
/// # Ok::<(), chatpb::Error>(())
/// ```
///
/// The iterator ends after an error: [`Error::Event`] for one that the sender reports; [`Error::Stream`] for an event that is
/// too large, not a chunk or cut short; [`Error::Io`]. Behind `[DONE]` nothing is read. A [`ChunkReader`] has other limits,
/// and takes bytes that asynchronous code reads.
pub fn read_chunks<R: Read>(stream: R) -> Chunks<R> {
    ChunkReader::default().read(stream)
}

/// Finds chunks in the bytes of an event stream, however they come:
///
/// ```
/// let mut reader = chatpb::ChunkReader::default();
/// for piece in ["data: {\"choi", "ces\":[]}\n", "\n"] {
///     reader.feed(piece.as_bytes());
///     while let Some(wire) = reader.next_chunk() {
///         assert_eq!(chatpb::Codec::chunk().wire_to_json(wire?)?, r#"{"choices":[]}"#);
///     }
/// }
/// reader.finish();
/// assert!(reader.next_chunk().is_none());
/// # Ok::<(), chatpb::Error>(())
/// ```
#[derive(Debug)]
pub struct ChunkReader {
    codec: Codec,
    lines: Lines,
    events: VecDeque<Event>,
    /// Why there are no events behind those.
    failure: Option<StreamError>,
    is_done: bool,
}

impl Default for ChunkReader {
    /// Make a reader of the contract's chunks, with the limit [`MAX_EVENT`].
    fn default() -> ChunkReader {
        ChunkReader::new(Codec::chunk(), MAX_EVENT)
    }
}

impl ChunkReader {
    /// Make a reader of chunks of a codec. An event may have at most so many bytes.
    pub fn new(codec: &Codec, max_event: usize) -> ChunkReader {
        let lines = Lines { limit: max_event, ..Lines::default() };
        ChunkReader { codec: codec.clone(), lines, events: VecDeque::new(), failure: None, is_done: false }
    }

    /// Return the chunks of a stream.
    pub fn read<R: Read>(self, stream: R) -> Chunks<R> {
        Chunks { reader: self, stream, buffer: vec![0; READ_SIZE].into(), has_ended: false }
    }

    /// Take the next bytes. Then call [`next_chunk`](ChunkReader::next_chunk) until it returns none.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.has_ended() {
            self.failure = self.lines.feed(bytes, &mut self.events).err();
        }
    }

    /// End the stream. Its last event may lack the empty line behind it.
    pub fn finish(&mut self) {
        if !self.has_ended() {
            self.failure = self.lines.finish(&mut self.events).err();
        }
    }

    /// Return the wire bytes of the next chunk; none if more bytes are needed, and at the end. Behind an error is nothing.
    ///
    /// # Errors
    ///
    /// Those of [`read_chunks`], but [`Error::Io`].
    pub fn next_chunk(&mut self) -> Option<Result<Vec<u8>>> {
        while let Some(event) = self.events.pop_front().filter(|_| !self.is_done) {
            let found = self.chunk_of(&event).transpose();
            if matches!(found, Some(Err(_))) {
                self.is_done = true;
            }
            if found.is_some() {
                return found;
            }
        }
        let failure = self.failure.take()?;
        let is_first = !std::mem::replace(&mut self.is_done, true);
        is_first.then_some(Err(failure.into()))
    }

    /// Return whether nothing comes any more, since the event `[DONE]` was read, or after an error.
    pub fn has_ended(&self) -> bool {
        self.is_done || self.failure.is_some()
    }

    fn chunk_of(&mut self, event: &Event) -> Result<Option<Vec<u8>>> {
        let Event { name, data, is_last } = event;
        match data.trim_ascii() {
            b"" | b"null" => return Ok(None),
            b"[DONE]" => {
                self.is_done = true;
                return Ok(None);
            }
            _ => {}
        }
        if name == b"error" || is_error(data) {
            return Err(Error::Event(data.clone()));
        }
        if !matches!(name.as_slice(), b"" | b"message") && memmem::find(data, b"\"choices\"").is_none() {
            return Ok(None);
        }
        match self.codec.json_to_wire(data) {
            Err(Error::Json(error)) if *is_last => Err(StreamError::CutShort(error).into()),
            Err(Error::Json(error)) => Err(StreamError::NotAChunk(error).into()),
            found => found.map(Some),
        }
    }
}

/// Yields the wire bytes of a stream's chunks.
#[derive(Debug)]
pub struct Chunks<R> {
    reader: ChunkReader,
    stream: R,
    buffer: Box<[u8]>,
    has_ended: bool,
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        loop {
            if let Some(found) = self.reader.next_chunk() {
                return Some(found);
            }
            if self.has_ended || self.reader.has_ended() {
                return None;
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => {
                    self.has_ended = true;
                    self.reader.finish();
                }
                Ok(size) => self.reader.feed(&self.buffer[..size]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.has_ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
    }
}

/// One event: its data lines, joined by LF, and its name; no name is "message".
#[derive(Debug)]
struct Event {
    name: Vec<u8>,
    data: Vec<u8>,
    /// Whether it is what the stream ends with, without an empty line behind it.
    is_last: bool,
}

/// Whether the events so far are within the limit.
type Fed = std::result::Result<(), StreamError>;

/// Finds the lines of each event.
#[derive(Debug, Default)]
struct Lines {
    limit: usize,
    /// The lines of the event being read without comments, each with an LF behind it but the last one, which has not
    /// ended.
    block: Vec<u8>,
    /// Where the last line starts.
    start: usize,
    /// Whether the last line is a comment. Nothing of it is kept, for a server may send comments for hours.
    is_comment: bool,
    is_after_cr: bool,
    /// The first bytes, while they may be a part of a byte order mark.
    first: Vec<u8>,
    has_started: bool,
}

impl Lines {
    /// Take the next bytes, and append each event that they complete.
    fn feed(&mut self, bytes: &[u8], events: &mut VecDeque<Event>) -> Fed {
        if self.has_started {
            return self.take(bytes, events);
        }
        self.first.extend_from_slice(bytes);
        if self.first.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.first) {
            return Ok(());
        }
        self.start_without_mark(events)
    }

    fn start_without_mark(&mut self, events: &mut VecDeque<Event>) -> Fed {
        self.has_started = true;
        let first = std::mem::take(&mut self.first);
        self.take(first.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&first), events)
    }

    /// End the stream, and append the event that has no empty line behind it.
    fn finish(&mut self, events: &mut VecDeque<Event>) -> Fed {
        if !self.has_started {
            self.start_without_mark(events)?;
        }
        self.end_event(true, events);
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], events: &mut VecDeque<Event>) -> Fed {
        if self.is_after_cr && !bytes.is_empty() {
            self.is_after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            self.add(&bytes[..end])?;
            self.end_line(events);
            let is_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if is_cr {
                self.is_after_cr = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
        self.add(bytes)
    }

    /// Add a part of a line.
    fn add(&mut self, part: &[u8]) -> Fed {
        self.is_comment |= self.block.len() == self.start && part.starts_with(b":");
        if self.is_comment || part.is_empty() {
            return Ok(());
        }
        if self.block.len().saturating_add(part.len()) > self.limit {
            return Err(StreamError::TooLarge(self.limit));
        }
        self.block.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, events: &mut VecDeque<Event>) {
        if std::mem::take(&mut self.is_comment) {
            return;
        }
        if self.block.len() == self.start {
            self.end_event(false, events);
        } else {
            self.block.push(b'\n');
            self.start = self.block.len();
        }
    }

    /// Append the event that the lines stand for, if they have data, and that of JSON text without a field name.
    fn end_event(&mut self, is_last: bool, events: &mut VecDeque<Event>) {
        let block = std::mem::take(&mut self.block);
        self.start = 0;
        let mut rest = block.strip_suffix(b"\n").unwrap_or(&block);
        let (mut name, mut data) = (Vec::new(), None);
        while !rest.is_empty() && !rest.starts_with(b"{") {
            let (line, after) = split_at_byte(rest, b'\n');
            let (field, value) = split_at_byte(line, b':');
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match (field, &mut data) {
                (b"data", None) => data = Some(value.to_vec()),
                (b"data", Some(data)) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                (b"event", _) => name = value.to_vec(),
                _ => {}
            }
            rest = after;
        }
        events.extend(data.map(|data| Event { name, data, is_last }));
        if !rest.is_empty() {
            events.push_back(Event { name: Vec::new(), data: rest.to_vec(), is_last });
        }
    }
}

/// Return what stands before and behind the first of a byte; all and nothing if it is not there.
fn split_at_byte(bytes: &[u8], byte: u8) -> (&[u8], &[u8]) {
    memchr::memchr(byte, bytes).map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 1..]))
}

/// Return whether JSON text is an error body: it has `error` and no `choices`, or its `object` is "error".
fn is_error(data: &[u8]) -> bool {
    static CODEC: LazyLock<Codec> =
        LazyLock::new(|| Codec::chunk().with(Options { nonfinite: true, ..Options::default() }));
    if memmem::find(data, b"\"error\"").is_none() {
        return false;
    }
    let data = data.trim_ascii();
    let alone = data.strip_prefix(b"[").and_then(|data| data.strip_suffix(b"]")).unwrap_or(data);
    let Ok(json) = CODEC.json_to_wire(alone).and_then(|wire| CODEC.wire_to_json(wire)) else { return false };
    let members = members(&json);
    let member = |name| members.iter().find(|each| each.0 == name).map_or("null", |each| each.1);
    member("object") == "\"error\"" || is_truthy(member("error")) && member("choices") == "null"
}

/// Return the members of an object, given the text that a codec prints: the inside of each name, and the text of each value.
fn members(json: &str) -> Vec<(&str, &str)> {
    let (mut members, mut name, mut start) = (Vec::new(), "", 1);
    let (mut depth, mut is_in_string, mut is_escaped) = (0, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b':' if depth == 1 => (name, start) = (&json[start + 1..at - 1], at + 1),
            b',' | b'}' if depth == 1 => {
                members.push((name, &json[start..at]));
                start = at + 1;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    members
}

/// Return whether the text of a JSON value is neither null, false, zero nor empty.
fn is_truthy(value: &str) -> bool {
    !matches!(value, "null" | "false" | "\"\"" | "[]" | "{}") && value.parse() != Ok(0.0)
}
