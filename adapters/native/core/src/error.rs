//! The errors of both directions, with the same content as those of the Python engine.

/// Text that is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// JSON Pointer of the value being read.
    pub path: String,
    /// Line from 1.
    pub line: usize,
    /// Column in code points from 1.
    pub column: usize,
    /// Offset in bytes of UTF-8 from 0.
    pub offset: usize,
    pub reason: String,
}

/// Bytes that are not a valid protobuf encoding, or hold what JSON cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// JSON Pointer of the message being read.
    pub path: String,
    /// Offset in bytes of the field that is wrong.
    pub offset: usize,
    pub reason: String,
}

/// Append a name to a JSON Pointer (RFC 6901). A lone surrogate, three bytes that start with 0xED, shows as U+FFFD.
pub fn push_pointer(path: &mut String, name: &[u8]) {
    path.push('/');
    let mut rest = name;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        for char in valid.chars() {
            match char {
                '~' => path.push_str("~0"),
                '/' => path.push_str("~1"),
                _ => path.push(char),
            }
        }
        rest = &rest[valid.len()..];
        if !rest.is_empty() {
            path.push('\u{fffd}');
            rest = &rest[3.min(rest.len())..];
        }
    }
}
