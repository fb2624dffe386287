//! Batches: JSON lines to length-delimited messages and back, spread over threads, in order.

use crate::encode::{EncodeOptions, Encoder};
use crate::error::{JsonError, WireError};
use crate::pages::write_copy;
use crate::print::{PrintOptions, Printer};
use crate::schema::Schema;
use crate::wire::{PAST_END, Wire, close_length, open_length};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of input that a thread takes at a time: so few that what is made of them is below the size for which an
/// allocator asks the system for memory, and few threads wait at the end.
const SHARE: usize = 1 << 16;

/// Each line's wire bytes after their length. Lines of nothing but whitespace are skipped. An error's line and offset
/// count from the start of the input.
pub fn json_lines_to_wire(
    schema: &Schema,
    text: &[u8],
    options: EncodeOptions,
    threads: usize,
) -> Result<Parts, JsonError> {
    let mut start = 0;
    let shares = std::iter::from_fn(|| {
        let from = start;
        start = line_end(text, (from + SHARE).min(text.len()));
        (from < text.len()).then_some((from, start))
    });
    let threads = threads.min(text.len() / SHARE + 1);
    let found = spread(shares, threads, || {
        let (schema, mut encoder) = (schema.lend(threads), Encoder::default());
        move |(start, stop)| {
            let mut out = Vec::with_capacity(stop - start);
            let (mut next, mut width) = (start, 2);
            while next < stop {
                let at = next;
                next = line_end(text, at);
                let line = text[at..next].strip_suffix(b"\n").unwrap_or(&text[at..next]);
                if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                    continue;
                }
                let message = open_length(width, &mut out);
                encoder.append(&schema, line, options, &mut out).map_err(|error| (at, *error))?;
                width = close_length(message, width, &mut out);
            }
            Ok(out)
        }
    });
    Parts::of(found).map_err(|(start, error)| JsonError {
        line: error.line + text[..start].iter().filter(|&&byte| byte == b'\n').count(),
        offset: error.offset + start,
        ..error
    })
}

/// The place behind the line that goes on at a place.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |distance| at + distance + 1)
}

/// The JSON text of each message, each on a line of its own. An error's offset counts from the start of the input.
pub fn wire_to_json_lines(
    schema: &Schema,
    wire: &[u8],
    options: PrintOptions,
    threads: usize,
) -> Result<Parts, WireError> {
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
    let mut found = spread(shares, threads, || {
        let (schema, mut printer) = (schema.lend(threads), Printer::default());
        move |messages: Vec<(usize, usize)>| {
            let mut out = Vec::new();
            for (start, stop) in messages {
                printer.append(&schema, &wire[start..stop], options, &mut out).map_err(|error| (start, *error))?;
                out.push(b'\n');
            }
            Ok(out)
        }
    });
    found.extend(cut.map(Err));
    Parts::of(found).map_err(|(start, error)| WireError { offset: error.offset + start, ..error })
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

/// What was written for each share of the input, in order.
#[derive(Debug)]
pub struct Parts(Vec<Vec<u8>>);

impl From<Vec<Vec<u8>>> for Parts {
    fn from(parts: Vec<Vec<u8>>) -> Parts {
        Parts(parts)
    }
}

impl Parts {
    /// The first error in order, or all results.
    fn of<E>(found: Vec<Result<Vec<u8>, E>>) -> Result<Parts, E> {
        found.into_iter().collect::<Result<Vec<_>, E>>().map(Parts)
    }

    /// Bytes of all parts.
    pub fn size(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Write the parts into a buffer of just their size, with as many threads, since most of the time goes into fetching
    /// the pages of memory.
    pub fn write(&self, mut into: &mut [MaybeUninit<u8>], threads: usize) {
        let group = self.0.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for parts in self.0.chunks(group) {
                let size = parts.iter().map(Vec::len).sum();
                let (buffer, rest) = std::mem::take(&mut into).split_at_mut(size);
                into = rest;
                // The last group is for this thread.
                if into.is_empty() {
                    copy(parts, buffer);
                } else {
                    scope.spawn(|| copy(parts, buffer));
                }
            }
        });
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.0.concat()
    }
}

fn copy(parts: &[Vec<u8>], mut into: &mut [MaybeUninit<u8>]) {
    for part in parts {
        let (head, tail) = into.split_at_mut(part.len());
        write_copy(head, part);
        into = tail;
    }
}

/// Work on shares with as many threads, each with a worker of its own. Results are in the order of the shares; those
/// after an error may be missing.
pub(crate) fn spread<S, T, E, W>(
    shares: impl Iterator<Item = S> + Send,
    threads: usize,
    worker: impl Fn() -> W + Sync,
) -> Vec<Result<T, E>>
where
    T: Send,
    E: Send,
    W: FnMut(S) -> Result<T, E>,
{
    let shares = Mutex::new(shares.enumerate());
    let failed = AtomicBool::new(false);
    let found = Mutex::new(Vec::new());
    let run = || {
        let mut work = worker();
        // Shares before one that failed are taken already; those after it are not needed.
        while !failed.load(Ordering::Relaxed) {
            let share = shares.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, share)) = share else { return };
            let result = work(share);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|&(at, _)| at);
    found.into_iter().map(|(_, result)| result).collect()
}
