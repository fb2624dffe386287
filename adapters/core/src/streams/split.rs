//! Splits a completion into chunks, which an accumulator puts together into the completion again.
//!
//! The rules are those of `chatpb/_engine/reference/streams/split.py`.

use crate::schema::Accumulation;
use crate::streams::rules::StreamRules;
use crate::streams::value::{Members, Piece, index_of, member, print_list, print_members, print_text};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Yields the JSON texts of a completion's chunks. It keeps about as many bytes as the completion has.
#[derive(Debug)]
pub struct StreamSplitter {
    /// What a chunk has before and behind its choice: the first one, and each of the others.
    first: Option<(Vec<u8>, Vec<u8>)>,
    others: (Vec<u8>, Vec<u8>),
    sources: VecDeque<Source>,
    size: Option<usize>,
}

/// Where the text of a choice, or of a whole chunk, comes from.
#[derive(Debug)]
enum Source {
    Choice(Vec<u8>),
    /// Text in pieces, and what stands before and behind each.
    Pieces {
        before: Vec<u8>,
        text: Vec<u8>,
        at: usize,
        behind: Vec<u8>,
    },
    Chunk(Vec<u8>),
}

impl StreamSplitter {
    /// Split a completion, given the JSON text that a `Printer` made of it; `None` for text that is no object.
    ///
    /// `size` is the number of characters of text in each chunk; `None` for a word in each. `with_last` says whether
    /// the members that come at the end of a stream are in a last chunk.
    pub fn new(rules: &StreamRules, text: &[u8], size: Option<usize>, with_last: bool) -> Option<StreamSplitter> {
        let Some(Piece::Object(mut completion)) = Piece::parse(text) else { return None };
        for (name, value) in &mut completion {
            if let Piece::Text(text) = value
                && let Some((_, values)) = rules.values.iter().find(|(each, _)| **each == **name)
                && let Some((own, _)) = values.iter().find(|(_, whole)| **whole == **text)
            {
                *text = Cow::Owned(own.to_vec());
            }
        }
        let is = |name: &[u8], accumulation| rules.chunk.get(name) == accumulation;
        let (last, first): (Members, Members) =
            completion.into_iter().partition(|(name, value)| is(name, Accumulation::Latest) && !value.is_null());
        let choices_name = rules.chunk.name_of(Accumulation::Choices);
        let choices = match member(&first, choices_name) {
            Some(Piece::Array(choices)) if !choices.is_empty() => choices.iter().map(as_object).collect(),
            _ => None,
        };
        let mut splitter = StreamSplitter { first: None, others: Default::default(), sources: VecDeque::new(), size };
        let Some(choices): Option<Vec<&Members>> = choices else {
            let last = last.iter().filter(|_| with_last);
            let mut chunk = Vec::new();
            print_members(first.iter().chain(last).map(printed), &mut chunk);
            splitter.sources.push_back(Source::Chunk(chunk));
            return Some(splitter);
        };
        let base = || first.iter().filter(|(name, _)| is(name, Accumulation::First));
        let others = first.iter().filter(|(name, _)| !is(name, Accumulation::First));
        splitter.first = Some(list_around(base().chain(others).map(printed), choices_name));
        let no_choices = Piece::Array(Vec::new());
        splitter.others = list_around(base().map(printed).chain([(choices_name, &no_choices)]), choices_name);
        let are_placed = choices.iter().all(|choice| index_of(choice).is_none());
        for (place, choice) in choices.into_iter().enumerate() {
            let before = if are_placed { b"{},".repeat(place) } else { Vec::new() };
            splitter.add_choice(rules, choice, before);
        }
        if with_last && !last.is_empty() {
            let mut chunk = Vec::new();
            let last = last.iter().map(printed);
            print_members(base().map(printed).chain([(choices_name, &no_choices)]).chain(last), &mut chunk);
            splitter.sources.push_back(Source::Chunk(chunk));
        }
        Some(splitter)
    }

    /// Add the sources of a choice; `before` stands before it in each chunk.
    fn add_choice(&mut self, rules: &StreamRules, choice: &Members, before: Vec<u8>) {
        let message = match member(choice, &rules.message) {
            Some(Piece::Object(message)) if !rules.delta.is_empty() => message,
            _ => {
                let mut text = before;
                print_members(choice.iter().map(printed), &mut text);
                return self.sources.push_back(Source::Choice(text));
            }
        };
        let index = choice.iter().filter(|(name, _)| **name == *b"index");
        let pending = rules.pending.iter().filter(|name| member(choice, name).is_some());
        let pending = pending.map(|name| (&**name, &Piece::Null));
        let delta = Piece::Array(Vec::new());
        let members = index.map(printed).chain([(&*rules.delta, &delta)]).chain(pending);
        let (mut opening, closing) = around(members, &rules.delta);
        opening.splice(0..0, before.iter().copied());
        let around = (opening, closing);

        let is_text =
            |(name, value): &&(Cow<[u8]>, Piece)| value.text().is_some() && rules.of_name(name) == Accumulation::Pieces;
        let is_calls = |(name, value): &&(Cow<[u8]>, Piece)| {
            matches!(value, Piece::Array(items) if !items.is_empty())
                && rules.delta_members.get(name) == Accumulation::Calls
        };
        let others = message.iter().filter(|each| !is_text(each) && !is_calls(each));
        self.add_fixed(&around, |out| print_members(others.map(printed), out));
        for (name, value) in message.iter().filter(is_text) {
            if let Piece::Text(text) = value {
                let before = [b"{\"", &**name, b"\":\""].concat();
                self.add_pieces(&around, &before, text, b"\"}");
            }
        }
        for (name, value) in message.iter().filter(is_calls) {
            if let Piece::Array(items) = value {
                for (place, call) in items.iter().enumerate() {
                    self.add_call(rules, &around, name, place, call);
                }
            }
        }

        let mut last = before;
        let no_delta = Piece::Object(Vec::new());
        let own = member(choice, &rules.delta).unwrap_or(&no_delta);
        let others = choice.iter().filter(|(name, _)| **name != *rules.message && **name != *rules.delta);
        print_members([(&*rules.delta, own)].into_iter().chain(others.map(printed)), &mut last);
        self.sources.push_back(Source::Choice(last));
    }

    fn add_call(
        &mut self,
        rules: &StreamRules,
        around_delta: &(Vec<u8>, Vec<u8>),
        name: &[u8],
        place: usize,
        call: &Piece,
    ) {
        let before = [b"{\"", name, b"\":["].concat();
        let Piece::Object(call) = call else {
            return self.add_fixed(around_delta, |out| {
                out.extend_from_slice(&before);
                call.print(out);
                out.extend_from_slice(b"]}");
            });
        };
        let body = rules.bodies.iter().find_map(|(kind, name)| match member(call, kind)? {
            Piece::Object(body) => match member(body, name)? {
                Piece::Text(text) => Some((kind, name, body, text)),
                _ => None,
            },
            _ => None,
        });
        let number = place.to_string();
        let index = member(call, b"index").is_none().then_some((b"index".as_slice(), &Piece::Null));
        self.add_fixed(around_delta, |out| {
            out.extend_from_slice(&before);
            print_list(b"{}", call.iter().map(printed).chain(index), out, |(each, value), out| {
                print_text(each, out);
                out.push(b':');
                match body {
                    _ if *each == *b"index" => out.extend_from_slice(number.as_bytes()),
                    Some((kind, name, body, _)) if **kind == *each => {
                        let (before, behind) = around(body.iter().map(printed), name);
                        out.extend_from_slice(&[&before, b"\"\"".as_slice(), &behind].concat());
                    }
                    _ => value.print(out),
                }
            });
            out.extend_from_slice(b"]}");
        });
        if let Some((kind, name, _, text)) = body {
            let before = [&before, b"{\"".as_slice(), kind, b"\":{\"", name, b"\":\""].concat();
            let behind = format!("\"}},\"index\":{place}}}]}}");
            self.add_pieces(around_delta, &before, text, behind.as_bytes());
        }
    }

    /// Add a delta that is in one chunk.
    fn add_fixed(&mut self, (before, behind): &(Vec<u8>, Vec<u8>), print: impl FnOnce(&mut Vec<u8>)) {
        let mut text = before.clone();
        print(&mut text);
        text.extend_from_slice(behind);
        self.sources.push_back(Source::Choice(text));
    }

    /// Add a delta that is text in pieces.
    fn add_pieces(&mut self, around: &(Vec<u8>, Vec<u8>), before: &[u8], text: &[u8], behind: &[u8]) {
        if !text.is_empty() {
            self.sources.push_back(Source::Pieces {
                before: [&around.0, before].concat(),
                text: text.to_vec(),
                at: 0,
                behind: [behind, &around.1].concat(),
            });
        }
    }
}

impl Iterator for StreamSplitter {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let source = self.sources.front_mut()?;
        if let Source::Chunk(chunk) = source {
            let chunk = std::mem::take(chunk);
            self.sources.pop_front();
            return Some(chunk);
        }
        let first = self.first.take();
        let (before_choice, behind_choice) = first.as_ref().unwrap_or(&self.others);
        let mut chunk = before_choice.clone();
        let is_done = match source {
            Source::Pieces { before, text, at, behind } => {
                let rest = &text[*at..];
                let piece = &rest[..match self.size {
                    None => word(rest),
                    Some(size) => characters(rest, size),
                }];
                [before, piece, behind].into_iter().for_each(|each| chunk.extend_from_slice(each));
                *at += piece.len();
                *at == text.len()
            }
            Source::Choice(text) | Source::Chunk(text) => {
                chunk.extend_from_slice(text);
                true
            }
        };
        if is_done {
            self.sources.pop_front();
        }
        chunk.extend_from_slice(behind_choice);
        Some(chunk)
    }
}

fn as_object<'p, 'a>(piece: &'p Piece<'a>) -> Option<&'p Members<'a>> {
    match piece {
        Piece::Object(members) => Some(members),
        _ => None,
    }
}

fn printed<'p, 'a>((name, value): &'p (Cow<'a, [u8]>, Piece<'a>)) -> (&'p [u8], &'p Piece<'a>) {
    (name, value)
}

/// Print an object. Return what stands before and behind the value of the member of a name.
fn around<'p, 'a: 'p>(members: impl Iterator<Item = (&'p [u8], &'p Piece<'a>)>, name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut before = vec![b'{'];
    let mut behind = Vec::new();
    let mut is_behind = false;
    for (at, (each, value)) in members.enumerate() {
        let out = if is_behind { &mut behind } else { &mut before };
        if at > 0 {
            out.push(b',');
        }
        print_text(each, out);
        out.push(b':');
        if each == name {
            is_behind = true;
        } else {
            value.print(out);
        }
    }
    behind.push(b'}');
    (before, behind)
}

/// Print an object. Return what stands before and behind the items of the array that is the member of a name.
fn list_around<'p, 'a: 'p>(
    members: impl Iterator<Item = (&'p [u8], &'p Piece<'a>)>,
    name: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let (mut before, mut behind) = around(members, name);
    before.push(b'[');
    behind.insert(0, b']');
    (before, behind)
}

/// Return the bytes of the first word, with the space before it, or with that at the end of the text.
fn word(text: &[u8]) -> usize {
    let mut at = 0;
    let mut in_word = false;
    while at < text.len() {
        let (size, is_space) = character(&text[at..]);
        if is_space && in_word {
            return at;
        }
        in_word |= !is_space;
        at += size;
    }
    at
}

/// Return the bytes of as many characters, or of all if there are fewer.
fn characters(text: &[u8], count: usize) -> usize {
    let mut at = 0;
    for _ in 0..count {
        if at >= text.len() {
            break;
        }
        at += character(&text[at..]).0;
    }
    at.min(text.len())
}

/// Return the bytes of the first character inside a printed string, and whether it is space as Python has it.
fn character(text: &[u8]) -> (usize, bool) {
    match *text {
        [b'\\', b'u', ref digits @ ..] => {
            let code = digits.get(..4).and_then(|digits| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
            (6, code.and_then(char::from_u32).is_some_and(is_space))
        }
        [b'\\', escape, ..] => (2, matches!(escape, b'n' | b't' | b'r' | b'f')),
        [byte @ 0..0x80, ..] => (1, is_space(char::from(byte))),
        [byte, ..] => {
            let size = match byte {
                0xf0.. => 4,
                0xe0.. => 3,
                _ => 2,
            };
            let found =
                text.get(..size).and_then(|bytes| str::from_utf8(bytes).ok()).and_then(|text| text.chars().next());
            (size, found.is_some_and(is_space))
        }
        [] => (0, false),
    }
}

fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}
