//! Strings of JSON text: decoding escapes, and writing as few of them as RFC 8259 allows.
//!
//! A decoded string is UTF-8, but for lone surrogates, which are kept in the three bytes that UTF-8's scheme gives them.

use crate::json::Fail;
use crate::out::{put_plain, put_word};

/// Decode the inside of a string that has no control characters, at the end of `out`. True if it has a lone surrogate.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<bool, Fail> {
    let (stop, lone) = unescape_until_quote(raw, 0, out, &mut false)?;
    if stop < raw.len() { Err(Fail::Malformed) } else { Ok(lone) }
}

/// Decode a string from a place in it to its closing quote, or to the end of the text, at the end of `out`. Returns that
/// place, and whether there was a lone surrogate. Sets `high` if a byte is not ASCII.
#[inline]
pub fn unescape_until_quote(
    raw: &[u8],
    mut at: usize,
    out: &mut Vec<u8>,
    high: &mut bool,
) -> Result<(usize, bool), Fail> {
    let mut lone = false;
    loop {
        at = put_plain(out, raw, at, raw.len(), high);
        match raw.get(at) {
            Some(b'\\') => {}
            Some(b'"') | None => return Ok((at, lone)),
            Some(_) => return Err(Fail::Malformed),
        }
        let escape = *raw.get(at + 1).ok_or(Fail::Malformed)?;
        at += 2;
        let byte = DECODED[usize::from(escape)];
        if byte != 0 {
            put_word(out, u64::from(byte), 1);
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

/// The byte that an escape of one character stands for, by that character.
pub const DECODED: [u8; 256] = {
    let mut decoded = [0; 256];
    let pairs = *b"n\n\"\"\\\\//t\tr\rb\x08f\x0c";
    let mut at = 0;
    while at < pairs.len() {
        decoded[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    decoded
};

fn hex(raw: &[u8], at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
}

/// A code point, surrogates too.
fn push_code(code: u32, out: &mut Vec<u8>) {
    let tail = |shift: u32| (code >> shift & 0x3f) as u8 | 0x80;
    match code {
        0..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend_from_slice(&[(code >> 6) as u8 | 0xc0, tail(0)]),
        0x800..0x10000 => out.extend_from_slice(&[(code >> 12) as u8 | 0xe0, tail(6), tail(0)]),
        _ => out.extend_from_slice(&[(code >> 18) as u8 | 0xf0, tail(12), tail(6), tail(0)]),
    }
}

/// The JSON text of a decoded string without lone surrogates.
#[inline]
pub fn quote(string: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    quote_inside(string, out, &mut false);
    out.push(b'"');
}

/// What stands between the quotes. Sets `high` if a byte is not ASCII.
#[inline]
pub fn quote_inside(string: &[u8], out: &mut Vec<u8>, high: &mut bool) {
    quote_span(string, 0, string.len(), out, high);
}

/// The same for a span of what surrounds the string, which is read in whole blocks.
#[inline(always)]
pub fn quote_span(source: &[u8], mut at: usize, stop: usize, out: &mut Vec<u8>, high: &mut bool) {
    loop {
        at = put_plain(out, source, at, stop, high);
        if at >= stop {
            return;
        }
        escape(source[at], out);
        at += 1;
    }
}

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
        1.. => put_word(out, u64::from(b'\\') | u64::from(short) << 8, 2),
        0 => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

/// The JSON text of a decoded string that has lone surrogates: an escape for each.
pub fn quote_lone(string: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = string;
    // 0xED before a byte above 0x9F starts a surrogate, and nothing else.
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xed && pair[1] > 0x9f) {
        quote_inside(&rest[..at], out, &mut false);
        let code = 0xd000 | u32::from(rest[at + 1] & 0x3f) << 6 | u32::from(rest[at + 2] & 0x3f);
        out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
        rest = &rest[at + 3..];
    }
    quote_inside(rest, out, &mut false);
    out.push(b'"');
}
