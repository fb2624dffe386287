//! JSON lines to length-delimited messages, and back. The rules are those of `chatpb/_engine/reference/batch/lines.py`.

use crate::batch::parallel::{Written, map_shares_to_memory};
use crate::encode::{EncodeOptions, Encoder};
use crate::error::{JsonError, Violation, WireError};
use crate::print::{PrintOptions, PrintPlan, Printer};
use crate::schema::Schema;
use crate::wire::read::{FieldError, PAST_END, WireReader};
use crate::wire::write::{close_length, open_length};
use std::mem::MaybeUninit;

/// Bytes of input that a thread takes at a time.
const SHARE: usize = 1 << 18;

/// Why a batch of lines is refused: what the first line has that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub enum LinesError {
    /// Its line and offset count from the start of the input.
    Json(JsonError),
    /// What `strict` refuses. Paths start with the place of the document among all.
    Contract(Vec<Violation>),
    /// A document that has no end as wire bytes.
    Wire(WireError),
}

/// Write the wire bytes of each line after their length, into memory as far as there is room. Lines of only whitespace
/// are skipped. `strict` refuses documents as `Encoder::violations` does.
pub fn json_lines_to_wire(
    schema: &Schema,
    text: &[u8],
    options: EncodeOptions,
    strict: bool,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Written, LinesError> {
    let mut start = 0;
    let shares = std::iter::from_fn(|| {
        let from = start;
        start = line_end(text, (from + SHARE).min(text.len()));
        (from < text.len()).then_some((from, start))
    });
    let threads = threads.min(text.len() / SHARE + 1);
    let found = map_shares_to_memory(shares, threads, memory, || {
        let mut encoder = Encoder::default();
        let mut width = 2;
        move |_, (start, stop), out: &mut Vec<u8>| {
            let mut next = start;
            while next < stop {
                let at = next;
                next = line_end(text, at);
                let line = text[at..next].strip_suffix(b"\n").unwrap_or(&text[at..next]);
                if is_blank(line) {
                    continue;
                }
                let message = open_length(width, out);
                encoder.append(schema, line, options, out).map_err(|error| (at, LinesError::Json(*error)))?;
                if strict {
                    match encoder.violations(schema, &out[message..]) {
                        Ok(violations) if violations.is_empty() => {}
                        Ok(violations) => return Err((at, LinesError::Contract(violations))),
                        Err(error) => return Err((at, LinesError::Wire(error))),
                    }
                }
                width = close_length(message, width, out);
            }
            Ok(())
        }
    });
    found.map(|(written, _)| written).map_err(|(start, error)| {
        let before = || text[..start].split_inclusive(|&byte| byte == b'\n');
        match error {
            LinesError::Json(error) => LinesError::Json(JsonError {
                line: error.line + before().count(),
                offset: error.offset + start,
                ..error
            }),
            LinesError::Contract(mut violations) => {
                let place = before().filter(|line| !is_blank(line)).count();
                violations.iter_mut().for_each(|each| each.path.insert_str(0, &format!("/{place}")));
                LinesError::Contract(violations)
            }
            wire => wire,
        }
    })
}

/// Return whether a line is nothing but whitespace.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Return the index behind the line that an index is in.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |distance| at + distance + 1)
}

/// Write the JSON text of each message on a line of its own, into memory as far as there is room. An error's offset
/// counts from the start of the input.
pub fn wire_to_json_lines(
    plan: &PrintPlan,
    wire: &[u8],
    options: PrintOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Written, WireError> {
    let mut reader = WireReader { bytes: wire, at: 0 };
    let mut cut = None;
    // The thread that takes a share finds its messages right before it reads them.
    let shares = std::iter::from_fn(|| {
        let (mut messages, start) = (Vec::new(), reader.at);
        while cut.is_none() && reader.at < wire.len().min(start + SHARE) {
            match next_message(&mut reader) {
                Ok(place) => messages.push(place),
                Err(error) => cut = Some((0, error)),
            }
        }
        (!messages.is_empty()).then_some(messages)
    });
    let threads = threads.min(wire.len() / SHARE + 1);
    let found = map_shares_to_memory(shares, threads, memory, || {
        let mut printer = Printer::default();
        move |_, messages: Vec<(usize, usize)>, out: &mut Vec<u8>| {
            // The messages of the next share are then found from length to length without a wait for memory at each.
            let after = messages.last().map_or(0, |&(_, stop)| stop);
            prefetch(&wire[after..wire.len().min(after + SHARE)]);
            for (start, stop) in messages {
                printer.append(plan, &wire[start..stop], options, out).map_err(|error| (start, *error))?;
                out.push(b'\n');
            }
            Ok(())
        }
    });
    // A message that is cut short comes behind all others.
    let found = found.and_then(|(written, _)| cut.map_or(Ok(written), Err));
    found.map_err(|(start, error)| WireError { offset: error.offset + start, ..error })
}

/// Return where the next message starts and stops, and move behind it. It stands after its length.
fn next_message(reader: &mut WireReader) -> Result<(usize, usize), WireError> {
    let offset = reader.at;
    let stop = reader.stop(reader.bytes.len()).map_err(|FieldError(reason)| {
        let past_end = "a message that runs past the end of the input";
        let reason = if reason == PAST_END { past_end.to_owned() } else { reason };
        WireError { path: String::new(), offset, reason }
    })?;
    Ok((std::mem::replace(&mut reader.at, stop), stop))
}

/// Return the messages that bytes consist of, each after its length.
pub fn messages_of(wire: &[u8]) -> Result<Vec<&[u8]>, WireError> {
    let mut reader = WireReader { bytes: wire, at: 0 };
    let mut messages = Vec::new();
    while reader.at < wire.len() {
        let (start, stop) = next_message(&mut reader)?;
        messages.push(&wire[start..stop]);
    }
    Ok(messages)
}

/// Read bytes into the caches that processors share: in order, which is many times as fast as from place to place.
fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        std::hint::black_box(line[0]);
    }
}

/// Return how many whole messages, each after its length, the bytes begin with, and where the last of them ends. A
/// message of more than `limit` bytes ends the run, as does a length of more than five bytes.
pub fn whole_messages(wire: &[u8], limit: usize) -> (usize, usize) {
    let mut reader = WireReader { bytes: wire, at: 0 };
    let (mut count, mut end) = (0, 0);
    while let Ok(stop) = reader.stop(wire.len()) {
        if reader.at - end > 5 || stop - reader.at > limit {
            break;
        }
        (count, end, reader.at) = (count + 1, stop, stop);
    }
    (count, end)
}
