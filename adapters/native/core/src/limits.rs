//! The limits that both engines keep. `chatpb/_limits.py` says what each is for.

pub const MAX_DEPTH: usize = 200;
pub const MAX_STRUCT_DEPTH: usize = 24;
pub const MAX_GROUP_DEPTH: usize = 100;
pub const MAX_SIZE: usize = (1 << 31) - 1;
pub const MAX_EXACT_INTEGER: u64 = 1 << 53;
pub const MAX_EXPANDED: usize = 256 << 20;

/// Buffers that are kept from one document to the next are not larger.
pub const KEPT: usize = 1 << 20;
