//! Short texts that the encoder expects next, such as `"name":` or the string of an enum.

/// A text of at most 32 bytes, laid out so that one comparison of 32 bytes finds it.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Token {
    /// The text, with zeros after it.
    pub bytes: [u8; 32],
    /// A bit for each byte after the text, where anything matches.
    pub behind: u32,
    pub size: u8,
}

impl Token {
    /// A token that matches no text: it begins with a zero, which the texts compared never do.
    pub const NONE: Token = Token { bytes: [0; 32], behind: 0xffff_fffe, size: 0 };

    /// The token of a text; `NONE` for a text of more than 32 bytes.
    pub fn new(text: &[u8]) -> Token {
        let mut token = Token::NONE;
        if text.len() <= 32 {
            token.bytes[..text.len()].copy_from_slice(text);
            token.behind = (u64::MAX << text.len()) as u32;
            token.size = text.len() as u8;
        }
        token
    }
}
