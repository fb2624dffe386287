//! The chunks of a stream as one message, and back. `chatpb/_python/stream.py` gives the rules.

use crate::error::WireError;
use crate::limits::MAX_EXPANDED;
use crate::schema::{Kind, Message, Schema, Shape};
use crate::wire::{Bad, Wire, put_delimited};
use std::collections::{BTreeMap, HashMap};

/// The tags of ChatCompletionStream's two fields.
const COMMON: u32 = 1 << 3 | 2;
const CHUNK: u32 = 2 << 3 | 2;

/// The tags of the fields of every message that are singular: those of bits, and the open members.
const BITS: [u32; 2] = [13 << 3, 14 << 3];
const ADDITIONAL: u32 = 15 << 3 | 2;

/// A field as it stands on the wire: its tag, its bytes with the tag, and where they start.
#[derive(Clone, Copy)]
struct Span<'a> {
    tag: u32,
    data: &'a [u8],
    start: usize,
}

impl Span<'_> {
    fn number(&self) -> u32 {
        self.tag >> 3
    }
}

/// The stream that consists of chunks; `schema` is that of a chunk.
pub fn compact_stream(schema: &Schema, chunks: &[&[u8]]) -> Result<Vec<u8>, WireError> {
    let split = chunks
        .iter()
        .enumerate()
        .map(|(index, data)| split(data, 0, || format!("/{index}")))
        .collect::<Result<Vec<_>, _>>()?;
    let common = common(&schema.messages[0], &split);
    let mut out = Vec::new();
    if !common.is_empty() {
        let fields: Vec<u8> = common.values().copied().flatten().copied().collect();
        put_delimited(COMMON.into(), &fields, &mut out);
    }
    let mut kept = Vec::new();
    for fields in &split {
        kept.clear();
        for field in fields.iter().filter(|field| common.get(&field.tag) != Some(&field.data)) {
            kept.extend_from_slice(field.data);
        }
        put_delimited(CHUNK.into(), &kept, &mut out);
    }
    Ok(out)
}

/// The chunks of a stream, each handed on as it is made; `schema` is that of a chunk.
pub fn expand_stream(schema: &Schema, stream: &[u8]) -> Result<Vec<Vec<u8>>, WireError> {
    let message = &schema.messages[0];
    let mut common = Vec::new();
    let mut kept = Vec::new();
    for field in split(stream, 0, String::new)? {
        match field.tag {
            COMMON => common.extend(inside(field, || "/common".to_owned())?),
            CHUNK => kept.push(field),
            _ => {}
        }
    }
    let repeated: usize = common.iter().map(|field| field.data.len()).sum();
    if stream.len().saturating_add(kept.len().saturating_mul(repeated)) > MAX_EXPANDED {
        let reason = format!("a stream that expands to more than {MAX_EXPANDED} bytes");
        return Err(WireError { path: String::new(), offset: 0, reason });
    }
    common.sort_by_key(Span::number);
    kept.into_iter()
        .enumerate()
        .map(|(index, field)| Ok(merge(message, &common, &inside(field, || format!("/chunks/{index}"))?)))
        .collect()
}

/// A record with its stream compact; `schema` is that of a chunk, `tag` that of a record's stream.
pub fn compact_record(schema: &Schema, record: &[u8], tag: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
    with_stream(record, tag, out, |stream, fields| {
        if fields.iter().any(|field| field.tag == COMMON) {
            return Ok(stream.to_vec());
        }
        let chunks: Vec<_> = fields.iter().filter(|field| field.tag == CHUNK).map(payload).collect();
        let mut made = compact_stream(schema, &chunks)?;
        put_others(fields, &mut made);
        Ok(made)
    })
}

/// The way back: a record whose stream has whole chunks.
pub fn expand_record(schema: &Schema, record: &[u8], tag: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
    with_stream(record, tag, out, |stream, fields| {
        if !fields.iter().any(|field| field.tag == COMMON) {
            return Ok(stream.to_vec());
        }
        let mut made = Vec::new();
        for chunk in expand_stream(schema, stream)? {
            put_delimited(CHUNK.into(), &chunk, &mut made);
        }
        put_others(fields, &mut made);
        Ok(made)
    })
}

/// Write a record in whose first stream's place stands what becomes of all its streams' bytes together.
fn with_stream(
    record: &[u8],
    tag: u32,
    out: &mut Vec<u8>,
    change: impl FnOnce(&[u8], &[Span]) -> Result<Vec<u8>, WireError>,
) -> Result<(), WireError> {
    let fields = split(record, 0, String::new)?;
    let pieces: Vec<_> = fields.iter().filter(|field| field.tag == tag).map(payload).collect();
    if pieces.is_empty() {
        out.extend_from_slice(record);
        return Ok(());
    }
    let stream = pieces.concat();
    let mut changed = Some(change(&stream, &split(&stream, 0, String::new)?)?);
    for field in &fields {
        if field.tag != tag {
            out.extend_from_slice(field.data);
        } else if let Some(stream) = changed.take() {
            put_delimited(tag.into(), &stream, out);
        }
    }
    Ok(())
}

/// The fields of a stream beside its chunks and what they have in common.
fn put_others(fields: &[Span], out: &mut Vec<u8>) {
    for field in fields.iter().filter(|field| field.tag != COMMON && field.tag != CHUNK) {
        out.extend_from_slice(field.data);
    }
}

/// By tag, the fields that need to be written only once.
fn common<'a>(message: &Message, split: &[Vec<Span<'a>>]) -> BTreeMap<u32, &'a [u8]> {
    let mut common = BTreeMap::new();
    let [first, _, ..] = split else { return common };
    for tag in first.iter().map(|field| field.tag) {
        if let Some(is_message) = mergeable(message, tag)
            && let Some((data, count)) = most_frequent(tag, split)
            && count >= if is_message { split.len() } else { 2 }
        {
            common.insert(tag, data);
        }
    }
    common
}

/// The bytes that most chunks have for a field, and how many do, where each has it once.
fn most_frequent<'a>(tag: u32, split: &[Vec<Span<'a>>]) -> Option<(&'a [u8], usize)> {
    let mut counts: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (index, fields) in split.iter().enumerate() {
        let mut same = fields.iter().filter(|field| field.number() == tag >> 3);
        let field = same.next().filter(|field| field.tag == tag)?;
        if same.next().is_some() || BITS.contains(&tag) && field.data.ends_with(&[0]) {
            return None;
        }
        let count = counts.entry(field.data).or_insert((0, index));
        count.0 += 1;
    }
    let (data, (count, _)) = counts.into_iter().max_by_key(|&(_, (count, first))| (count, usize::MAX - first))?;
    Some((data, count))
}

/// Whether a tag is that of a singular field in its right form, and if so, whether the field holds a message.
fn mergeable(message: &Message, tag: u32) -> Option<bool> {
    if BITS.contains(&tag) || tag == ADDITIONAL {
        return Some(tag == ADDITIONAL);
    }
    let field = message.fields.iter().find(|field| field.number == tag >> 3)?;
    let singular = field.shape == Shape::One && !message.members[usize::from(field.member)].is_oneof;
    (singular && field.wire_type() == tag & 7).then_some(matches!(field.kind, Kind::Message | Kind::List))
}

/// A chunk: each common field before the first of a higher number, unless the chunk replaces it.
fn merge(message: &Message, common: &[Span], kept: &[Span]) -> Vec<u8> {
    let replaced = |tag| mergeable(message, tag) == Some(false) && kept.iter().any(|field| field.tag == tag);
    let mut waiting = common.iter().filter(|field| !replaced(field.tag)).peekable();
    let mut out = Vec::new();
    for field in kept {
        while let Some(before) = waiting.next_if(|before| before.number() <= field.number()) {
            out.extend_from_slice(before.data);
        }
        out.extend_from_slice(field.data);
    }
    waiting.for_each(|field| out.extend_from_slice(field.data));
    out
}

/// The fields of the message that a field holds.
fn inside(field: Span, path: impl Fn() -> String) -> Result<Vec<Span>, WireError> {
    let payload = payload(&field);
    split(payload, field.start + field.data.len() - payload.len(), path)
}

/// What a length-delimited field holds.
fn payload<'a>(field: &Span<'a>) -> &'a [u8] {
    let mut wire = Wire { bytes: field.data, at: 0 };
    let end = field.data.len();
    // Both were read before, when the field was split off.
    wire.tag(end).and_then(|_| wire.span(end)).unwrap_or_default()
}

/// The fields of a message that starts at `base` of the input.
fn split(bytes: &[u8], base: usize, path: impl Fn() -> String) -> Result<Vec<Span<'_>>, WireError> {
    let mut wire = Wire { bytes, at: 0 };
    let mut out = Vec::new();
    while wire.at < bytes.len() {
        let start = wire.at;
        let tag = wire.tag(bytes.len()).and_then(|tag| wire.skip(tag, bytes.len(), 0).map(|()| tag));
        let tag = tag.map_err(|Bad(reason)| WireError { path: path(), offset: base + start, reason })?;
        out.push(Span { tag, data: &bytes[start..wire.at], start: base + start });
    }
    Ok(out)
}
