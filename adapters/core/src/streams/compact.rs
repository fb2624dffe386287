//! Compacts the chunks of a stream into one ChatCompletionStream, and expands it to the same chunks; in records too.
//!
//! The rules are those of `chatpb/_engine/reference/streams/compact.py`.

use crate::error::WireError;
use crate::limits::MAX_EXPANDED;
use crate::schema::home_fields::{ADDITIONAL_PROPERTIES_TAG, EMPTY_FIELDS_TAG, MEMBER_ORDER_TAG, NULL_FIELDS_TAG};
use crate::schema::{Cardinality, FieldKind, MessageSchema, Schema};
use crate::wire::LEN;
use crate::wire::read::{WireField, fields_of};
use crate::wire::write::{close_length, open_length, put_varint, varint_size};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The tags of ChatCompletionStream's two fields.
const COMMON: u32 = 1 << 3 | LEN;
const CHUNK: u32 = 2 << 3 | LEN;

/// Return the stream that consists of some chunks. `schema` is that of a chunk. The path of an error is the index of
/// the chunk at fault.
pub fn compact_stream(schema: &Schema, chunks: &[&[u8]]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    put_compact(schema, chunks, &mut out)?;
    Ok(out)
}

/// Return the chunks of a stream. `schema` is that of a chunk. A stream that would expand beyond `MAX_EXPANDED` bytes
/// is an error.
pub fn expand_stream(schema: &Schema, stream: &[u8]) -> Result<Vec<Vec<u8>>, WireError> {
    let mut chunks = Vec::new();
    for_each_chunk(schema, stream, |pieces| chunks.push(pieces.concat()))?;
    Ok(chunks)
}

/// Append a record with its stream compact. `schema` is that of a chunk, `tag` that of a record's stream.
pub fn compact_record(schema: &Schema, record: &[u8], tag: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
    with_stream(record, tag, out, |stream, fields, out| {
        if fields.iter().any(|field| field.tag == COMMON) {
            out.extend_from_slice(stream);
            return Ok(());
        }
        let chunks: Vec<_> = fields.iter().filter(|field| field.tag == CHUNK).map(WireField::payload).collect();
        put_compact(schema, &chunks, out)?;
        put_others(fields, out);
        Ok(())
    })
}

/// Append a record with its stream's chunks whole. `schema` is that of a chunk, `tag` that of a record's stream.
pub fn expand_record(schema: &Schema, record: &[u8], tag: u32, out: &mut Vec<u8>) -> Result<(), WireError> {
    with_stream(record, tag, out, |stream, fields, out| {
        if !fields.iter().any(|field| field.tag == COMMON) {
            out.extend_from_slice(stream);
            return Ok(());
        }
        for_each_chunk(schema, stream, |pieces| put_joined(CHUNK, pieces, out))?;
        put_others(fields, out);
        Ok(())
    })
}

/// Return how many bytes a record has at most with its stream's chunks whole; what cannot be read is not expanded. `tag`
/// is that of a record's stream.
pub fn expanded_size(record: &[u8], tag: u32) -> usize {
    let (mut common, mut chunks) = (0, 0);
    for stream in fields_of(record, String::new, 0).unwrap_or_default().iter().filter(|field| field.tag == tag) {
        for field in fields_of(stream.payload(), String::new, 0).unwrap_or_default() {
            match field.tag {
                COMMON => common += field.data.len(),
                CHUNK => chunks += 1,
                _ => {}
            }
        }
    }
    record.len().saturating_add(common.saturating_mul(chunks))
}

/// Append the stream that consists of some chunks.
fn put_compact(schema: &Schema, chunks: &[&[u8]], out: &mut Vec<u8>) -> Result<(), WireError> {
    let split = chunks
        .iter()
        .enumerate()
        .map(|(index, data)| fields_of(data, || format!("/{index}"), 0))
        .collect::<Result<Vec<_>, _>>()?;
    let common = common(&schema.messages[0], &split);
    if !common.is_empty() {
        put_joined(COMMON, &common.values().copied().collect::<Vec<_>>(), out);
    }
    let mut kept = Vec::new();
    for fields in &split {
        kept.clear();
        kept.extend(fields.iter().filter(|field| common.get(&field.tag) != Some(&field.data)).map(|field| field.data));
        put_joined(CHUNK, &kept, out);
    }
    Ok(())
}

/// Call a function with the pieces of each chunk of a stream.
fn for_each_chunk(schema: &Schema, stream: &[u8], mut use_chunk: impl FnMut(&[&[u8]])) -> Result<(), WireError> {
    let mut common = Vec::new();
    let mut kept = Vec::new();
    for field in fields_of(stream, String::new, 0)? {
        match field.tag {
            COMMON => common.extend(inner_fields(&field, || "/common".to_owned())?),
            CHUNK => kept.push(field),
            _ => {}
        }
    }
    let repeated: usize = common.iter().map(|field| field.data.len()).sum();
    if stream.len().saturating_add(kept.len().saturating_mul(repeated)) > MAX_EXPANDED {
        let reason = format!("a stream that expands to more than {MAX_EXPANDED} bytes");
        return Err(WireError { path: String::new(), offset: 0, reason });
    }
    common.sort_by_key(WireField::number);
    for (index, field) in kept.iter().enumerate() {
        let own = inner_fields(field, || format!("/chunks/{index}"))?;
        use_chunk(&merge(&schema.messages[0], &common, &own));
    }
    Ok(())
}

/// Return the fields that need to be written only once, by tag.
fn common<'a>(message: &MessageSchema, split: &[Vec<WireField<'a>>]) -> BTreeMap<u32, &'a [u8]> {
    let mut common = BTreeMap::new();
    let [first, _, ..] = split else { return common };
    // A chunk may have one field many times.
    for tag in first.iter().map(|field| field.tag).collect::<HashSet<_>>() {
        if let Some(is_message) = mergeable(message, tag)
            && let Some((data, count)) = most_frequent(tag, split)
            && count >= if is_message { split.len() } else { 2 }
        {
            common.insert(tag, data);
        }
    }
    common
}

/// Return the bytes that most chunks have for a field, and the number of those chunks. `None` unless each chunk has the
/// field once.
fn most_frequent<'a>(tag: u32, split: &[Vec<WireField<'a>>]) -> Option<(&'a [u8], usize)> {
    let mut counts: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (index, fields) in split.iter().enumerate() {
        let mut same = fields.iter().filter(|field| field.number() == tag >> 3);
        let field = same.next().filter(|field| field.tag == tag)?;
        if same.next().is_some() || is_bits(tag) && field.data.ends_with(&[0]) {
            return None;
        }
        let count = counts.entry(field.data).or_insert((0, index));
        count.0 += 1;
    }
    let (data, (count, _)) = counts.into_iter().max_by_key(|&(_, (count, first))| (count, usize::MAX - first))?;
    Some((data, count))
}

/// Return whether the field of a tag holds a message; `None` unless the field is singular and has the tag's wire type.
fn mergeable(message: &MessageSchema, tag: u32) -> Option<bool> {
    if is_bits(tag) || tag == MEMBER_ORDER_TAG || tag == ADDITIONAL_PROPERTIES_TAG {
        return Some(tag == ADDITIONAL_PROPERTIES_TAG);
    }
    let field = message.fields.iter().find(|field| field.number == tag >> 3)?;
    let singular = field.cardinality == Cardinality::Singular && !message.members[usize::from(field.member)].is_oneof;
    (singular && field.wire_type() == tag & 7).then_some(matches!(field.kind, FieldKind::Message | FieldKind::List))
}

/// Return the fields of a whole chunk: each common one before the first of a higher number, unless the chunk replaces it.
fn merge<'a>(message: &MessageSchema, common: &[WireField<'a>], kept: &[WireField<'a>]) -> Vec<&'a [u8]> {
    let own: HashSet<u32> = kept.iter().map(|field| field.tag).collect();
    let replaced = |tag| own.contains(&tag) && mergeable(message, tag) == Some(false);
    let mut waiting = common.iter().filter(|field| !replaced(field.tag)).peekable();
    let mut pieces = Vec::new();
    for field in kept {
        while let Some(before) = waiting.next_if(|before| before.number() <= field.number()) {
            pieces.push(before.data);
        }
        pieces.push(field.data);
    }
    pieces.extend(waiting.map(|field| field.data));
    pieces
}

/// Return the fields of the message that a field holds.
fn inner_fields<'a>(field: &WireField<'a>, path: impl Fn() -> String) -> Result<Vec<WireField<'a>>, WireError> {
    fields_of(field.payload(), path, field.payload_start())
}

/// Return whether a tag is that of bits which name members.
fn is_bits(tag: u32) -> bool {
    tag == EMPTY_FIELDS_TAG || tag == NULL_FIELDS_TAG
}

/// Append a record, with what a function appends for the bytes of its stream's pieces together in place of the first piece.
fn with_stream(
    record: &[u8],
    tag: u32,
    out: &mut Vec<u8>,
    put_changed: impl FnOnce(&[u8], &[WireField], &mut Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let fields = fields_of(record, String::new, 0)?;
    let pieces: Vec<_> = fields.iter().filter(|field| field.tag == tag).map(WireField::payload).collect();
    let stream = match pieces[..] {
        [] => {
            out.extend_from_slice(record);
            return Ok(());
        }
        [whole] => Cow::Borrowed(whole),
        _ => Cow::Owned(pieces.concat()),
    };
    let mut put_changed = Some(put_changed);
    for field in &fields {
        if field.tag != tag {
            out.extend_from_slice(field.data);
        } else if let Some(put_changed) = put_changed.take() {
            put_varint(tag.into(), out);
            let width = varint_size(stream.len() as u64);
            let start = open_length(width, out);
            put_changed(&stream, &fields_of(&stream, String::new, 0)?, out)?;
            close_length(start, width, out);
        }
    }
    Ok(())
}

/// Append a field whose payload is in pieces.
fn put_joined(tag: u32, pieces: &[&[u8]], out: &mut Vec<u8>) {
    put_varint(tag.into(), out);
    put_varint(pieces.iter().map(|piece| piece.len()).sum::<usize>() as u64, out);
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}

/// Append the fields of a stream other than its chunks and what they have in common.
fn put_others(fields: &[WireField], out: &mut Vec<u8>) {
    for field in fields.iter().filter(|field| field.tag != COMMON && field.tag != CHUNK) {
        out.extend_from_slice(field.data);
    }
}
