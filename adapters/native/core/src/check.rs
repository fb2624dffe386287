//! The exact half of reading JSON text: reads it token by token from the start, and says what is wrong and where.
//!
//! The rules are those of `chatpb/_python/text.py`, in the same order.

use crate::error::{JsonError, push_pointer};
use crate::limits::{MAX_DEPTH, MAX_SIZE};
use crate::strings::unescape;
use std::collections::HashSet;

/// The first thing wrong with a document.
pub fn check_document(text: &[u8], nonfinite: bool, surrogates: bool) -> Result<(), JsonError> {
    if let Err(error) = std::str::from_utf8(text) {
        let reason = if surrogates { "a lone surrogate, which UTF-8 cannot encode" } else { "invalid UTF-8" };
        return Err(place(text, error.valid_up_to(), String::new(), reason));
    }
    if text.len() > MAX_SIZE {
        let reason = format!("a document of more than {MAX_SIZE} bytes");
        return Err(JsonError { path: String::new(), line: 1, column: 1, offset: 0, reason });
    }
    let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    Checker { text, nonfinite, whole: true, at, open: Vec::new() }.run()
}

/// The first thing wrong with the text of one value inside a message, which is UTF-8.
pub fn check_value(text: &[u8], nonfinite: bool) -> Result<(), JsonError> {
    Checker { text, nonfinite, whole: false, at: 0, open: Vec::new() }.run()
}

/// An error at an offset of a text that is UTF-8 up to there.
pub fn place(text: &[u8], offset: usize, path: String, reason: &str) -> JsonError {
    let before = &text[..offset];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let starts_char = |byte: &&u8| **byte & 0xc0 != 0x80;
    JsonError {
        path,
        line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
        column: before[line_start..].iter().filter(starts_char).count() + 1,
        offset,
        reason: reason.to_owned(),
    }
}

/// The current name or index of an open container; nothing before its first entry and between entries.
enum Key {
    None,
    Name(Vec<u8>),
    Index(usize),
}

struct Open {
    /// The names seen; `None` for an array.
    names: Option<HashSet<Vec<u8>>>,
    key: Key,
}

struct Checker<'a> {
    text: &'a [u8],
    nonfinite: bool,
    whole: bool,
    at: usize,
    open: Vec<Open>,
}

type Checked<T> = Result<T, JsonError>;

impl Checker<'_> {
    fn run(mut self) -> Checked<()> {
        self.skip_space();
        if self.whole && self.peek()? != b'{' {
            return self.fail("a document is a JSON object; this is something else");
        }
        self.value()?;
        while let Some(open) = self.open.last() {
            match open.key {
                Key::None => self.first()?,
                _ => self.next()?,
            }
        }
        self.skip_space();
        if self.at < self.text.len() {
            return self.fail("unexpected data after the end of the document");
        }
        Ok(())
    }

    #[cold]
    fn fail<T>(&self, reason: &str) -> Checked<T> {
        self.fail_at(reason, self.at)
    }

    #[cold]
    fn fail_at<T>(&self, reason: &str, at: usize) -> Checked<T> {
        let mut path = String::new();
        for open in &self.open {
            match &open.key {
                Key::None => {}
                Key::Name(name) => push_pointer(&mut path, name),
                Key::Index(index) => push_pointer(&mut path, index.to_string().as_bytes()),
            }
        }
        Err(place(self.text, at, path, reason))
    }

    #[cold]
    fn fail_end<T>(&self) -> Checked<T> {
        self.fail_at("unexpected end of the text", self.text.len())
    }

    fn skip_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Checked<u8> {
        match self.text.get(self.at) {
            Some(&byte) => Ok(byte),
            None => self.fail_end(),
        }
    }

    fn innermost(&mut self) -> &mut Open {
        self.open.last_mut().expect("a container is open")
    }

    fn closing(&mut self) -> u8 {
        if self.innermost().names.is_some() { b'}' } else { b']' }
    }

    /// What follows an opening bracket: the closing one, or the first entry.
    fn first(&mut self) -> Checked<()> {
        self.skip_space();
        let closing = self.closing();
        if self.peek()? == closing {
            self.close();
            return Ok(());
        }
        self.entry(Key::None)
    }

    /// What follows an entry: the closing bracket, or a comma and the next entry.
    fn next(&mut self) -> Checked<()> {
        self.skip_space();
        let closing = self.closing();
        let key = std::mem::replace(&mut self.innermost().key, Key::None);
        match self.peek()? {
            byte if byte == closing => {
                self.close();
                Ok(())
            }
            b',' => {
                self.at += 1;
                self.entry(key)
            }
            _ => self.fail(&format!("expected ',' or '{}'", char::from(closing))),
        }
    }

    fn close(&mut self) {
        self.at += 1;
        self.open.pop();
    }

    fn entry(&mut self, before: Key) -> Checked<()> {
        if self.innermost().names.is_none() {
            let index = if let Key::Index(index) = before { index + 1 } else { 0 };
            self.innermost().key = Key::Index(index);
            self.skip_space();
            return self.value();
        }
        self.skip_space();
        if self.peek()? != b'"' {
            return self.fail("expected the name of a member, in double quotes");
        }
        let start = self.at;
        self.string()?;
        let mut name = Vec::new();
        let lone = unescape(&self.text[start + 1..self.at - 1], &mut name).unwrap_or_default();
        self.innermost().key = Key::Name(name.clone());
        if !self.innermost().names.get_or_insert_default().insert(name) {
            return self.fail_at("a second member of this name; JSON objects here have each name once", start);
        }
        if self.whole && self.open.len() == 1 && lone {
            return self.fail_at("a lone surrogate in the name of a member, which protobuf cannot carry", start);
        }
        self.skip_space();
        if self.peek()? != b':' {
            return self.fail("expected ':'");
        }
        self.at += 1;
        self.skip_space();
        self.value()
    }

    /// Read a scalar whole, or open a container.
    fn value(&mut self) -> Checked<()> {
        let byte = self.peek()?;
        if matches!(byte, b'{' | b'[') {
            if self.open.len() == MAX_DEPTH {
                return self.fail(&format!("nesting deeper than {MAX_DEPTH} levels"));
            }
            self.at += 1;
            self.open.push(Open { names: (byte == b'{').then(HashSet::new), key: Key::None });
            return Ok(());
        }
        if byte == b'"' {
            return self.string();
        }
        if let Some(length) = self.word(&["true", "false", "null"])? {
            self.at += length;
        } else if let Some(length) = self.word(&["NaN", "Infinity", "-Infinity"])? {
            if !self.nonfinite {
                return self.fail("NaN and Infinity are not JSON; nonfinite='allow' accepts them");
            }
            self.at += length;
        } else if matches!(byte, b'-' | b'0'..=b'9') {
            self.number()?;
        } else {
            return self.fail("expected a value");
        }
        Ok(())
    }

    /// The length of the one of the words that stands here.
    fn word(&self, words: &[&str]) -> Checked<Option<usize>> {
        let rest = &self.text[self.at..];
        for word in words.iter().map(|word| word.as_bytes()) {
            if rest.starts_with(word) {
                return Ok(Some(word.len()));
            }
            if word.starts_with(rest) && rest != b"-" {
                return self.fail_end();
            }
        }
        Ok(None)
    }

    /// A number is the longest run of the characters of numbers.
    fn number(&mut self) -> Checked<()> {
        let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let length = self.text[self.at..].iter().take_while(|byte| is_part(byte)).count();
        let stop = self.at + length;
        if stop == self.text.len() && self.whole {
            return self.fail_end();
        }
        match crate::number::Number::read(self.text, self.at) {
            Ok((_, end)) if end == stop => self.at = stop,
            _ => return self.fail("not a JSON number"),
        }
        Ok(())
    }

    fn string(&mut self) -> Checked<()> {
        let mut at = self.at + 1;
        loop {
            at = crate::scan::special(self.text, at, &mut false);
            match self.text.get(at) {
                None => return self.fail_end(),
                Some(b'"') => break,
                Some(b'\\') => {}
                Some(_) => {
                    return self.fail_at("a control character in a string, which must be escaped", at);
                }
            }
            at += match self.text.get(at + 1) {
                None => return self.fail_end(),
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') => {
                    let digits = self.text[at + 2..].iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
                    if digits < 4 {
                        if at + 2 + digits == self.text.len() {
                            return self.fail_end();
                        }
                        return self.fail_at("not a JSON escape", at);
                    }
                    6
                }
                Some(_) => return self.fail_at("not a JSON escape", at),
            };
        }
        self.at = at + 1;
        Ok(())
    }
}
