//! The limits of both engines. `chatpb/_limits.py` says what each is for.

pub const MAX_DEPTH: usize = 200;
pub const MAX_STRUCT_DEPTH: usize = 24;
pub const MAX_GROUP_DEPTH: usize = 100;
pub const MAX_SIZE: usize = (1 << 31) - 1;
pub const MAX_EXACT_INTEGER: u64 = 1 << 53;
pub const MAX_EXPANDED: usize = 256 << 20;
pub const MAX_VIOLATIONS: usize = 1000;
pub const MAX_VIOLATION_PATHS: usize = 1 << 20;

/// Bytes of the largest buffer that is kept from one document to the next. Only this engine has this limit.
pub const MAX_KEPT_BUFFER: usize = 1 << 20;
