//! Batches: JSON lines to length-delimited messages and back, spread over threads, in order.

use crate::encode::{EncodeOptions, Encoder};
use crate::error::{JsonError, WireError};
use crate::pages::fetch;
use crate::print::{PrintOptions, Printer};
use crate::schema::Schema;
use crate::spread::{Written, spread_bytes};
use crate::wire::{PAST_END, Wire, close_length, open_length};
use std::mem::MaybeUninit;

/// Bytes of input that a thread takes at a time: so few that no thread waits long for another in the end.
const SHARE: usize = 1 << 18;

/// Each line's wire bytes after their length, in memory as far as there is room. Lines of nothing but whitespace are
/// skipped. An error's line and offset count from the start of the input.
pub fn json_lines_to_wire(
    schema: &Schema,
    text: &[u8],
    options: EncodeOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Written, JsonError> {
    let mut start = 0;
    let shares = std::iter::from_fn(|| {
        let from = start;
        start = line_end(text, (from + SHARE).min(text.len()));
        (from < text.len()).then_some((from, start))
    });
    let threads = threads.min(text.len() / SHARE + 1);
    let found = spread_bytes(shares, threads, memory, || {
        let (schema, mut encoder) = (schema.lend(threads), Encoder::default());
        let mut width = 2;
        move |_, (start, stop), out: &mut Vec<u8>| {
            let mut next = start;
            while next < stop {
                let at = next;
                next = line_end(text, at);
                let line = text[at..next].strip_suffix(b"\n").unwrap_or(&text[at..next]);
                if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                    continue;
                }
                let message = open_length(width, out);
                encoder.append(&schema, line, options, out).map_err(|error| (at, *error))?;
                width = close_length(message, width, out);
            }
            Ok(())
        }
    });
    found.map(|(written, _)| written).map_err(|(start, error)| JsonError {
        line: error.line + text[..start].iter().filter(|&&byte| byte == b'\n').count(),
        offset: error.offset + start,
        ..error
    })
}

/// The place behind the line that goes on at a place.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |distance| at + distance + 1)
}

/// The JSON text of each message, each on a line of its own, in memory as far as there is room. An error's offset counts
/// from the start of the input.
pub fn wire_to_json_lines(
    schema: &Schema,
    wire: &[u8],
    options: PrintOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Written, WireError> {
    let mut cursor = Wire { bytes: wire, at: 0 };
    let mut cut = None;
    // Where messages are is looked up by the thread that then reads them.
    let shares = std::iter::from_fn(|| {
        let (mut messages, start) = (Vec::new(), cursor.at);
        while cut.is_none() && cursor.at < wire.len().min(start + SHARE) {
            let offset = cursor.at;
            match cursor.stop(wire.len()) {
                Ok(stop) => {
                    messages.push((cursor.at, stop));
                    cursor.at = stop;
                }
                Err(bad) => {
                    let past = bad.0 == PAST_END;
                    let reason = if past { "a message that runs past the end of the input".to_owned() } else { bad.0 };
                    cut = Some((0, WireError { path: String::new(), offset, reason }));
                }
            }
        }
        (!messages.is_empty()).then_some(messages)
    });
    let threads = threads.min(wire.len() / SHARE + 1);
    let found = spread_bytes(shares, threads, memory, || {
        let (schema, mut printer) = (schema.lend(threads), Printer::default());
        move |_, messages: Vec<(usize, usize)>, out: &mut Vec<u8>| {
            // The next share, whose messages are then found from length to length without a wait for memory at each.
            let after = messages.last().map_or(0, |&(_, stop)| stop);
            fetch(&wire[after..wire.len().min(after + SHARE)]);
            for (start, stop) in messages {
                printer.append(&schema, &wire[start..stop], options, out).map_err(|error| (start, *error))?;
                out.push(b'\n');
            }
            Ok(())
        }
    });
    // What is cut short is behind all messages.
    let found = found.and_then(|(written, _)| cut.map_or(Ok(written), Err));
    found.map_err(|(start, error)| WireError { offset: error.offset + start, ..error })
}

/// How many whole messages, each after its length, the bytes begin with, and where the last of them ends. One of more
/// than `limit` bytes ends the run, as does a length of more than five bytes.
pub fn whole_messages(wire: &[u8], limit: usize) -> (usize, usize) {
    let mut cursor = Wire { bytes: wire, at: 0 };
    let (mut count, mut end) = (0, 0);
    while let Ok(stop) = cursor.stop(wire.len()) {
        if cursor.at - end > 5 || stop - cursor.at > limit {
            break;
        }
        (count, end, cursor.at) = (count + 1, stop, stop);
    }
    (count, end)
}
