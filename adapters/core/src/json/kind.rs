//! The kinds of JSON value.

/// The kind of a JSON value other than `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    String,
    Number,
    /// NaN or an infinity, which options allow.
    Nonfinite,
    Bool,
    Object,
    Array,
}

/// The kind of a value by its first byte, where one byte is enough to know it.
pub const KIND_BY_FIRST_BYTE: [Option<JsonKind>; 256] = {
    let mut kinds = [None; 256];
    kinds[b'"' as usize] = Some(JsonKind::String);
    kinds[b'{' as usize] = Some(JsonKind::Object);
    kinds[b'[' as usize] = Some(JsonKind::Array);
    kinds[b't' as usize] = Some(JsonKind::Bool);
    kinds[b'f' as usize] = Some(JsonKind::Bool);
    let mut digit = b'0';
    while digit <= b'9' {
        kinds[digit as usize] = Some(JsonKind::Number);
        digit += 1;
    }
    kinds
};
