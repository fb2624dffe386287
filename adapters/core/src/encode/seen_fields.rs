//! The fields of a message that are encoded so far: which came, in which order, and which are held back.

use crate::json::member_names::NamesMark;
use crate::wire::member_order::Ascent;
use crate::wire::write::TagWord;

/// Where the fields of a number start and stop in the output.
#[derive(Debug, Clone, Copy, Default)]
pub struct FieldSpan {
    pub start: usize,
    pub stop: usize,
}

/// The spans of fields, by their numbers.
#[derive(Debug)]
pub struct FieldSpans(pub [FieldSpan; 64]);

impl Default for FieldSpans {
    fn default() -> FieldSpans {
        FieldSpans([FieldSpan::default(); 64])
    }
}

/// A field that is held back.
#[derive(Debug, Clone, Copy)]
pub struct DeferredField {
    pub bit: u64,
    /// The fields that came before it.
    pub before: u64,
    pub tag: TagWord,
    /// An integer, the number of an enum, or the size of a string.
    pub value: u64,
    /// The index of a string in the text.
    pub text: Option<usize>,
}

/// What was there before the first open member of a message: the sizes of the buffers that open members are added to.
#[derive(Debug, Clone, Copy)]
pub struct OpenMark {
    pub names: NamesMark,
    pub additional: usize,
    pub verbatim: usize,
    pub entry_starts: usize,
    pub verbatim_starts: usize,
    pub orders: usize,
}

/// The fields of a message that were seen, most of them as bits by number.
#[derive(Debug)]
pub struct SeenFields {
    /// Where the message starts in the output.
    pub base: usize,
    /// The nesting level of the message.
    pub depth: usize,
    /// The members that came, whatever home they have; set at the end of the message.
    pub members: u64,
    /// The fields that are in the output.
    pub present: u64,
    /// Whether one of them came after one of a higher number.
    pub out_of_order: bool,
    /// The fields that are held back.
    pub deferred: u64,
    pub empty: u64,
    pub null: u64,
    /// The names of open members.
    pub open_names: Ascent,
    /// Set once the message has an open member.
    pub open: Option<OpenMark>,
}

impl SeenFields {
    pub fn new(base: usize, depth: usize) -> SeenFields {
        SeenFields {
            base,
            depth,
            members: 0,
            present: 0,
            out_of_order: false,
            deferred: 0,
            open_names: Ascent::default(),
            empty: 0,
            null: 0,
            open: None,
        }
    }

    /// Return the number of fields that are held back.
    pub fn deferred_count(&self) -> usize {
        self.deferred.count_ones() as usize
    }

    /// Note that a field was written to the output.
    #[inline(always)]
    pub fn add(&mut self, bit: u64) {
        self.out_of_order |= self.present >= bit;
        self.present |= bit;
    }
}
