//! Numbers of JSON text, read exactly.

use crate::json::fail::Fail;
use crate::limits::MAX_EXACT_INTEGER;

/// A JSON number as it is written.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    pub text: &'a [u8],
    /// Whether it is written without a fraction and an exponent.
    pub is_integer: bool,
    negative: bool,
    /// The digits before the fraction, if they are below 2^64.
    magnitude: Option<u64>,
}

impl<'a> Number<'a> {
    /// Read the number at an index. Return it and the index after it. The byte there is a digit or a minus sign.
    #[inline(always)]
    pub fn read(text: &'a [u8], start: usize) -> Result<(Number<'a>, usize), Fail> {
        let digit = |at: usize| text.get(at).map_or(10, |byte| byte.wrapping_sub(b'0'));
        let negative = text[start] == b'-';
        let first = start + usize::from(negative);
        let mut at = first;
        let mut magnitude = 0u64;
        loop {
            let digit = digit(at);
            if digit > 9 {
                break;
            }
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        let digits = at - first;
        if digits == 0 || (digits > 1 && text[first] == b'0') {
            return Err(Fail::Malformed);
        }
        let mut is_integer = true;
        if text.get(at) == Some(&b'.') {
            is_integer = false;
            at = skip_digits(text, at + 1)?;
        }
        if matches!(text.get(at), Some(b'e' | b'E')) {
            is_integer = false;
            at += 1;
            at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
            at = skip_digits(text, at)?;
        }
        // Nineteen digits are below 2^64.
        let magnitude = if digits < 20 {
            Some(magnitude)
        } else {
            std::str::from_utf8(&text[first..first + digits]).ok().and_then(|digits| digits.parse().ok())
        };
        Ok((Number { text: &text[start..at], is_integer, negative, magnitude }, at))
    }

    /// Return the double that the number is; `None` for an integer that a double may round, and for an overflow.
    #[inline]
    pub fn exact_double(&self) -> Option<f64> {
        if !self.is_integer {
            let double: f64 = std::str::from_utf8(self.text).ok()?.parse().ok()?;
            return double.is_finite().then_some(double);
        }
        match self.magnitude {
            Some(magnitude) if magnitude <= MAX_EXACT_INTEGER => {
                let double = magnitude as f64;
                Some(if self.negative && magnitude != 0 { -double } else { double })
            }
            _ => None,
        }
    }

    /// Return the integer that the number is, as whether it is negative and its magnitude. `None` for a number that is
    /// neither written as an integer nor a whole double of at most 2^53, and for minus zero written with a fraction or
    /// an exponent.
    #[inline]
    pub fn exact_integer(&self) -> Option<(bool, u64)> {
        if self.is_integer {
            return self.magnitude.map(|magnitude| (self.negative, magnitude));
        }
        let double = self.exact_double()?;
        let whole = double.abs() <= MAX_EXACT_INTEGER as f64 && double.fract() == 0.0;
        (whole && !(double == 0.0 && double.is_sign_negative())).then_some((double < 0.0, double.abs() as u64))
    }

    /// Return the text that is kept of the number: as it is written, but `0` for the integer `-0`.
    #[inline]
    pub fn kept(&self) -> &'a [u8] {
        if self.text == b"-0" { b"0" } else { self.text }
    }
}

fn skip_digits(text: &[u8], mut at: usize) -> Result<usize, Fail> {
    let start = at;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at == start { Err(Fail::Malformed) } else { Ok(at) }
}
