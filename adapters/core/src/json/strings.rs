//! Strings of JSON text: escapes decoded, and written where RFC 8259 requires them.
//!
//! A decoded string is UTF-8, except that a lone surrogate takes the three bytes that UTF-8's scheme would give it.

use crate::json::fail::Fail;
use crate::scan::find_special;

/// Decode the inside of a string and append it to `out`. Return whether it has a lone surrogate.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<bool, Fail> {
    let (stop, lone) = unescape_until_quote(raw, 0, out, &mut false)?;
    if stop < raw.len() { Err(Fail::Malformed) } else { Ok(lone) }
}

/// Decode a string from an index inside it to its closing quote, or to the end of the text, and append it to `out`.
/// Return the index reached, and whether there was a lone surrogate. Set `high` if a byte of the text is not ASCII.
#[inline]
pub fn unescape_until_quote(
    raw: &[u8],
    mut at: usize,
    out: &mut Vec<u8>,
    high: &mut bool,
) -> Result<(usize, bool), Fail> {
    let mut lone = false;
    loop {
        let start = at;
        at = find_special(raw, at, high);
        out.extend_from_slice(&raw[start..at]);
        match raw.get(at) {
            Some(b'\\') => {}
            Some(b'"') | None => return Ok((at, lone)),
            Some(_) => return Err(Fail::Malformed),
        }
        let escape = *raw.get(at + 1).ok_or(Fail::Malformed)?;
        at += 2;
        let byte = DECODED_ESCAPES[usize::from(escape)];
        if byte != 0 {
            out.push(byte);
            continue;
        }
        if escape != b'u' {
            return Err(Fail::Malformed);
        }
        let mut code = hex(raw, at).ok_or(Fail::Malformed)?;
        at += 4;
        if (0xd800..0xdc00).contains(&code)
            && raw.get(at) == Some(&b'\\')
            && raw.get(at + 1) == Some(&b'u')
            && let Some(low @ 0xdc00..0xe000) = hex(raw, at + 2)
        {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
        lone |= (0xd800..0xe000).contains(&code);
        push_code(code, out);
    }
}

/// The byte that an escape of one character stands for, by that character; 0 for all others.
pub const DECODED_ESCAPES: [u8; 256] = {
    let mut decoded = [0; 256];
    let pairs = *b"n\n\"\"\\\\//t\tr\rb\x08f\x0c";
    let mut at = 0;
    while at < pairs.len() {
        decoded[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    decoded
};

/// Return the number that four hexadecimal digits stand for.
fn hex(raw: &[u8], at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
}

/// Append a code point as UTF-8 encodes it, or a surrogate in the same scheme.
fn push_code(code: u32, out: &mut Vec<u8>) {
    let tail = |shift: u32| (code >> shift & 0x3f) as u8 | 0x80;
    match code {
        0..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend_from_slice(&[(code >> 6) as u8 | 0xc0, tail(0)]),
        0x800..0x10000 => out.extend_from_slice(&[(code >> 12) as u8 | 0xe0, tail(6), tail(0)]),
        _ => out.extend_from_slice(&[(code >> 18) as u8 | 0xf0, tail(12), tail(6), tail(0)]),
    }
}

/// Append the JSON text of a decoded string without lone surrogates.
#[inline]
pub fn quote(string: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    quote_inside(string, out);
    out.push(b'"');
}

/// Append the JSON text of a decoded string without lone surrogates, and the byte that follows it. This is faster than
/// `quote` for short strings, most of which are plain.
#[inline(always)]
pub fn quote_and(string: &[u8], after: u8, out: &mut Vec<u8>) {
    let plain = match string.len() {
        32.. => None,
        16.. => Halves::<16>::of(string).map(|halves| halves.put(after, out)),
        8.. => Halves::<8>::of(string).map(|halves| halves.put(after, out)),
        4.. => Halves::<4>::of(string).map(|halves| halves.put(after, out)),
        2.. => Halves::<2>::of(string).map(|halves| halves.put(after, out)),
        _ => Halves::<1>::of(string).map(|halves| halves.put(after, out)),
    };
    if plain != Some(true) {
        quote_long(string, after, out);
    }
}

/// Append the JSON text of a string, and a byte: span by span, since what must be escaped in a long one is far between.
#[inline(never)]
fn quote_long(string: &[u8], after: u8, out: &mut Vec<u8>) {
    out.reserve(string.len() + 16);
    out.push(b'"');
    let mut at = 0;
    loop {
        let stop = find_special(string, at, &mut false);
        out.extend_from_slice(&string[at..stop]);
        let Some(&byte) = string.get(stop) else { break };
        escape(byte, out);
        at = stop + 1;
    }
    out.extend_from_slice(&[b'"', after]);
}

/// The first and the last bytes of a string, which together are all of it.
struct Halves<'a, const SIZE: usize> {
    first: &'a [u8; SIZE],
    last: &'a [u8; SIZE],
    size: usize,
}

impl<'a, const SIZE: usize> Halves<'a, SIZE> {
    /// Return those of a string of at least SIZE bytes and at most twice as many.
    #[inline(always)]
    fn of(string: &'a [u8]) -> Option<Self> {
        let (first, last) = (string.first_chunk()?, string.last_chunk()?);
        (string.len() <= 2 * SIZE).then_some(Halves { first, last, size: string.len() })
    }

    /// Append the string in quotes, and a byte, if no byte of it must be escaped. Return whether that is so.
    #[inline(always)]
    fn put(&self, after: u8, out: &mut Vec<u8>) -> bool {
        // All are looked at, without a jump, so that the compiler takes them at once.
        let special = |any, &byte: &u8| any | (byte < 0x20) | (byte == b'"') | (byte == b'\\');
        if self.first.iter().fold(false, special) | self.last.iter().fold(false, special) {
            return false;
        }
        out.reserve(2 * SIZE + 3);
        // SAFETY: there is room for `size` bytes, which are at least SIZE and at most twice as many, and three more. All of
        // them are written before they count.
        unsafe {
            let start = out.as_mut_ptr().add(out.len());
            start.write(b'"');
            start.add(1).cast::<[u8; SIZE]>().write_unaligned(*self.first);
            start.add(1 + self.size - SIZE).cast::<[u8; SIZE]>().write_unaligned(*self.last);
            start.add(1 + self.size).write(b'"');
            start.add(2 + self.size).write(after);
            out.set_len(out.len() + self.size + 3);
        }
        true
    }
}

/// Append what stands between the quotes of that text.
#[inline]
fn quote_inside(string: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    loop {
        let start = at;
        at = find_special(string, at, &mut false);
        out.extend_from_slice(&string[start..at]);
        if at == string.len() {
            return;
        }
        escape(string[at], out);
        at += 1;
    }
}

/// Append the escape of a quote, a backslash or a control character.
#[inline]
fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'\n' => b'n',
        b'"' | b'\\' => byte,
        b'\t' => b't',
        b'\r' => b'r',
        8 => b'b',
        12 => b'f',
        _ => 0,
    };
    match short {
        1.. => out.extend_from_slice(&[b'\\', short]),
        0 => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

/// Append the JSON text of a decoded string that has lone surrogates, each as an escape.
pub fn quote_lone(string: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = string;
    // 0xED before a byte above 0x9F starts a surrogate, and nothing else.
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xed && pair[1] > 0x9f) {
        quote_inside(&rest[..at], out);
        let code = 0xd000 | u32::from(rest[at + 1] & 0x3f) << 6 | u32::from(rest[at + 2] & 0x3f);
        out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
        rest = &rest[at + 3..];
    }
    quote_inside(rest, out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever byte stands wherever in a string of whatever length, the text is that of `quote`.
    #[test]
    fn both_ways_to_quote_agree() {
        for size in (0..80).step_by(if cfg!(miri) { 33 } else { 1 }) {
            for place in 0..size.max(1) {
                for byte in [b'a', b'"', b'\\', 0, 0x1f, b' ', 0x7f, 0x80, 0xff] {
                    let mut string = vec![b'x'; size];
                    if let Some(at) = string.get_mut(place) {
                        *at = byte;
                    }
                    let (mut one, mut other) = (b"[".to_vec(), b"[".to_vec());
                    one.shrink_to_fit();
                    quote_and(&string, b',', &mut one);
                    quote(&string, &mut other);
                    other.push(b',');
                    assert_eq!(one, other);
                }
            }
        }
    }
}
