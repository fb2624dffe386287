//! What an encoder guesses of a document from those before it. A wrong guess costs only time.

use crate::limits::MAX_STRUCT_DEPTH;
use crate::schema::Schema;
use std::cell::Cell;

/// The place before the first member of a message, among the indices of members.
pub const START: u8 = 62;
/// The place of a member that the message type does not have. As an index it is of a member that matches no text.
pub const UNKNOWN: u8 = 63;

/// The place of a string in an open value, among the places of fields.
pub const OPEN_STRING: u32 = 0;

/// The guesses for a schema.
#[derive(Debug)]
pub struct Guesses {
    /// By index of the message type.
    pub messages: Box<[MessageGuesses]>,
    /// By index of the enum: the index of its value that came last.
    pub enums: Box<[Cell<u8>]>,
    /// By place of the field: the number of bytes that the length of its payload took last time.
    widths: Box<[Cell<u8>]>,
    /// By level of the container in an open value: the number of bytes that the length of its payload took last time.
    pub open_widths: [Cell<u8>; MAX_STRUCT_DEPTH],
}

#[derive(Debug, Clone)]
pub struct MessageGuesses {
    /// By index of a member, `START` and `UNKNOWN` among them: the index of the member that comes after it.
    after: [Cell<u8>; 64],
    /// The bits of the fields that come before a field of a lower number.
    pub to_defer: Cell<u64>,
}

impl Guesses {
    pub fn new(schema: &Schema) -> Guesses {
        // At first, members are expected in number order.
        let after = std::array::from_fn(|index| Cell::new(if index < START.into() { index as u8 + 1 } else { 0 }));
        let message = MessageGuesses { after, to_defer: Cell::new(0) };
        let fields = schema.messages.iter().map(|message| message.fields.len()).sum::<usize>();
        Guesses {
            messages: vec![message; schema.messages.len()].into(),
            enums: vec![Cell::new(0); schema.enums.len()].into(),
            widths: vec![Cell::new(1); 1 + fields].into(),
            open_widths: std::array::from_fn(|_| Cell::new(1)),
        }
    }

    /// Return the number of bytes that the length of a field's payload took last time, by the field's place.
    #[inline(always)]
    pub fn width(&self, place: u32) -> &Cell<u8> {
        &self.widths[place as usize]
    }
}

impl MessageGuesses {
    /// Return the index of the member that came after another last time.
    #[inline(always)]
    pub fn after(&self, member: u8) -> &Cell<u8> {
        &self.after[usize::from(member & 63)]
    }
}
