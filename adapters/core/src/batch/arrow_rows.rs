//! Rows of Arrow arrays: the bytes of all rows, and the offsets where each starts.
//!
//! The rules are those of `chatpb/_engine/reference/batch/arrow_rows.py`.

use crate::batch::parallel::{Written, map_shares_to_memory};
use crate::encode::{EncodeOptions, Encoder};
use crate::error::{JsonError, WireError};
use crate::print::{PrintOptions, PrintPlan, Printer};
use crate::schema::Schema;
use crate::streams::compact::{compact_record, expand_record, expanded_size};
use crate::wire::read::WireReader;
use crate::wire::write::{put_delimited, put_varint};
use std::mem::MaybeUninit;

/// Rows that a thread takes at a time.
const SHARE: usize = 256;

/// Return the rows of an array, from its bytes and its offsets, which are 64-bit integers in the machine's byte order.
/// `None` if the offsets are not those of the bytes.
pub fn rows_of<'a>(data: &'a [u8], offsets: &[u8]) -> Option<Vec<&'a [u8]>> {
    let (offsets, rest) = offsets.as_chunks();
    let offsets: Vec<usize> =
        offsets.iter().map(|&offset| usize::try_from(i64::from_ne_bytes(offset)).ok()).collect::<Option<_>>()?;
    if offsets.is_empty() || !rest.is_empty() {
        return None;
    }
    offsets.windows(2).map(|pair| data.get(pair[0]..pair[1])).collect()
}

/// Return the bytes and the offsets of messages that each follow their length. `None` if they are cut short.
pub fn rows_of_messages(messages: &[u8]) -> Option<(Vec<u8>, Vec<i64>)> {
    let mut data = Vec::with_capacity(messages.len());
    let mut offsets = vec![0];
    let mut wire = WireReader { bytes: messages, at: 0 };
    while wire.at < messages.len() {
        data.extend_from_slice(wire.span(messages.len()).ok()?);
        offsets.push(data.len() as i64);
    }
    Some((data, offsets))
}

/// Return each row after its length.
pub fn messages_of_rows(rows: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.iter().map(|row| row.len() + 2).sum());
    for row in rows {
        put_varint(row.len() as u64, &mut out);
        out.extend_from_slice(row);
    }
    out
}

/// The results of an array's rows, and their offsets.
#[derive(Debug)]
pub struct Rows {
    pub data: Written,
    pub offsets: Vec<i64>,
}

/// Write the wire bytes of each row of JSON text. An error comes with the index of its row.
pub fn json_to_wire_rows(
    schema: &Schema,
    rows: &[&[u8]],
    options: EncodeOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, JsonError)> {
    convert_rows(rows, threads, memory, || {
        let mut encoder = Encoder::default();
        move |row: &[u8], out: &mut Vec<u8>| encoder.append(schema, row, options, out).map_err(|error| *error)
    })
}

/// Write the JSON text of each row of wire bytes. An error comes with the index of its row.
pub fn wire_to_json_rows(
    plan: &PrintPlan,
    rows: &[&[u8]],
    options: PrintOptions,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, WireError)> {
    convert_rows(rows, threads, memory, || {
        let mut printer = Printer::default();
        move |row: &[u8], out: &mut Vec<u8>| printer.append(plan, row, options, out).map_err(|error| *error)
    })
}

/// Write each record with its stream compact. `schema` is that of a chunk, `tag` that of a record's stream.
pub fn compact_records(
    schema: &Schema,
    rows: &[&[u8]],
    tag: u32,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, WireError)> {
    convert_rows(rows, threads, memory, || |row: &[u8], out: &mut Vec<u8>| compact_record(schema, row, tag, out))
}

/// Write each record with its stream's chunks whole. `schema` is that of a chunk, `tag` that of a record's stream.
pub fn expand_records(
    schema: &Schema,
    rows: &[&[u8]],
    tag: u32,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
) -> Result<Rows, (usize, WireError)> {
    convert_rows(rows, threads, memory, || |row: &[u8], out: &mut Vec<u8>| expand_record(schema, row, tag, out))
}

/// Return how many bytes each record has at most with its stream's chunks whole. `tag` is that of a record's stream.
pub fn expanded_sizes(rows: &[&[u8]], tag: u32) -> Vec<i64> {
    rows.iter().map(|row| i64::try_from(expanded_size(row, tag)).unwrap_or(i64::MAX)).collect()
}

/// Return the bytes and the offsets of messages that have each row as their only field, of a tag.
pub fn fields_of_rows(rows: &[&[u8]], tag: u32) -> (Vec<u8>, Vec<i64>) {
    let mut data = Vec::with_capacity(rows.iter().map(|row| row.len() + 4).sum());
    let mut offsets = vec![0];
    for row in rows {
        put_delimited(tag.into(), row, &mut data);
        offsets.push(data.len() as i64);
    }
    (data, offsets)
}

/// Write what a worker makes of each row. Each thread makes a worker of its own.
fn convert_rows<E: Send, W>(
    rows: &[&[u8]],
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
    worker: impl Fn() -> W + Sync,
) -> Result<Rows, (usize, E)>
where
    W: FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
{
    let threads = threads.min(rows.len() / SHARE + 1);
    let (data, sizes) = map_shares_to_memory(rows.chunks(SHARE), threads, memory, || {
        let mut work = worker();
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
