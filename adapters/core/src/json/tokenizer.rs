//! JSON text read token by token, by index. This only notices that something is wrong; `check` says what and where.
//!
//! `encode/token_reader.rs` reads most tokens of a document faster, by pointer, and comes here for the rare ones.

use crate::json::fail::Fail;
use crate::json::kind::{JsonKind, KIND_BY_FIRST_BYTE};
use crate::json::member_names::{MemberName, MemberNames};
use crate::json::number::Number;
use crate::json::strings::unescape;
use crate::scan::{chunk, find_special};

/// A string as it stands in the text: where it starts and stops between its quotes.
#[derive(Debug, Clone, Copy)]
pub struct RawString {
    pub start: usize,
    pub stop: usize,
    pub escaped: bool,
}

/// A place in JSON text, from which tokens are read.
#[derive(Debug)]
pub struct Tokenizer<'a> {
    pub text: &'a [u8],
    pub at: usize,
    pub nonfinite: bool,
    /// Whether the text is known to be UTF-8.
    pub valid: bool,
}

impl<'a> Tokenizer<'a> {
    /// Return the next byte, or 0 at the end.
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub fn skip_space(&mut self) {
        if self.peek() <= b' ' {
            self.skip_spaces();
        }
    }

    #[inline(never)]
    fn skip_spaces(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// Step over a byte that must be here.
    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), Fail> {
        if self.peek() != byte {
            return Err(Fail::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Return the kind of the value that starts here, or step over `null` and return `None`.
    #[inline(always)]
    pub fn kind(&mut self) -> Result<Option<JsonKind>, Fail> {
        if let Some(kind) = KIND_BY_FIRST_BYTE[usize::from(self.peek())] {
            return Ok(Some(kind));
        }
        if self.peek() == b'n' {
            self.word(b"null")?;
            return Ok(None);
        }
        self.rare_kind().map(Some)
    }

    /// Return the kind of a value whose first byte alone does not determine it.
    #[inline(never)]
    pub fn rare_kind(&self) -> Result<JsonKind, Fail> {
        Ok(match self.peek() {
            b'-' if self.text.get(self.at + 1) != Some(&b'I') => JsonKind::Number,
            b'-' | b'N' | b'I' if self.nonfinite => JsonKind::Nonfinite,
            _ => return Err(Fail::Malformed),
        })
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8]) -> Result<(), Fail> {
        if self.text.get(self.at..self.at + word.len()).is_none_or(|found| found != word) {
            return Err(Fail::Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    pub fn bool(&mut self) -> Result<bool, Fail> {
        let value = self.peek() == b't';
        self.word(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    /// Read NaN or an infinity.
    pub fn nonfinite(&mut self) -> Result<f64, Fail> {
        let (word, value): (&[u8], _) = match self.peek() {
            b'N' => (b"NaN", f64::from_bits(0x7ff8 << 48)),
            b'I' => (b"Infinity", f64::INFINITY),
            _ => (b"-Infinity", f64::NEG_INFINITY),
        };
        self.word(word)?;
        Ok(value)
    }

    #[inline(always)]
    pub fn number(&mut self) -> Result<Number<'a>, Fail> {
        let (number, at) = Number::read(self.text, self.at)?;
        self.at = at;
        Ok(number)
    }

    /// Read a string that starts here with its quote. Escapes are stepped over unchecked.
    #[inline(always)]
    pub fn string(&mut self) -> Result<RawString, Fail> {
        self.expect(b'"')?;
        let start = self.at;
        let mut high = false;
        let mut escaped = false;
        let mut at = start;
        loop {
            at = find_special(self.text, at, &mut high);
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    // The escaped byte may be a quote. It is ASCII, or the escape is wrong.
                    at += 2;
                }
                _ => return Err(Fail::Malformed),
            }
        }
        if high {
            self.validate(start, at)?;
        }
        self.at = at + 1;
        Ok(RawString { start, stop: at, escaped })
    }

    /// Fail if a span of the text is not UTF-8.
    #[inline(never)]
    pub fn validate(&self, start: usize, stop: usize) -> Result<(), Fail> {
        if !self.valid && simdutf8::basic::from_utf8(&self.text[start..stop]).is_err() {
            return Err(Fail::Malformed);
        }
        Ok(())
    }

    /// Read a name and the colon after it.
    #[inline]
    pub fn name(&mut self, names: &mut MemberNames) -> Result<MemberName, Fail> {
        let RawString { start, stop, escaped } = self.string()?;
        let name = if escaped {
            let from = names.arena.len();
            let lone = unescape(&self.text[start..stop], &mut names.arena)?;
            MemberName::in_arena(from, names.arena.len(), lone)
        } else {
            MemberName::in_text(start, stop)
        };
        self.colon()?;
        Ok(name)
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Fail> {
        if let Some(&[b':', b' ', next]) = chunk(self.text, self.at)
            && next > b' '
        {
            self.at += 2;
            return Ok(());
        }
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    /// Step over the closing bracket of a container without entries, and return true; or return false at its first
    /// entry.
    #[inline(always)]
    pub fn is_closed(&mut self, closing: u8) -> bool {
        self.skip_space();
        let closed = self.peek() == closing;
        self.at += usize::from(closed);
        closed
    }

    /// Step over what follows an entry: return true for a comma, false for the closing bracket.
    #[inline(always)]
    pub fn more(&mut self, closing: u8) -> Result<bool, Fail> {
        if let Some(&[b',', b' ', next]) = chunk(self.text, self.at)
            && next > b' '
        {
            self.at += 2;
            return Ok(true);
        }
        self.skip_space();
        let byte = self.peek();
        if byte == b',' {
            self.at += 1;
            self.skip_space();
            return Ok(true);
        }
        if byte != closing {
            return Err(Fail::Malformed);
        }
        self.at += 1;
        Ok(false)
    }
}
