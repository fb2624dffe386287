//! Wire bytes as a tree of messages, from which they are printed exactly.

pub mod message;
pub mod read;
pub mod read_struct;
