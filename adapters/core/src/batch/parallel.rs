//! Several threads working on shares of an input, with results in the order of the shares.
//!
//! Each thread takes the next share when it is free, so that none waits long for another in the end.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The results of all shares in order: `size` bytes at the start of some memory, then those that had no room in it.
#[derive(Debug, Default)]
pub struct Written {
    pub size: usize,
    pub overflow: Vec<Vec<u8>>,
}

/// Write a copy of bytes into memory of the same size.
pub fn write_copy(memory: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    // SAFETY: these are initialized bytes, seen as a type whose bytes need not be.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<MaybeUninit<u8>>(), bytes.len()) };
    memory.copy_from_slice(bytes);
}

/// Memory that is filled in the order of the shares, whatever order their results come in. A result is copied by the
/// thread that made it, while it is in that processor's caches, or by a thread that made an earlier one.
struct OrderedMemory<'a> {
    rest: &'a mut [MaybeUninit<u8>],
    written: Written,
    /// The index of the share that is to be written next, and the results that came before their turn.
    next: usize,
    early: HashMap<usize, Vec<u8>>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Write the result of a share, or keep it until its turn comes. Return an empty buffer.
fn write_in_order(memory: &Mutex<OrderedMemory<'_>>, share: usize, bytes: Vec<u8>) -> Vec<u8> {
    let mut ready = Vec::new();
    let mut now = lock(memory);
    now.early.insert(share, bytes);
    let mut next = now.next;
    while let Some(bytes) = now.early.remove(&next) {
        next += 1;
        if now.written.overflow.is_empty() && bytes.len() <= now.rest.len() {
            let (room, rest) = std::mem::take(&mut now.rest).split_at_mut(bytes.len());
            now.rest = rest;
            now.written.size += bytes.len();
            ready.push((room, bytes));
        } else {
            now.written.overflow.push(bytes);
        }
    }
    now.next = next;
    drop(now);
    let done = ready.into_iter().map(|(room, mut bytes)| {
        write_copy(room, &bytes);
        bytes.clear();
        bytes
    });
    let mut done: Vec<Vec<u8>> = done.collect();
    let mut now = lock(memory);
    now.spare.append(&mut done);
    now.spare.pop().unwrap_or_default()
}

/// Call workers as `map_shares` does, and write the bytes that they append in order, into memory as far as there is
/// room.
pub fn map_shares_to_memory<S, T, E, W>(
    shares: impl Iterator<Item = S> + Send,
    threads: usize,
    memory: &mut [MaybeUninit<u8>],
    worker: impl Fn() -> W + Sync,
) -> Result<(Written, Vec<T>), E>
where
    T: Send,
    E: Send,
    W: FnMut(usize, S, &mut Vec<u8>) -> Result<T, E>,
{
    let memory = Mutex::new(OrderedMemory {
        rest: memory,
        written: Written::default(),
        next: 0,
        early: HashMap::new(),
        spare: Vec::new(),
    });
    let found = map_shares(shares, threads, || {
        let (mut work, mut buffer) = (worker(), Vec::new());
        let memory = &memory;
        move |at, share| {
            let made = work(at, share, &mut buffer)?;
            buffer = write_in_order(memory, at, std::mem::take(&mut buffer));
            Ok(made)
        }
    });
    let made = found.into_iter().collect::<Result<Vec<_>, E>>()?;
    Ok((memory.into_inner().unwrap_or_else(PoisonError::into_inner).written, made))
}

/// Call a worker with the index of each share and the share. Each of the threads makes a worker of its own. Results are
/// in the order of the shares; those after an error may be missing.
pub fn map_shares<S, T, E, W>(
    shares: impl Iterator<Item = S> + Send,
    threads: usize,
    worker: impl Fn() -> W + Sync,
) -> Vec<Result<T, E>>
where
    T: Send,
    E: Send,
    W: FnMut(usize, S) -> Result<T, E>,
{
    let shares = Mutex::new(shares.enumerate());
    let failed = AtomicBool::new(false);
    let found = Mutex::new(Vec::new());
    let run = || {
        let mut work = worker();
        // Shares before one that failed are taken already; those after it are not needed.
        while !failed.load(Ordering::Relaxed) {
            let share = lock(&shares).next();
            let Some((at, share)) = share else { return };
            let result = work(at, share);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            lock(&found).push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|&(at, _)| at);
    found.into_iter().map(|(_, result)| result).collect()
}
