//! The errors of both directions, with the content of those in `chatpb/_errors.py`.

/// Text that is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// JSON Pointer of the value being read.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in code points, from 1.
    pub column: usize,
    /// Offset in bytes of UTF-8, from 0.
    pub offset: usize,
    pub reason: String,
}

/// Bytes that are not a valid protobuf encoding, or hold what JSON cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// JSON Pointer of the message being read.
    pub path: String,
    /// Offset in bytes of the field that is wrong, from 0.
    pub offset: usize,
    pub reason: String,
}

/// One way in which a message breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer of the member.
    pub path: String,
    /// The id of the broken rule.
    pub rule: &'static str,
    /// What is wrong, in words. It names types and members, but never a value.
    pub message: String,
}
