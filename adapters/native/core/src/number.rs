//! Numbers: reading them as they are written, exactly.

use crate::json::Fail;
use crate::limits::MAX_EXACT_INTEGER;
use crate::schema::Kind;

/// A JSON number.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    pub text: &'a [u8],
    /// Whether it is written without a fraction and an exponent.
    pub integer: bool,
    pub negative: bool,
    /// The digits of an integer, if they are below 2^64.
    magnitude: Option<u64>,
}

/// An integer of this many characters and more is kept as it is written.
const LONG: usize = 20;

impl<'a> Number<'a> {
    /// The number at a place, and the place after it. The byte there is a digit or a minus sign.
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
        let mut integer = true;
        if text.get(at) == Some(&b'.') {
            integer = false;
            at = many_digits(text, at + 1)?;
        }
        if matches!(text.get(at), Some(b'e' | b'E')) {
            integer = false;
            at += 1;
            at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
            at = many_digits(text, at)?;
        }
        // Nineteen digits are below 2^64.
        let magnitude = if digits < LONG {
            Some(magnitude)
        } else {
            std::str::from_utf8(&text[first..first + digits]).ok().and_then(|digits| digits.parse().ok())
        };
        Ok((Number { text: &text[start..at], integer, negative, magnitude }, at))
    }

    /// The double that the number is. `None` for an integer that a double may round, and for what overflows one.
    #[inline]
    pub fn double(&self) -> Option<f64> {
        if !self.integer {
            let double = parse_double(self.text);
            return double.is_finite().then_some(double);
        }
        match self.magnitude {
            Some(magnitude) if self.text.len() < LONG && magnitude <= MAX_EXACT_INTEGER => {
                let double = magnitude as f64;
                Some(if self.negative && magnitude != 0 { -double } else { double })
            }
            _ => None,
        }
    }

    /// The integer that the number is, as sign and magnitude: any written as one, or a double up to 2^53 but minus zero.
    #[inline]
    fn integral(&self) -> Option<(bool, u64)> {
        if self.integer {
            return self.magnitude.map(|magnitude| (self.negative, magnitude));
        }
        let double = self.double()?;
        let whole = double.abs() <= MAX_EXACT_INTEGER as f64 && double.fract() == 0.0;
        (whole && !(double == 0.0 && double.is_sign_negative())).then_some((double < 0.0, double.abs() as u64))
    }

    /// The varint of the number in a field of an integer kind, if it is in its range.
    #[inline]
    pub fn varint(&self, kind: Kind) -> Option<u64> {
        let (negative, magnitude) = self.integral()?;
        let (most, least) = match kind {
            Kind::Int32 => (i32::MAX as u64, 1 << 31),
            Kind::Int64 => (i64::MAX as u64, 1 << 63),
            Kind::Uint32 => (u64::from(u32::MAX), 0),
            _ => (u64::MAX, 0),
        };
        if negative {
            (magnitude <= least).then_some(magnitude.wrapping_neg())
        } else {
            (magnitude <= most).then_some(magnitude)
        }
    }

    /// The number as a byte.
    pub fn byte(&self) -> Option<u8> {
        let (negative, magnitude) = self.integral()?;
        if negative && magnitude != 0 { None } else { u8::try_from(magnitude).ok() }
    }

    /// The text of the number as it is kept: an integer below twenty characters as an integer, another as it is.
    #[inline]
    pub fn kept(&self) -> &'a [u8] {
        if self.text == b"-0" { b"0" } else { self.text }
    }
}

fn many_digits(text: &[u8], mut at: usize) -> Result<usize, Fail> {
    let start = at;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at == start { Err(Fail::Malformed) } else { Ok(at) }
}

/// The double nearest to a JSON number.
fn parse_double(text: &[u8]) -> f64 {
    exact_double(text).unwrap_or_else(|| {
        let text = std::str::from_utf8(text).unwrap_or_default();
        text.parse().unwrap_or(f64::NAN)
    })
}

/// Clinger's quick case: up to 2^53 times a power of ten that a double holds exactly, so that one rounding is all.
#[inline]
fn exact_double(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    let negative = text[0] == b'-';
    let mut mantissa = 0u64;
    let mut digits = 0;
    let mut scale = 0i32;
    let mut point = false;
    let mut at = usize::from(negative);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                digits += u32::from(mantissa != 0);
                scale -= i32::from(point);
            }
            b'.' => point = true,
            _ => {
                let exponent = &text[at + 1..];
                if exponent.len() > 5 {
                    return None;
                }
                scale += std::str::from_utf8(exponent).ok()?.parse::<i32>().ok()?;
                break;
            }
        }
        at += 1;
    }
    if digits > 19 || mantissa > MAX_EXACT_INTEGER {
        return None;
    }
    let power = POWERS.get(scale.unsigned_abs() as usize)?;
    let double = if scale < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    Some(if negative { -double } else { double })
}
