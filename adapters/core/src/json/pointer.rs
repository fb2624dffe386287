//! JSON Pointers (RFC 6901), which say where in a document something is.

/// Append a name to a JSON Pointer. A lone surrogate, three bytes that start with 0xED, shows as U+FFFD.
pub fn push_pointer(path: &mut String, name: &[u8]) {
    path.push('/');
    if let Ok(text) = std::str::from_utf8(name)
        && !text.contains(['~', '/'])
    {
        return path.push_str(text);
    }
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
