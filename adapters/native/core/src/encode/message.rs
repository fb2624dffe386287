//! The members of an object, each to its home.

use super::order::{Before, Fields, Held};
use super::reader;
use super::{Encoding, Order, Step};
use crate::json::{Fail, Name};
use crate::limits::MAX_DEPTH;
use crate::schema::{Expected, Message, Quick};
use crate::sheet::Pen;
use crate::source::At;
use crate::wire::{close_length, open_length, put_delimited, put_varint};
use std::sync::atomic::{AtomicU8, Ordering};

const VERBATIM: u64 = 16 << 3 | 2;
const KEY: u64 = 1 << 3 | 2;
const VALUE: u64 = 2 << 3 | 2;

/// The place of what matches no text.
const UNKNOWN: u8 = 63;

/// Where a value starts in the text, and its field in the output.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: usize,
    pen: usize,
}

impl<'a> Encoding<'a> {
    /// The object that starts here as the payload of a message of a nesting level.
    #[inline(never)]
    pub fn message(&mut self, message: &'a Message, at: At, pen: Pen, depth: usize) -> Step {
        if depth > MAX_DEPTH {
            return Err(Fail::Malformed);
        }
        let at = self.reader.inside(at);
        if at.byte() == b'}' {
            return Ok((at.skip(1), pen));
        }
        let base = self.out.offset(pen);
        let mut fields = Fields::new(base, depth);
        match self.members(message, at, pen, &mut fields) {
            Ok((at, pen)) => {
                if let Some(before) = fields.open {
                    self.reader.close_names(before.names, fields.twice)?;
                }
                Ok((at, self.finish(message, &mut fields, pen)))
            }
            Err(fail) => {
                self.give_up(&fields);
                Err(fail)
            }
        }
    }

    /// Forget all that a message has left beside the output.
    #[cold]
    fn give_up(&mut self, fields: &Fields) {
        self.order.held.truncate(self.order.held.len() - fields.held_count());
        if let Some(before) = fields.open {
            self.forget(before);
            self.reader.names.reset(before.names);
        }
    }

    #[inline(always)]
    fn members(&mut self, message: &'a Message, mut at: At, mut pen: Pen, fields: &mut Fields) -> Step {
        let early = message.early.load(Ordering::Relaxed);
        let mut next = &message.first;
        let mut seen = 0u64;
        loop {
            at = self.reader.source.ahead(at);
            pen = self.out.room(pen);
            let mut expected = message.expected(next.load(Ordering::Relaxed));
            let named = match at.past(&expected.name) {
                Some(value) => {
                    at = value.skip_space();
                    true
                }
                None => {
                    let place;
                    (at, place) = self.other_name(message, next, at, fields)?;
                    expected = message.expected(place);
                    place != UNKNOWN
                }
            };
            if named {
                if seen & expected.bit != 0 {
                    return Err(Fail::Malformed);
                }
                seen |= expected.bit;
                next = &expected.next;
                (at, pen) = self.member(message, expected, early, at, pen, fields)?;
            } else {
                next = &message.after_unknown;
                at = self.open_member(at, fields)?;
            }
            match at.byte() {
                b',' => at = at.skip(1).skip_space(),
                b'}' => return Ok((at.skip(1), pen)),
                _ => match self.reader.more(at, b'}')? {
                    (after, true) => at = after,
                    (after, false) => return Ok((after, pen)),
                },
            }
        }
    }

    /// The place of the member of a name that is not the one that came last time, or after whitespace. Notes the name of
    /// an unknown one.
    #[inline(never)]
    fn other_name(
        &mut self,
        message: &Message,
        next: &AtomicU8,
        at: At,
        fields: &mut Fields,
    ) -> Result<(At, u8), Fail> {
        let at = self.reader.space(at);
        let expected = message.expected(next.load(Ordering::Relaxed));
        if let Some(after) = at.past(&expected.name) {
            return Ok((after, expected.member));
        }
        let mark = self.reader.names.mark();
        let quote = at;
        let (at, name, hash) = self.reader.name(at)?;
        let size = name.stop - name.start;
        let place = if size < 30 && !name.decoded && quote.skip(size + 2).byte() == b':' {
            let same = |place: &u8| quote.past(&message.expected(*place).name).is_some();
            message.of_length(size).iter().copied().find(same)
        } else {
            message.find(self.reader.names.bytes(self.reader.source.text, name))
        };
        let at = self.reader.source.ahead(at);
        next.store(place.unwrap_or(UNKNOWN), Ordering::Relaxed);
        if let Some(place) = place {
            self.reader.names.reset(mark);
            return Ok((at, place));
        }
        if name.lone {
            self.reader.names.reset(mark);
            return Err(Fail::Unfit);
        }
        if fields.open.is_none() {
            fields.open = Some(self.before(mark));
        }
        self.reader.names.list.push(name);
        fields.twice |= fields.unknown & hash != 0;
        fields.unknown |= hash;
        Ok((at, UNKNOWN))
    }

    fn before(&self, names: crate::json::NamesMark) -> Before {
        Before {
            names,
            aside: self.aside.used(),
            verbatim: self.order.verbatim.len(),
            entries: self.order.entries.len(),
            texts: self.order.texts.len(),
        }
    }

    /// The value of a member of the contract.
    #[inline(always)]
    fn member(
        &mut self,
        message: &'a Message,
        expected: &'a Expected,
        early: u64,
        at: At,
        pen: Pen,
        fields: &mut Fields,
    ) -> Step {
        if at.is(b"null") {
            fields.null |= expected.bit;
            return Ok((at.skip(4), pen));
        }
        if early & expected.bit != 0
            && let Some(at) = self.early(expected, at, fields)
        {
            return Ok((at, pen));
        }
        let Expected { tag, ref last, .. } = *expected;
        let refers = expected.refers as usize;
        let done = match (expected.quick, at.byte()) {
            (Quick::Integer, _) => match self.integer(tag, at, pen) {
                Some(step) => Ok(step),
                None => return self.other_value(message, expected, at, pen, fields),
            },
            (Quick::Enum, b'"') => match self.expected_enum(refers, last, at) {
                Some((number, at)) => Ok((at, reader::put_header(pen, tag, number))),
                None => {
                    let start = self.start(at, pen);
                    self.any_enum(refers, tag, last, at, pen).map_err(|fail| (fail, start))
                }
            },
            (Quick::String, b'"') => {
                let start = self.start(at, pen);
                self.reader.string(&mut self.out, tag, last, at, pen).map_err(|fail| (fail, start))
            }
            (Quick::Message, b'{') => {
                let start = self.start(at, pen);
                self.submessage(refers, tag, last, at, pen, fields.level).map_err(|fail| (fail, start))
            }
            (Quick::Messages, b'[') => {
                let start = self.start(at, pen);
                let done = self.messages(refers, tag, last, at, pen, fields.level + 1);
                if let Ok((at, pen)) = done
                    && self.out.offset(pen) == start.pen
                {
                    fields.empty |= expected.bit;
                    return Ok((at, pen));
                }
                done.map_err(|fail| (fail, start))
            }
            _ => return self.other_value(message, expected, at, pen, fields),
        };
        match done {
            Ok(step) => {
                fields.note(expected.bit);
                Ok(step)
            }
            Err((fail, start)) => self.misfit(message, expected, fail, start, fields),
        }
    }

    #[inline(always)]
    fn start(&self, at: At, pen: Pen) -> Start {
        Start { at: self.reader.source.index(at), pen: self.out.offset(pen) }
    }

    /// An integer or an enum string that came too early last time, held back if it is short.
    #[inline(never)]
    fn early(&mut self, expected: &Expected, at: At, fields: &mut Fields) -> Option<At> {
        let found = match expected.quick {
            Quick::Enum => self.expected_enum(expected.refers as usize, &expected.last, at),
            _ => at.small_integer(),
        };
        let (value, at) = match found {
            Some(found) => found,
            None if expected.is_long => at.long_integer()?,
            None => return None,
        };
        if fields.held > expected.bit {
            return None;
        }
        if fields.held == 0 {
            fields.before_held = fields.present;
        }
        fields.held |= expected.bit;
        self.order.held.push(Held { tag: expected.tag, value });
        Some(at)
    }

    /// The value of a member of the contract, of any kind.
    #[inline(never)]
    fn other_value(
        &mut self,
        message: &'a Message,
        expected: &'a Expected,
        at: At,
        pen: Pen,
        fields: &mut Fields,
    ) -> Step {
        let at = self.reader.space(at);
        let start = self.start(at, pen);
        let (at, kind) = self.reader.kind(at)?;
        let Some(kind) = kind else {
            fields.null |= expected.bit;
            return Ok((at, pen));
        };
        let place = message.members[usize::from(expected.member)].by_kind[kind as usize];
        let Some(field) = message.fields.get(usize::from(place)) else {
            return self.misfit(message, expected, Fail::Unfit, start, fields);
        };
        match self.field(field, kind, at, pen, fields.level) {
            Ok((at, pen)) => {
                if self.out.offset(pen) > start.pen {
                    fields.note(1 << field.number);
                } else {
                    fields.empty |= expected.bit;
                }
                Ok((at, pen))
            }
            Err(fail) => self.misfit(message, expected, fail, start, fields),
        }
    }

    /// A member of the contract whose value does not fit.
    #[cold]
    #[inline(never)]
    fn misfit(
        &mut self,
        message: &Message,
        expected: &Expected,
        fail: Fail,
        start: Start,
        fields: &mut Fields,
    ) -> Step {
        if fail == Fail::Malformed {
            return Err(fail);
        }
        let names = self.reader.names.mark();
        if fields.open.is_none() {
            fields.open = Some(self.before(names));
        }
        let arena = &mut self.reader.names.arena;
        let from = arena.len();
        arena.extend_from_slice(message.members[usize::from(expected.member)].name.as_bytes());
        let name = Name { start: from, stop: arena.len(), decoded: true, lone: false };
        let pen = self.out.room(self.out.at(start.pen));
        let at = self.reader.source.at(start.at);
        Ok((self.open(name, at, fields)?, pen))
    }

    /// The value of the unknown member whose name was noted last.
    #[inline(never)]
    fn open_member(&mut self, at: At, fields: &Fields) -> Result<At, Fail> {
        let Some(&name) = self.reader.names.list.last() else { return Err(Fail::Malformed) };
        self.open(name, at, fields)
    }

    /// The value of an additional property, or else of a verbatim one.
    fn open(&mut self, name: Name, at: At, fields: &Fields) -> Result<At, Fail> {
        let index = self.reader.source.index(at);
        let (names, entries) = (self.reader.names.mark(), self.order.entries.len());
        let pen = self.aside.pen(0);
        let start = self.aside.offset(pen);
        if self.canonical {
            self.order.entries.push(start);
        }
        match self.entry(name, at, pen, 0, fields.level) {
            Ok((at, pen)) => {
                self.aside.put_down(pen);
                Ok(at)
            }
            Err(Fail::Malformed) => Err(Fail::Malformed),
            Err(Fail::Unfit) => {
                self.order.entries.truncate(entries);
                self.reader.names.reset(names);
                self.aside.truncate(start);
                self.verbatim(name, index, fields.level)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn verbatim(&mut self, name: Name, index: usize, depth: usize) -> Result<At, Fail> {
        let Order { verbatim, texts, .. } = &mut *self.order;
        if self.canonical {
            texts.push(verbatim.len());
        }
        put_varint(VERBATIM, verbatim);
        let start = open_length(1, verbatim);
        put_delimited(KEY, self.reader.names.bytes(self.reader.source.text, name), verbatim);
        put_varint(VALUE, verbatim);
        let text = open_length(1, verbatim);
        let at = self.reader.print(index, depth, self.canonical, verbatim)?;
        close_length(text, 1, verbatim);
        close_length(start, 1, verbatim);
        Ok(at)
    }
}
