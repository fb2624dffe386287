//! What callers hold: a state that one call at a time has, with what the last result points to.

use crate::result::{Code, Failure, Result};
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a panic may leave in any condition.
pub trait Recover {
    /// Put something usable in its place.
    fn recover(&mut self);
}

pub struct Exclusive<S> {
    /// Whether a call has the state.
    busy: AtomicBool,
    state: UnsafeCell<S>,
    failure: UnsafeCell<Option<Failure>>,
}

impl<S: Recover> Exclusive<S> {
    pub fn new(state: S) -> Self {
        Exclusive { busy: AtomicBool::new(false), state: UnsafeCell::new(state), failure: UnsafeCell::new(None) }
    }

    /// Do some work with the state, unless another thread has it. Return what became of it.
    pub fn call(&self, work: impl for<'a> FnOnce(&'a mut S) -> std::result::Result<&'a [u8], Failure>) -> Result {
        if self.busy.swap(true, Ordering::Acquire) {
            return Result { code: Code::Busy as u32, ..Result::default() };
        }
        // SAFETY: only the call that has set `busy` is here, until it clears it below.
        let (state, failure) = unsafe { (&mut *self.state.get(), &mut *self.failure.get()) };
        let done = catch_unwind(AssertUnwindSafe(|| work(state).map(Result::of_bytes)));
        let result = match done {
            Ok(Ok(result)) => result,
            Ok(Err(reason)) => Result::of_failure(failure.insert(reason)),
            Err(_) => {
                state.recover();
                Result::of_failure(failure.insert(Failure::defect()))
            }
        };
        self.busy.store(false, Ordering::Release);
        result
    }
}
