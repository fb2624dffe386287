//! Memory for a host's inputs. Only WebAssembly needs it, where a host cannot point the module to memory of its own.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::null_mut;

/// Of a block: results are laid out in one.
const ALIGNMENT: usize = 8;

/// Return a block of memory; null where there is none, and for a size of 0.
#[unsafe(no_mangle)]
pub extern "C" fn chatpb_alloc(size: usize) -> *mut u8 {
    match Layout::from_size_align(size, ALIGNMENT) {
        // SAFETY: the size is not 0.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

/// Free a block of `chatpb_alloc`, given its size. Null is no block.
///
/// # Safety
///
/// The block was not freed, and has this size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chatpb_free(block: *mut u8, size: usize) {
    if let (false, Ok(layout)) = (block.is_null(), Layout::from_size_align(size, ALIGNMENT)) {
        // SAFETY: by the contract.
        unsafe { dealloc(block, layout) };
    }
}
