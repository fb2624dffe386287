//! The choice of an instruction set.
//!
//! `OWN` is the set that every processor has for which the core is compiled. The functions that take most of the time of
//! encoding and printing are compiled for it and for the widest set (`encode::compiled` and `print::compiled`), and each
//! document takes those of the widest set that the processor at hand has. Elsewhere, short texts are scanned with `OWN`,
//! without a call, and long ones go through `scan`, which takes the widest set. The environment variable CHATPB_SCAN names
//! another one, for tests.

#[cfg(target_arch = "x86_64")]
use crate::scan::avx2::Avx2;
use crate::scan::instruction_set::InstructionSet;
#[cfg(target_arch = "aarch64")]
pub use crate::scan::neon::Neon as OWN;
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
pub use crate::scan::portable::Portable as OWN;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use crate::scan::simd128::Simd128 as OWN;
#[cfg(target_arch = "x86_64")]
pub use crate::scan::sse2::Sse2 as OWN;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

/// A scan of a long text, written once for all instruction sets.
pub trait Scan {
    type Found;

    /// Scan with a set. It must be inlined to be compiled for the set.
    fn with(self, set: impl InstructionSet) -> Self::Found;
}

/// Scan with the widest instruction set of the processor.
pub fn scan<S: Scan>(scan: S) -> S::Found {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = avx2() {
        return avx2.call(|set| scan.with(set));
    }
    scan.with(OWN)
}

/// Return the name of the instruction set that `scan` uses.
pub fn instruction_set() -> &'static str {
    struct Name;
    impl Scan for Name {
        type Found = &'static str;

        fn with(self, set: impl InstructionSet) -> &'static str {
            set.name()
        }
    }
    scan(Name)
}

/// Return the names of the instruction sets that CHATPB_SCAN may name on this machine.
pub fn instruction_sets() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::detect() {
        return vec![avx2.name(), OWN.name()];
    }
    vec![OWN.name()]
}

/// Return AVX2 if the processor has it and it is not ruled out.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn avx2() -> Option<Avx2> {
    static CHOSEN: OnceLock<Option<Avx2>> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var_os("CHATPB_SCAN") {
        Some(name) if name == OWN.name() => None,
        _ => Avx2::detect(),
    })
}
