//! Standard base64 with padding (RFC 4648, section 4), in the one spelling that its bytes have.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut at = 0;
    while at < 64 {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// Write the bytes that a text stands for. `None` if it is not the base64 text of any bytes.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let body = text.len() - text.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let (quads, tail) = text[..body].as_chunks::<4>();
    out.reserve(quads.len() * 3 + 2);
    for quad in quads {
        let [a, b, c, d] = quad.map(|byte| VALUES[usize::from(byte)]);
        if (a | b | c | d) & 0x80 != 0 {
            return None;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    let value = |at: usize| tail.get(at).map_or(0, |&byte| VALUES[usize::from(byte)]);
    let (a, b, c) = (value(0), value(1), value(2));
    if (a | b | c) & 0x80 != 0 {
        return None;
    }
    match tail.len() {
        0 => {}
        2 if b & 15 == 0 => out.push(a << 2 | b >> 4),
        3 if c & 3 == 0 => out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]),
        _ => return None,
    }
    Some(())
}

/// Write the text of bytes.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() / 3 * 4 + 4);
    let digit = |bits: u32| ALPHABET[(bits & 63) as usize];
    let (triples, tail) = bytes.as_chunks::<3>();
    for &[a, b, c] in triples {
        let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        out.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)]);
    }
    match *tail {
        [a] => out.extend_from_slice(&[digit(u32::from(a) >> 2), digit(u32::from(a) << 4), b'=', b'=']),
        [a, b] => {
            let bits = u32::from(a) << 8 | u32::from(b);
            out.extend_from_slice(&[digit(bits >> 10), digit(bits >> 4), digit(bits << 2), b'=']);
        }
        _ => {}
    }
}
