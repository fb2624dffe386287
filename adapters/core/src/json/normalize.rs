//! JSON text in normal or canonical form.
//!
//! - In normal form it has no whitespace, and escapes only where RFC 8259 requires them; numbers keep their spelling.
//! - In canonical form members are also sorted by name, and a number takes the one spelling that its double
//!   prints in, unless it is written as an integer.

use crate::json::fail::Fail;
use crate::json::kind::JsonKind;
use crate::json::member_names::{MemberName, MemberNames};
use crate::json::print_number::print_double;
use crate::json::strings::{quote, quote_lone, unescape};
use crate::json::tokenizer::{RawString, Tokenizer};
use crate::limits::MAX_DEPTH;

/// Append the normal form of the text of one JSON value, which is UTF-8. Return its levels of nesting, or `None` if it
/// is no JSON value.
pub fn normalize(text: &[u8], nonfinite: bool, names: &mut MemberNames, out: &mut Vec<u8>) -> Option<usize> {
    let mut tokenizer = Tokenizer { text, at: 0, nonfinite, valid: true };
    names.clear();
    tokenizer.skip_space();
    let deepest = append(&mut tokenizer, names, false, 0, out).ok()?;
    tokenizer.skip_space();
    (tokenizer.at == text.len()).then_some(deepest)
}

/// Append the value at a tokenizer, inside a container of a level of nesting, in normal or canonical form. Return the
/// deepest level reached.
pub fn append(
    tokenizer: &mut Tokenizer,
    names: &mut MemberNames,
    canonical: bool,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<usize, Fail> {
    let copied = tokenizer.at;
    let mut normalizer = Normalizer { tokenizer, names, canonical, deepest: 0, copied, out };
    normalizer.value(depth)?;
    normalizer.copy(normalizer.tokenizer.at);
    Ok(normalizer.deepest)
}

/// Appends values of a text to a buffer. Most are in their form already, so the text is copied in runs, each up to the
/// next place that is not.
struct Normalizer<'p, 'a> {
    tokenizer: &'p mut Tokenizer<'a>,
    names: &'p mut MemberNames,
    canonical: bool,
    /// The deepest level of nesting reached.
    deepest: usize,
    /// The index of the text up to which it is appended.
    copied: usize,
    out: &'p mut Vec<u8>,
}

impl Normalizer<'_, '_> {
    /// Append the text up to an index.
    fn copy(&mut self, stop: usize) {
        self.out.extend_from_slice(&self.tokenizer.text[self.copied..stop]);
        self.copied = stop;
    }

    /// Append other text for that between an index and the tokenizer.
    fn replace(&mut self, start: usize, other: &[u8]) {
        self.copy(start);
        self.out.extend_from_slice(other);
        self.copied = self.tokenizer.at;
    }

    /// Append the value that starts here, inside a container of a level of nesting.
    fn value(&mut self, depth: usize) -> Result<(), Fail> {
        let start = self.tokenizer.at;
        match self.tokenizer.kind()? {
            None => {}
            Some(JsonKind::String) => {
                let raw = self.tokenizer.string()?;
                if raw.escaped {
                    self.escaped_string(raw)?;
                }
            }
            Some(JsonKind::Number) => {
                let number = self.tokenizer.number()?;
                match number.exact_double() {
                    Some(double) if self.canonical && !number.is_integer => {
                        self.copy(start);
                        print_double(double, self.out);
                        self.copied = self.tokenizer.at;
                    }
                    _ if number.kept().len() < number.text.len() => self.replace(start, number.kept()),
                    _ => {}
                }
            }
            // They have one spelling.
            Some(JsonKind::Nonfinite) => _ = self.tokenizer.nonfinite()?,
            Some(JsonKind::Bool) => _ = self.tokenizer.bool()?,
            Some(kind @ (JsonKind::Object | JsonKind::Array)) => {
                if depth == MAX_DEPTH {
                    return Err(Fail::Malformed);
                }
                self.deepest = self.deepest.max(depth + 1);
                self.tokenizer.at += 1;
                match kind {
                    JsonKind::Object => self.object(depth + 1)?,
                    _ => self.array(depth + 1)?,
                }
            }
        }
        Ok(())
    }

    /// Append a string that was read and has escapes.
    fn escaped_string(&mut self, raw: RawString) -> Result<(), Fail> {
        let mark = self.names.mark();
        let start = self.names.arena.len();
        let lone = unescape(&self.tokenizer.text[raw.start..raw.stop], &mut self.names.arena)?;
        self.copy(raw.start - 1);
        let print = if lone { quote_lone } else { quote };
        print(&self.names.arena[start..], self.out);
        self.copied = self.tokenizer.at;
        self.names.reset(mark);
        Ok(())
    }

    /// Step into a container whose opening bracket was read. Return whether it has no entries.
    fn is_closed(&mut self, closing: u8) -> bool {
        let bracket = self.tokenizer.at - 1;
        let closed = self.tokenizer.is_closed(closing);
        if self.tokenizer.at > bracket + 1 + usize::from(closed) {
            self.replace(bracket + 1, &[closing][..usize::from(closed)]);
        }
        closed
    }

    /// Step over what follows an entry. Return whether it is a comma, and not the closing bracket.
    fn more(&mut self, closing: u8) -> Result<bool, Fail> {
        let stop = self.tokenizer.at;
        let more = self.tokenizer.more(closing)?;
        if self.tokenizer.at > stop + 1 {
            self.replace(stop, &[if more { b',' } else { closing }]);
        }
        Ok(more)
    }

    fn array(&mut self, depth: usize) -> Result<(), Fail> {
        if !self.is_closed(b']') {
            loop {
                self.value(depth)?;
                if !self.more(b']')? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Fail> {
        let mark = self.names.mark();
        let mut starts = Vec::new();
        if self.canonical {
            self.copy(self.tokenizer.at);
        }
        let base = self.out.len().wrapping_sub(1);
        if !self.is_closed(b'}') {
            loop {
                let quote_at = self.tokenizer.at;
                let name = self.tokenizer.name(self.names)?;
                self.names.list.push(name);
                if self.canonical {
                    self.copy(quote_at);
                    starts.push((name, self.out.len()));
                }
                if name.is_decoded() {
                    self.copy(quote_at);
                    let bytes = self.names.bytes(self.tokenizer.text, name);
                    let print = if name.is_lone() { quote_lone } else { quote };
                    print(bytes, self.out);
                    self.out.push(b':');
                    self.copied = self.tokenizer.at;
                } else if self.tokenizer.at > name.stop() + 2 {
                    self.replace(name.stop() + 1, b":");
                }
                self.value(depth)?;
                if !self.more(b'}')? {
                    break;
                }
            }
        }
        if starts.len() > 1 {
            self.copy(self.tokenizer.at);
            self.sort_members(&starts, base);
        }
        self.names.close(self.tokenizer.text, mark)
    }

    /// Sort the members of the object that `out` has from `base` on, by name. `starts` are their names and where they
    /// start.
    fn sort_members(&mut self, starts: &[(MemberName, usize)], base: usize) {
        let (text, out) = (self.tokenizer.text, &mut *self.out);
        // A member stops where the comma or the bracket before the next one starts.
        let mut members: Vec<_> = (0..starts.len())
            .map(|at| (starts[at].0, starts[at].1, starts.get(at + 1).map_or(out.len(), |next| next.1) - 1))
            .collect();
        members.sort_by(|a, b| self.names.bytes(text, a.0).cmp(self.names.bytes(text, b.0)));
        let before = out[base..].to_vec();
        out.truncate(base + 1);
        for (_, start, stop) in members {
            out.extend_from_slice(&before[start - base..stop - base]);
            out.push(b',');
        }
        out.pop();
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str, canonical: bool) -> String {
        let mut tokenizer = Tokenizer { text: text.as_bytes(), at: 0, nonfinite: true, valid: true };
        let (mut names, mut out) = (MemberNames::default(), b"before".to_vec());
        append(&mut tokenizer, &mut names, canonical, 0, &mut out).expect(text);
        assert_eq!(tokenizer.at, text.len());
        String::from_utf8(out.split_off(6)).expect("UTF-8")
    }

    #[test]
    fn what_is_not_normal_is_replaced_wherever_it_stands() {
        let normal = r#"{"b":[1.50,-0.0,null,true,NaN,{}],"a\n":{"":[],"x":"é\\"},"c":[[0]]}"#;
        assert_eq!(form(normal, false), normal);
        // Spaces after every token that ends with a bracket, a colon or a comma.
        for (at, byte) in normal.bytes().enumerate().take(normal.len() - 1) {
            if b"{}[]:,".contains(&byte) {
                assert_eq!(form(&format!("{} \n{}", &normal[..=at], &normal[at + 1..]), false), normal);
            }
        }
        for (text, normal) in [
            ("-0", "0"),
            ("[ ]", "[]"),
            ("{ }", "{}"),
            (r#"{ "\u0061" : "\/\u00e9" , "b" : -0 }"#, r#"{"a":"/é","b":0}"#),
            (r#"["\ud83d",{"\ud83d":1}]"#, r#"["\ud83d",{"\ud83d":1}]"#),
        ] {
            assert_eq!(form(text, false), normal);
        }
    }

    #[test]
    fn canonical_members_are_sorted_at_every_level() {
        let text = r#"[{"b": 1.50 ,"a":{"d":[ 2 ],"\u0063":{}}}, {"z":1,"y":{}}]"#;
        assert_eq!(form(text, true), r#"[{"a":{"c":{},"d":[2]},"b":1.5},{"y":{},"z":1}]"#);
    }
}
