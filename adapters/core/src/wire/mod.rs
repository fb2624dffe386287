//! The protobuf wire format: the wire types, and how fields are read and written.

pub mod member_order;
pub mod read;
pub mod struct_tags;
pub mod write;

pub const VARINT: u32 = 0;
pub const FIXED64: u32 = 1;
pub const LEN: u32 = 2;
pub const START_GROUP: u32 = 3;
pub const END_GROUP: u32 = 4;
pub const FIXED32: u32 = 5;
