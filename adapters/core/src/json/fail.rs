//! The two ways in which reading a value fails.

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// The text is wrong somewhere; `check` says what is wrong, and where.
    Malformed,
    /// The field that was tried cannot hold the value exactly.
    DoesNotFit,
}
