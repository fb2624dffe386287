//! Reading JSON text token by token, only noticing that something is wrong.

use crate::number::Number;
use crate::scan::special;
use crate::schema::Json;
use crate::strings::unescape;

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// The text is wrong somewhere; `check` says what and where.
    Malformed,
    /// The value has no exact form in the home that was tried.
    Unfit,
}

/// A string as it stands in the text: where it starts and stops between its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    pub start: usize,
    pub stop: usize,
    pub escaped: bool,
}

/// The name of a member: a span of the text, or of the arena of decoded names.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    pub start: usize,
    pub stop: usize,
    pub decoded: bool,
    pub lone: bool,
}

/// The names of the objects that are open, the innermost last, to find those that come twice.
#[derive(Debug, Default)]
pub struct Names {
    pub list: Vec<Name>,
    pub arena: Vec<u8>,
}

/// Lengths of the parts of `Names`.
#[derive(Debug, Clone, Copy)]
pub struct NamesMark {
    list: usize,
    arena: usize,
}

impl Names {
    pub fn clear(&mut self) {
        self.list.clear();
        self.arena.clear();
    }

    pub fn mark(&self) -> NamesMark {
        NamesMark { list: self.list.len(), arena: self.arena.len() }
    }

    pub fn reset(&mut self, mark: NamesMark) {
        self.list.truncate(mark.list);
        self.arena.truncate(mark.arena);
    }

    #[inline]
    pub fn bytes<'b>(&'b self, text: &'b [u8], name: Name) -> &'b [u8] {
        &self.source(text, name)[name.start..name.stop]
    }

    /// What a name is a span of.
    #[inline]
    pub fn source<'b>(&'b self, text: &'b [u8], name: Name) -> &'b [u8] {
        if name.decoded { &self.arena } else { text }
    }

    /// Forget the names since a mark. Fails if one was there twice.
    #[inline(always)]
    pub fn close(&mut self, text: &[u8], mark: NamesMark) -> Result<(), Fail> {
        if self.list.len() == mark.list {
            return Ok(());
        }
        self.close_names(text, mark)
    }

    fn close_names(&mut self, text: &[u8], mark: NamesMark) -> Result<(), Fail> {
        let names = &self.list[mark.list..];
        let twice = names.len() > 1 && self.any_twice(text, names);
        self.reset(mark);
        if twice { Err(Fail::Malformed) } else { Ok(()) }
    }

    fn any_twice(&self, text: &[u8], names: &[Name]) -> bool {
        if names.len() <= 12 {
            let size = |name: Name| name.stop - name.start;
            let same = |a: Name, b: Name| size(a) == size(b) && self.bytes(text, a) == self.bytes(text, b);
            return (1..names.len()).any(|at| names[..at].iter().any(|&other| same(other, names[at])));
        }
        let mut sorted: Vec<&[u8]> = names.iter().map(|&name| self.bytes(text, name)).collect();
        sorted.sort_unstable();
        sorted.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// The kind of a value by its first byte, where that alone tells.
pub const KINDS: [Option<Json>; 256] = {
    let mut kinds = [None; 256];
    kinds[b'"' as usize] = Some(Json::String);
    kinds[b'{' as usize] = Some(Json::Object);
    kinds[b'[' as usize] = Some(Json::Array);
    kinds[b't' as usize] = Some(Json::Bool);
    kinds[b'f' as usize] = Some(Json::Bool);
    let mut digit = b'0';
    while digit <= b'9' {
        kinds[digit as usize] = Some(Json::Number);
        digit += 1;
    }
    kinds
};

/// A place in JSON text.
#[derive(Debug)]
pub struct Cursor<'a> {
    pub text: &'a [u8],
    pub at: usize,
    pub nonfinite: bool,
    /// Whether the text is known to be UTF-8.
    pub valid: bool,
}

impl<'a> Cursor<'a> {
    /// The next byte, or 0 at the end.
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub fn space(&mut self) {
        if self.peek() <= b' ' {
            self.spaces();
        }
    }

    #[inline(never)]
    fn spaces(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// Step over a byte that must be here.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Result<(), Fail> {
        if self.peek() != byte {
            return Err(Fail::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// The kind of the value that starts here; `None` for `null`, which is stepped over.
    #[inline(always)]
    pub fn kind(&mut self) -> Result<Option<Json>, Fail> {
        if let Some(kind) = KINDS[usize::from(self.peek())] {
            return Ok(Some(kind));
        }
        if self.peek() == b'n' {
            self.word(b"null")?;
            return Ok(None);
        }
        self.rare_kind().map(Some)
    }

    #[inline(never)]
    pub fn rare_kind(&self) -> Result<Json, Fail> {
        Ok(match self.peek() {
            b'-' if self.text.get(self.at + 1) != Some(&b'I') => Json::Number,
            b'-' | b'N' | b'I' if self.nonfinite => Json::Nonfinite,
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

    /// Not a number, or an infinity.
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

    /// A string that starts here with its quote. Its escapes are not looked at.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Raw, Fail> {
        self.expect(b'"')?;
        let start = self.at;
        let mut high = false;
        let mut escaped = false;
        let mut at = start;
        loop {
            at = special(self.text, at, &mut high);
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    // What is escaped may be a quote, and is ASCII or wrong.
                    at += 2;
                }
                _ => return Err(Fail::Malformed),
            }
        }
        if high {
            self.validate(start, at)?;
        }
        self.at = at + 1;
        Ok(Raw { start, stop: at, escaped })
    }

    /// Fails where a span of the text is not UTF-8.
    #[inline(never)]
    pub fn validate(&self, start: usize, stop: usize) -> Result<(), Fail> {
        if !self.valid && simdutf8::basic::from_utf8(&self.text[start..stop]).is_err() {
            return Err(Fail::Malformed);
        }
        Ok(())
    }

    /// A name and the colon after it.
    #[inline]
    pub fn name(&mut self, names: &mut Names) -> Result<Name, Fail> {
        let Raw { mut start, mut stop, escaped } = self.string()?;
        let mut lone = false;
        if escaped {
            let raw = &self.text[start..stop];
            start = names.arena.len();
            lone = unescape(raw, &mut names.arena)?;
            stop = names.arena.len();
        }
        self.colon()?;
        Ok(Name { start, stop, decoded: escaped, lone })
    }

    #[inline(always)]
    pub fn colon(&mut self) -> Result<(), Fail> {
        if let Some(&[b':', b' ', next]) = crate::scan::chunk(self.text, self.at)
            && next > b' '
        {
            self.at += 2;
            return Ok(());
        }
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// What follows an opening bracket that is stepped over: true if it is the closing one, also stepped over.
    #[inline(always)]
    pub fn is_closed(&mut self, closing: u8) -> bool {
        self.space();
        let closed = self.peek() == closing;
        self.at += usize::from(closed);
        closed
    }

    /// What follows an entry: true for a comma, false for the closing bracket.
    #[inline(always)]
    pub fn more(&mut self, closing: u8) -> Result<bool, Fail> {
        if let Some(&[b',', b' ', next]) = crate::scan::chunk(self.text, self.at)
            && next > b' '
        {
            self.at += 2;
            return Ok(true);
        }
        self.space();
        let byte = self.peek();
        if byte == b',' {
            self.at += 1;
            self.space();
            return Ok(true);
        }
        if byte != closing {
            return Err(Fail::Malformed);
        }
        self.at += 1;
        Ok(false)
    }
}
