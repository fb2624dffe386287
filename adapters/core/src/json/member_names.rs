//! The names of members in the objects that are open, kept to find duplicates.

use crate::json::fail::Fail;
use crate::limits::MAX_SIZE;

/// The name of a member: a span of the text, or of the arena of decoded names.
///
/// It is one word, so that it stays in a register. The places of a text of at most `MAX_SIZE` bytes leave the highest bits
/// free, which are flags.
#[derive(Debug, Clone, Copy)]
pub struct MemberName {
    start: u32,
    stop: u32,
}

const FLAG: u32 = 1 << 31;
const _: () = assert!(MAX_SIZE < FLAG as usize);

impl MemberName {
    /// A name without escapes, between two indices of the text.
    #[inline(always)]
    pub fn in_text(start: usize, stop: usize) -> MemberName {
        MemberName { start: start as u32, stop: stop as u32 }
    }

    /// A name that had escapes, between two indices of the arena. `lone` is whether it has a lone surrogate.
    pub fn in_arena(start: usize, stop: usize, lone: bool) -> MemberName {
        MemberName { start: start as u32 | FLAG, stop: stop as u32 | if lone { FLAG } else { 0 } }
    }

    #[inline(always)]
    pub fn is_decoded(self) -> bool {
        self.start & FLAG != 0
    }

    /// Return whether the name has a lone surrogate.
    #[inline(always)]
    pub fn is_lone(self) -> bool {
        self.stop & FLAG != 0
    }

    #[inline(always)]
    pub fn start(self) -> usize {
        (self.start & !FLAG) as usize
    }

    #[inline(always)]
    pub fn stop(self) -> usize {
        (self.stop & !FLAG) as usize
    }

    #[inline(always)]
    pub fn size(self) -> usize {
        self.stop() - self.start()
    }
}

/// The names in the objects that are open, those of the innermost object last.
#[derive(Debug, Default)]
pub struct MemberNames {
    pub list: Vec<MemberName>,
    /// The bytes of the names that had escapes.
    pub arena: Vec<u8>,
}

/// The lengths of `MemberNames` at some time, to return to.
#[derive(Debug, Clone, Copy)]
pub struct NamesMark {
    list: usize,
    arena: usize,
}

impl MemberNames {
    pub fn clear(&mut self) {
        self.list.clear();
        self.arena.clear();
    }

    pub fn mark(&self) -> NamesMark {
        NamesMark { list: self.list.len(), arena: self.arena.len() }
    }

    /// Return the names since a mark.
    pub fn since(&self, mark: NamesMark) -> &[MemberName] {
        &self.list[mark.list..]
    }

    /// Forget the names since a mark.
    pub fn reset(&mut self, mark: NamesMark) {
        self.list.truncate(mark.list);
        self.arena.truncate(mark.arena);
    }

    #[inline]
    pub fn bytes<'b>(&'b self, text: &'b [u8], name: MemberName) -> &'b [u8] {
        &self.source(text, name)[name.start()..name.stop()]
    }

    /// Return what a name is a span of: the text or the arena.
    #[inline]
    pub fn source<'b>(&'b self, text: &'b [u8], name: MemberName) -> &'b [u8] {
        if name.is_decoded() { &self.arena } else { text }
    }

    /// Forget the names since a mark. Fail if two of them are equal.
    #[inline(always)]
    pub fn close(&mut self, text: &[u8], mark: NamesMark) -> Result<(), Fail> {
        if self.list.len() == mark.list {
            return Ok(());
        }
        self.close_some(text, mark)
    }

    fn close_some(&mut self, text: &[u8], mark: NamesMark) -> Result<(), Fail> {
        let names = &self.list[mark.list..];
        let duplicate = names.len() > 1 && self.has_duplicate(text, names);
        self.reset(mark);
        if duplicate { Err(Fail::Malformed) } else { Ok(()) }
    }

    fn has_duplicate(&self, text: &[u8], names: &[MemberName]) -> bool {
        if names.len() <= 12 {
            let same =
                |a: MemberName, b: MemberName| a.size() == b.size() && self.bytes(text, a) == self.bytes(text, b);
            return (1..names.len()).any(|at| names[..at].iter().any(|&other| same(other, names[at])));
        }
        let mut sorted: Vec<&[u8]> = names.iter().map(|&name| self.bytes(text, name)).collect();
        sorted.sort_unstable();
        sorted.windows(2).any(|pair| pair[0] == pair[1])
    }
}
