//! Columns of documents as Arrow has them: the bytes of all rows, and where each starts. Spread over threads, in order.

use crate::encode::{EncodeOptions, Encoder};
use crate::error::{JsonError, WireError};
use crate::print::{PrintOptions, Printer};
use crate::schema::Schema;
use crate::spread::{Written, spread_bytes};
use crate::stream::{compact_record, expand_record};
use crate::wire::{Wire, put_delimited, put_varint};
use std::mem::MaybeUninit;

/// Rows that a thread takes at a time.
const SHARE: usize = 256;

/// The rows of an array: its bytes, and its offsets as 64-bit integers in the machine's order. None if the offsets are
/// not those of the bytes.
pub fn rows_of<'a>(data: &'a [u8], offsets: &[u8]) -> Option<Vec<&'a [u8]>> {
    let (offsets, rest) = offsets.as_chunks();
    let offsets: Vec<usize> =
        offsets.iter().map(|&offset| usize::try_from(i64::from_ne_bytes(offset)).ok()).collect::<Option<_>>()?;
    if offsets.is_empty() || !rest.is_empty() {
        return None;
    }
    offsets.windows(2).map(|pair| data.get(pair[0]..pair[1])).collect()
}

/// The rows that messages, each after its length, are: their bytes, and their offsets. None if they are cut short.
pub fn rows_of_messages(messages: &[u8]) -> Option<(Vec<u8>, Vec<i64>)> {
    let mut data = Vec::with_capacity(messages.len());
    let mut offsets = vec![0];
    let mut wire = Wire { bytes: messages, at: 0 };
    while wire.at < messages.len() {
        data.extend_from_slice(wire.span(messages.len()).ok()?);
        offsets.push(data.len() as i64);
    }
    Some((data, offsets))
}

/// The way back: each row after its length.
pub fn messages_of_rows(rows: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.iter().map(|row| row.len() + 2).sum());
    for row in rows {
        put_varint(row.len() as u64, &mut out);
        out.extend_from_slice(row);
    }
    out
}

/// What was written for an array's rows, and their offsets.
#[derive(Debug)]
pub struct Rows {
    pub data: Written,
    pub offsets: Vec<i64>,
}

/// The wire bytes of each row of JSON text; an error is that of the row at a place.
pub fn json_to_wire_rows(
    schema: &Schema,
    rows: &[&[u8]],
    options: EncodeOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, JsonError)> {
    convert(rows, threads, memory, |threads| {
        let (schema, mut encoder) = (schema.lend(threads), Encoder::default());
        move |row: &[u8], out: &mut Vec<u8>| encoder.append(&schema, row, options, out).map_err(|error| *error)
    })
}

/// The JSON text of each row of wire bytes; an error is that of the row at a place.
pub fn wire_to_json_rows(
    schema: &Schema,
    rows: &[&[u8]],
    options: PrintOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, WireError)> {
    convert(rows, threads, memory, |threads| {
        let (schema, mut printer) = (schema.lend(threads), Printer::default());
        move |row: &[u8], out: &mut Vec<u8>| printer.append(&schema, row, options, out).map_err(|error| *error)
    })
}

/// Records with their streams compact; `schema` is that of a chunk, `tag` that of a record's stream.
pub fn compact_records(
    schema: &Schema,
    rows: &[&[u8]],
    tag: u32,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, WireError)> {
    convert(rows, threads, memory, |_| |row: &[u8], out: &mut Vec<u8>| compact_record(schema, row, tag, out))
}

/// Records whose streams have whole chunks.
pub fn expand_records(
    schema: &Schema,
    rows: &[&[u8]],
    tag: u32,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, WireError)> {
    convert(rows, threads, memory, |_| |row: &[u8], out: &mut Vec<u8>| expand_record(schema, row, tag, out))
}

/// Messages that have each row as the only field, of a tag.
pub fn fields_of_rows(rows: &[&[u8]], tag: u32) -> (Vec<u8>, Vec<i64>) {
    let mut data = Vec::with_capacity(rows.iter().map(|row| row.len() + 4).sum());
    let mut offsets = vec![0];
    for row in rows {
        put_delimited(tag.into(), row, &mut data);
        offsets.push(data.len() as i64);
    }
    (data, offsets)
}

/// `worker` is given how many threads there are.
fn convert<E: Send, W>(
    rows: &[&[u8]],
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
    worker: impl Fn(usize) -> W + Sync,
) -> Result<Rows, (usize, E)>
where
    W: FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
{
    let threads = threads.min(rows.len() / SHARE + 1);
    let (data, sizes) = spread_bytes(rows.chunks(SHARE), threads, memory, || {
        let mut work = worker(threads);
        move |share, rows: &[&[u8]], out: &mut Vec<u8>| {
            let mut sizes = Vec::with_capacity(rows.len());
            for (index, row) in rows.iter().enumerate() {
                let start = out.len();
                work(row, out).map_err(|error| (share * SHARE + index, error))?;
                sizes.push(out.len() - start);
            }
            Ok(sizes)
        }
    })?;
    let mut offset = 0;
    let ends = sizes.into_iter().flatten().map(|size| {
        offset += size as i64;
        offset
    });
    Ok(Rows { data, offsets: std::iter::once(0).chain(ends).collect() })
}
