//! Reads tokens of JSON text by pointer, and writes strings as it reads them. Rare tokens are left to
//! `json::tokenizer`.

use crate::buffer::output::{Output, OutputPointer};
use crate::encode::guesses::Guesses;
use crate::encode::headers::put_header;
use crate::json::fail::Fail;
use crate::json::kind::{JsonKind, KIND_BY_FIRST_BYTE};
use crate::json::member_names::{MemberName, MemberNames};
use crate::json::normalize::append;
use crate::json::number::Number;
use crate::json::padded_text::{PaddedText, TextPointer, keep_jump};
use crate::json::strings::{DECODED_ESCAPES, unescape, unescape_until_quote};
use crate::json::tokenizer::Tokenizer;
use crate::scan::{InstructionSet, OWN, Scan, find_special, scan, special_and_high, special_or_high32};
use crate::wire::member_order::name_start;
use crate::wire::write::TagWord;
use std::num::{NonZeroU32, NonZeroU64};

/// Where a step ended in the text and in the output.
pub type Encoded = Result<(TextPointer, OutputPointer), Fail>;

pub struct TokenReader<'a, S> {
    pub set: S,
    pub source: PaddedText<'a>,
    pub nonfinite: bool,
    /// Whether the text is known to be UTF-8.
    pub valid: bool,
    pub guesses: &'a Guesses,
    pub names: &'a mut MemberNames,
    /// A string whose escapes are decoded.
    pub decoded: &'a mut Vec<u8>,
}

impl<'a, S: InstructionSet> TokenReader<'a, S> {
    /// Return a tokenizer at the same place, for rare tokens.
    pub fn tokenizer(&self, at: TextPointer) -> Tokenizer<'a> {
        let PaddedText { text, .. } = self.source;
        Tokenizer { text, at: self.source.index(at), nonfinite: self.nonfinite, valid: self.valid }
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn skip_space(&mut self, at: TextPointer) -> TextPointer {
        if at.byte() <= b' ' { self.skip_spaces(at) } else { at }
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn skip_spaces(&mut self, at: TextPointer) -> TextPointer {
        let mut tokenizer = self.tokenizer(at);
        tokenizer.skip_space();
        self.source.pointer(tokenizer.at)
    }

    /// Step over an opening bracket, to the first entry or the closing bracket.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn inside(&mut self, at: TextPointer) -> TextPointer {
        self.skip_space(at.skip(1))
    }

    /// Step over what follows an entry: return true at the next entry after a comma, false after the closing bracket.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn more(&mut self, at: TextPointer, closing: u8) -> Result<(TextPointer, bool), Fail> {
        let byte = at.byte();
        if byte == b',' {
            let at = at.skip(1).skip_space();
            return Ok((self.skip_space(at), true));
        }
        if byte == closing {
            // Any number of closing brackets may follow each other.
            return Ok((self.source.with_lookahead(at.skip(1)), false));
        }
        self.more_after_space(at, closing)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn more_after_space(&mut self, at: TextPointer, closing: u8) -> Result<(TextPointer, bool), Fail> {
        let at = self.skip_space(at);
        match at.byte() {
            b',' => {
                let at = self.skip_space(at.skip(1));
                Ok((self.source.with_lookahead(at), true))
            }
            byte if byte == closing => Ok((self.source.with_lookahead(at.skip(1)), false)),
            _ => Err(Fail::Malformed),
        }
    }

    /// Return the kind of the value that starts here, or step over `null` and return `None`.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn kind(&self, at: TextPointer) -> Result<(TextPointer, Option<JsonKind>), Fail> {
        if let kind @ Some(_) = KIND_BY_FIRST_BYTE[usize::from(at.byte())] {
            return Ok((at, kind));
        }
        if at.starts_with(b"null") {
            return Ok((at.skip(4), None));
        }
        self.tokenizer(at).rare_kind().map(|kind| (at, Some(kind)))
    }

    /// Read a name and the colon after it. Return its `name_start` too.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn name(
        &mut self,
        set: impl InstructionSet,
        at: TextPointer,
    ) -> Result<(TextPointer, MemberName, u64), Fail> {
        if at.byte() == b'"' {
            let inside = at.skip(1);
            if let Some(other) = NonZeroU32::new(special_or_high32(set, inside.bytes())) {
                let size = other.trailing_zeros() as usize;
                let after = inside.skip(size);
                if after.bytes() == b"\":" {
                    let start = self.source.index(inside);
                    let name = MemberName::in_text(start, start + size);
                    let word = inside.word().swap_bytes();
                    let word = if size < 8 { word & !(u64::MAX >> (8 * size)) } else { word };
                    return Ok((self.skip_space(after.skip(2).skip_space()), name, word));
                }
            }
        }
        self.any_name(at)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn any_name(&mut self, at: TextPointer) -> Result<(TextPointer, MemberName, u64), Fail> {
        let mut tokenizer = self.tokenizer(at);
        let name = tokenizer.name(self.names)?;
        let start = name_start(self.names.bytes(self.source.text, name));
        Ok((self.source.pointer(tokenizer.at), name, start))
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    pub unsafe fn number(&mut self, at: TextPointer) -> Result<(TextPointer, Number<'a>), Fail> {
        let (number, stop) = Number::read(self.source.text, self.source.index(at))?;
        Ok((self.source.pointer(stop), number))
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    pub unsafe fn nonfinite(&mut self, at: TextPointer) -> Result<(TextPointer, f64), Fail> {
        let mut tokenizer = self.tokenizer(at);
        let double = tokenizer.nonfinite()?;
        Ok((self.source.pointer(tokenizer.at), double))
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn bool(&self, at: TextPointer) -> Result<(TextPointer, bool), Fail> {
        if at.starts_with(b"true") {
            Ok((at.skip(4), true))
        } else if at.starts_with(b"fals") && at.skip(4).byte() == b'e' {
            Ok((at.skip(5), false))
        } else {
            Err(Fail::Malformed)
        }
    }

    /// Read the string at a tokenizer. Return it decoded, and whether it has a lone surrogate.
    pub fn decoded_string<'b>(&'b mut self, tokenizer: &mut Tokenizer<'a>) -> Result<(&'b [u8], bool), Fail> {
        let raw = tokenizer.string()?;
        let string = &tokenizer.text[raw.start..raw.stop];
        if !raw.escaped {
            return Ok((string, false));
        }
        self.decoded.clear();
        let lone = unescape(string, self.decoded)?;
        Ok((self.decoded, lone))
    }

    /// Append the normal or canonical form of the value at an index of the text.
    pub fn normalize(
        &mut self,
        index: usize,
        depth: usize,
        canonical: bool,
        out: &mut Vec<u8>,
    ) -> Result<TextPointer, Fail> {
        let mut tokenizer =
            Tokenizer { text: self.source.text, at: index, nonfinite: self.nonfinite, valid: self.valid };
        append(&mut tokenizer, self.names, canonical, depth, out)?;
        Ok(self.source.pointer(tokenizer.at))
    }

    /// Write the string that starts here with its quote, after a tag and its length, if it has less than 32 bytes, which are
    /// neither special nor high.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn short_string(
        &self,
        set: impl InstructionSet,
        tag: TagWord,
        at: TextPointer,
        end: OutputPointer,
    ) -> Option<(TextPointer, OutputPointer)> {
        let inside = at.skip(1);
        let block = inside.bytes();
        let size = NonZeroU32::new(special_or_high32(set, block))?.trailing_zeros() as usize;
        if inside.skip(size).byte() != b'"' {
            return None;
        }
        end.write(0, &((tag.0 | (size as u64) << (tag.1 * 8)) as u32).to_le_bytes());
        end.write(tag.1 + 1, block);
        Some((inside.skip(size + 1), end.advance(tag.1 + 1 + size)))
    }

    /// Return the size of the string that starts here with its quote, if it has at most 63 bytes, which are
    /// neither special nor high.
    ///
    /// # Safety
    ///
    /// `at` keeps the rules of `encode`.
    #[inline(always)]
    pub unsafe fn plain_string(&self, at: TextPointer) -> Option<usize> {
        if at.byte() != b'"' {
            return None;
        }
        let inside = at.skip(1);
        let [first, second] = [0, 32].map(|from| special_or_high32(OWN, inside.skip(from).bytes()));
        let other = NonZeroU64::new(u64::from(first) | u64::from(second) << 32)?;
        let size = other.trailing_zeros() as usize;
        if inside.skip(size).byte() == b'"' { Some(size) } else { None }
    }

    /// Write any string from its first byte on, after a tag and its length, as the field of a place.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn inlined_long_string(
        &mut self,
        out: &mut Output,
        tag: TagWord,
        place: u32,
        inside: TextPointer,
        end: OutputPointer,
    ) -> Encoded {
        let set = self.set;
        // Up to 128 bytes are copied as they are read, behind a length of one byte.
        end.write(0, &(tag.0 as u32).to_le_bytes());
        let payload = end.advance(tag.1 + 1);
        let mut plain = 0;
        while plain < 128 {
            let block = inside.skip(plain);
            let bytes = block.bytes();
            payload.write(plain, bytes);
            let Some(other) = NonZeroU32::new(special_or_high32(set, bytes)) else {
                // Not by the count of plain bytes, for which the next step would wait.
                plain += 32;
                continue;
            };
            let count = other.trailing_zeros() as usize;
            plain += count;
            if block.skip(count).byte() == b'"' {
                end.write(tag.1, &[plain as u8]);
                return Ok((inside.skip(plain + 1), payload.advance(plain)));
            }
            break;
        }
        self.any_string(out, tag, place, inside, plain, end)
    }

    /// Write a string of which the first `plain` bytes are neither special nor high.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn any_string(
        &mut self,
        out: &mut Output,
        tag: TagWord,
        place: u32,
        inside: TextPointer,
        plain: usize,
        end: OutputPointer,
    ) -> Encoded {
        let text = self.source.text;
        let start = self.source.index(inside);
        let mut high = false;
        let stop = find_special(text, start + plain, &mut high);
        match text.get(stop) {
            Some(b'"') => {
                if high {
                    self.validate(start, stop)?;
                }
                let end = out.reserve_for(end, stop - start);
                let end = put_header(end, tag, (stop - start) as u64).put_span(text, start, stop);
                Ok((self.source.pointer(stop + 1), end))
            }
            Some(b'\\') => self.escaped_string(out, end.put_word(tag.0, tag.1), place, start, stop, high),
            _ => Err(Fail::Malformed),
        }
    }

    fn validate(&self, start: usize, stop: usize) -> Result<(), Fail> {
        Tokenizer { text: self.source.text, at: start, nonfinite: false, valid: self.valid }.validate(start, stop)
    }

    /// Write the length of a string, and the string decoded. Before the index `plain` it has no escape.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn escaped_string(
        &mut self,
        out: &mut Output,
        end: OutputPointer,
        place: u32,
        start: usize,
        plain: usize,
        mut high: bool,
    ) -> Encoded {
        let width = self.guesses.width(place);
        let guess = usize::from(width.get());
        let (end, payload) = out.open_length(end, guess);
        let end = out.reserve_for(end, plain - start).put_span(self.source.text, start, plain);
        let at = self.source.pointer(plain);
        let (mut at, mut end, above) = scan(Unescape { source: &mut self.source, out, at, end });
        high |= above;
        let mut lone = false;
        if at.byte() != b'"' {
            let index = self.source.index(at);
            let stop;
            self.decoded.clear();
            (stop, lone) = unescape_until_quote(self.source.text, index, self.decoded, &mut high)?;
            if stop == self.source.text.len() {
                return Err(Fail::Malformed);
            }
            (at, end) = (self.source.pointer(stop), out.put(end, self.decoded));
        }
        if high {
            self.validate(start, self.source.index(at))?;
        }
        if lone {
            return Err(Fail::DoesNotFit);
        }
        let (end, size) = out.close_length(payload, guess, end);
        if size != guess {
            width.set(size as u8);
        }
        Ok((at.skip(1), end))
    }
}

/// Writes a string decoded, up to its closing quote or what is neither plain nor an escape of one character. Its pointers
/// keep the rules of `encode`.
struct Unescape<'r, 't, 'o> {
    source: &'r mut PaddedText<'t>,
    out: &'r mut Output<'o>,
    at: TextPointer,
    end: OutputPointer,
}

impl Scan for Unescape<'_, '_, '_> {
    /// Where it ended in the text and in the output, and whether a byte before is not ASCII.
    type Found = (TextPointer, OutputPointer, bool);

    #[inline(always)]
    fn with(self, set: impl InstructionSet) -> Self::Found {
        let Unescape { source, out, mut at, mut end } = self;
        let mut above = 0;
        // SAFETY: by the rules of `encode`, there are 64 bytes ahead and room for 128 in each turn. It steps over bytes that
        // it looked at, and writes no more blocks than it keeps bytes of one.
        unsafe {
            // The mask of a block says where all of its escapes are, so that no step waits for the one before.
            loop {
                at = source.with_lookahead(at);
                end = out.reserve(end);
                let (mut special, high) = special_and_high(set, at.bytes::<64>());
                let mut done = 0;
                while special != 0 {
                    let count = special.trailing_zeros() as usize;
                    let [byte, escape] = *at.skip(count).bytes();
                    let decoded = DECODED_ESCAPES[usize::from(escape)];
                    end.write::<64>(0, at.skip(done).bytes());
                    end = end.advance(count - done);
                    if byte != b'\\' || decoded == 0 {
                        above |= high & ((1 << count) - 1);
                        return (at.skip(count), end, above != 0);
                    }
                    end = end.put_word(u64::from(decoded), 1);
                    done = count + 2;
                    special &= !(3 << count);
                }
                above |= high;
                end.write::<64>(0, at.skip(done).bytes());
                at = at.skip(64);
                if done > 64 {
                    // The second byte of the last escape is in the next block.
                    keep_jump();
                    at = at.skip(1);
                    continue;
                }
                end = end.advance(64 - done);
            }
        }
    }
}
