//! What a scan needs of a processor.

/// The vector instructions of a processor. A value of a set is the proof that the processor has it.
///
/// Functions that look for bytes *mark* those that they find: they set the highest bit of each and clear it in all others.
pub trait InstructionSet: Copy {
    type Vector: Copy;

    /// Bytes of a vector, which divide 32.
    const SIZE: usize;

    fn name(self) -> &'static str;

    /// Return the bytes from an address on.
    ///
    /// # Safety
    ///
    /// `SIZE` bytes may be read there.
    unsafe fn load(self, from: *const u8) -> Self::Vector;

    /// Mark the bytes that are equal to a byte.
    fn equal_to(self, bytes: Self::Vector, byte: u8) -> Self::Vector;

    /// Mark the bytes that are equal in both vectors.
    fn equal(self, first: Self::Vector, second: Self::Vector) -> Self::Vector;

    /// Mark the bytes below 0x20 or above 0x7f.
    fn control_or_high(self, bytes: Self::Vector) -> Self::Vector;

    fn or(self, first: Self::Vector, second: Self::Vector) -> Self::Vector;

    /// Return the highest bit of each byte, that of the first byte lowest.
    fn mask(self, marks: Self::Vector) -> u64;

    /// Return whether the highest bit of a byte is set.
    #[inline(always)]
    fn any(self, marks: Self::Vector) -> bool {
        self.mask(marks) != 0
    }
}
