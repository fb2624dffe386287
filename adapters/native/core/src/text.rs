//! JSON text printed anew: whitespace removed, as few escapes as may be, the spelling of numbers kept.

use crate::digits::print_double;
use crate::json::{Cursor, Fail, Names, Raw};
use crate::limits::MAX_DEPTH;

use crate::schema::Json;
use crate::strings::{quote, quote_lone, unescape};

/// Prints values at the end of a buffer.
pub struct TextPrinter<'p, 'a> {
    pub cursor: &'p mut Cursor<'a>,
    pub names: &'p mut Names,
    /// Whether members are sorted by name, and numbers take the one spelling that their double prints in.
    pub canonical: bool,
    /// The deepest level of nesting reached.
    pub deepest: usize,
}

impl TextPrinter<'_, '_> {
    /// Print the value that starts at the cursor, inside a container of a level of nesting.
    pub fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Fail> {
        let Some(kind) = self.cursor.kind()? else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        match kind {
            Json::String => {
                let raw = self.cursor.string()?;
                self.string(raw, out)
            }
            Json::Number => {
                let number = self.cursor.number()?;
                match number.double() {
                    Some(double) if self.canonical && !number.integer => print_double(double, out),
                    _ => out.extend_from_slice(number.kept()),
                }
                Ok(())
            }
            Json::Nonfinite => {
                print_double(self.cursor.nonfinite()?, out);
                Ok(())
            }
            Json::Bool => {
                let text: &[u8] = if self.cursor.bool()? { b"true" } else { b"false" };
                out.extend_from_slice(text);
                Ok(())
            }
            Json::Object | Json::Array => {
                if depth == MAX_DEPTH {
                    return Err(Fail::Malformed);
                }
                self.deepest = self.deepest.max(depth + 1);
                self.cursor.at += 1;
                match kind {
                    Json::Object => self.object(out, depth + 1),
                    _ => self.array(out, depth + 1),
                }
            }
        }
    }

    fn string(&mut self, raw: Raw, out: &mut Vec<u8>) -> Result<(), Fail> {
        if !raw.escaped {
            out.extend_from_slice(&self.cursor.text[raw.start - 1..=raw.stop]);
            return Ok(());
        }
        let mark = self.names.mark();
        let start = self.names.arena.len();
        let lone = unescape(&self.cursor.text[raw.start..raw.stop], &mut self.names.arena)?;
        let print = if lone { quote_lone } else { quote };
        print(&self.names.arena[start..], out);
        self.names.reset(mark);
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Fail> {
        out.push(b'[');
        if !self.cursor.is_closed(b']') {
            loop {
                self.value(out, depth)?;
                if !self.cursor.more(b']')? {
                    break;
                }
                out.push(b',');
            }
        }
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), Fail> {
        let mark = self.names.mark();
        let base = out.len();
        let mut starts = Vec::new();
        out.push(b'{');
        if !self.cursor.is_closed(b'}') {
            loop {
                let name = self.cursor.name(self.names)?;
                self.names.list.push(name);
                if self.canonical {
                    starts.push((name, out.len()));
                }
                let bytes = self.names.bytes(self.cursor.text, name);
                if name.lone {
                    quote_lone(bytes, out);
                } else {
                    quote(bytes, out);
                }
                out.push(b':');
                self.value(out, depth)?;
                if !self.cursor.more(b'}')? {
                    break;
                }
                out.push(b',');
            }
        }
        out.push(b'}');
        if starts.len() > 1 {
            let text = self.cursor.text;
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
        self.names.close(self.cursor.text, mark)
    }
}
