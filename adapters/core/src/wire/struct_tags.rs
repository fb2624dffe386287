//! The tags of a map's entry, and of google.protobuf.Struct, Value and ListValue. Each is one byte on the wire.

use crate::wire::{FIXED64, LEN, VARINT};

pub const ENTRY_KEY: u8 = 1 << 3 | LEN as u8;
pub const ENTRY_VALUE: u8 = 2 << 3 | LEN as u8;

pub const STRUCT_FIELDS: u8 = 1 << 3 | LEN as u8;
pub const LIST_VALUES: u8 = 1 << 3 | LEN as u8;

pub const NULL_VALUE: u8 = 1 << 3 | VARINT as u8;
pub const NUMBER_VALUE: u8 = 2 << 3 | FIXED64 as u8;
pub const STRING_VALUE: u8 = 3 << 3 | LEN as u8;
pub const BOOL_VALUE: u8 = 4 << 3 | VARINT as u8;
pub const STRUCT_VALUE: u8 = 5 << 3 | LEN as u8;
pub const LIST_VALUE: u8 = 6 << 3 | LEN as u8;
