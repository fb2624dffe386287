//! The fields that hold what the typed fields do not, alike in every message that mirrors a JSON object.

use crate::wire::{LEN, VARINT};

pub const MEMBER_ORDER: u32 = 12;
pub const EMPTY_FIELDS: u32 = 13;
pub const NULL_FIELDS: u32 = 14;
pub const ADDITIONAL_PROPERTIES: u32 = 15;
pub const VERBATIM_PROPERTIES: u32 = 16;

pub const MEMBER_ORDER_TAG: u32 = MEMBER_ORDER << 3 | LEN;
pub const EMPTY_FIELDS_TAG: u32 = EMPTY_FIELDS << 3 | VARINT;
pub const NULL_FIELDS_TAG: u32 = NULL_FIELDS << 3 | VARINT;
pub const ADDITIONAL_PROPERTIES_TAG: u32 = ADDITIONAL_PROPERTIES << 3 | LEN;
pub const VERBATIM_PROPERTIES_TAG: u32 = VERBATIM_PROPERTIES << 3 | LEN;
