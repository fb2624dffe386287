//! Exact checks of JSON text: what is wrong with it, and where.
//!
//! The encoder only notices that a text is wrong. Then this reads it again, token by token from the start. The rules
//! are those of `chatpb/_json/check.py`, in the same order.

use crate::error::JsonError;
use crate::json::number::Number;
use crate::json::pointer::push_pointer;
use crate::json::strings::unescape;
use crate::limits::{MAX_DEPTH, MAX_SIZE};
use crate::scan::find_special;
use std::collections::HashSet;

/// Return the first thing wrong with a document as an error. `surrogates` is whether the text came as code points with
/// surrogates among them.
pub fn check_document(text: &[u8], nonfinite: bool, surrogates: bool) -> Result<(), JsonError> {
    if let Err(error) = std::str::from_utf8(text) {
        let reason = if surrogates { "a lone surrogate, which UTF-8 cannot encode" } else { "invalid UTF-8" };
        return Err(error_at(text, error.valid_up_to(), String::new(), reason));
    }
    if text.len() > MAX_SIZE {
        let reason = format!("a document of more than {MAX_SIZE} bytes");
        return Err(JsonError { path: String::new(), line: 1, column: 1, offset: 0, reason });
    }
    Checker::new(text, nonfinite, true).run()
}

/// Return the first thing wrong with the text of one value inside a message as an error. The text is UTF-8.
pub fn check_value(text: &[u8], nonfinite: bool) -> Result<(), JsonError> {
    Checker::new(text, nonfinite, false).run()
}

/// Return the error for a value that an envelope of a name has no field for, given the index of the value in the text of
/// a document, in which nothing else is wrong.
pub fn no_home(text: &[u8], at: usize, envelope: &str) -> JsonError {
    let reason = format!(
        "{envelope} has no field for this value, and lacks the fields that hold any member (docs/contracts.md)"
    );
    let stop = Some((at, reason));
    match (Checker { stop, ..Checker::new(text, true, true) }).run() {
        Err(error) => error,
        Ok(()) => unreachable!("no value is there"),
    }
}

/// Return an error at an offset of a text that is UTF-8 up to there.
fn error_at(text: &[u8], offset: usize, path: String, reason: &str) -> JsonError {
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

/// The name or index of the current entry of an open container; `None` before its first entry and between entries.
enum Key {
    None,
    Name(Vec<u8>),
    Index(usize),
}

/// An array or an object that is not closed yet.
struct Container {
    /// The names seen; `None` for an array.
    names: Option<HashSet<Vec<u8>>>,
    key: Key,
}

struct Checker<'a> {
    text: &'a [u8],
    nonfinite: bool,
    /// Whether the text is a whole document, which is an object.
    whole: bool,
    at: usize,
    open: Vec<Container>,
    /// Where a value stands that is an error, and the reason.
    stop: Option<(usize, String)>,
}

type Checked<T> = Result<T, JsonError>;

impl<'a> Checker<'a> {
    fn new(text: &'a [u8], nonfinite: bool, whole: bool) -> Checker<'a> {
        let at = if whole && text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Checker { text, nonfinite, whole, at, open: Vec::new(), stop: None }
    }

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
        Err(error_at(self.text, at, path, reason))
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

    fn innermost(&mut self) -> &mut Container {
        self.open.last_mut().expect("a container is open")
    }

    fn closing(&mut self) -> u8 {
        if self.innermost().names.is_some() { b'}' } else { b']' }
    }

    /// Read what follows an opening bracket: the closing one, or the first entry.
    fn first(&mut self) -> Checked<()> {
        self.skip_space();
        let closing = self.closing();
        if self.peek()? == closing {
            self.close();
            return Ok(());
        }
        self.entry(Key::None)
    }

    /// Read what follows an entry: the closing bracket, or a comma and the next entry.
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
        match &self.stop {
            Some((at, reason)) if *at == self.at => self.fail(reason),
            _ => self.value(),
        }
    }

    /// Read a scalar whole, or open a container.
    fn value(&mut self) -> Checked<()> {
        let byte = self.peek()?;
        if matches!(byte, b'{' | b'[') {
            if self.open.len() == MAX_DEPTH {
                return self.fail(&format!("nesting deeper than {MAX_DEPTH} levels"));
            }
            self.at += 1;
            self.open.push(Container { names: (byte == b'{').then(HashSet::new), key: Key::None });
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

    /// Return the length of the word that stands here, if it is one of the words given.
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

    /// Read a number: the longest run of the characters of numbers.
    fn number(&mut self) -> Checked<()> {
        let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let length = self.text[self.at..].iter().take_while(|byte| is_part(byte)).count();
        let stop = self.at + length;
        if stop == self.text.len() && self.whole {
            return self.fail_end();
        }
        match Number::read(self.text, self.at) {
            Ok((_, end)) if end == stop => self.at = stop,
            _ => return self.fail("not a JSON number"),
        }
        Ok(())
    }

    fn string(&mut self) -> Checked<()> {
        let mut at = self.at + 1;
        loop {
            at = find_special(self.text, at, &mut false);
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
