//! Work on shares of an input by several threads, with results in the order of the shares.

use crate::pages::write_copy;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was written for all shares, in order: bytes at the start of some memory, and those that had no room in it.
#[derive(Debug, Default)]
pub struct Written {
    pub size: usize,
    pub late: Vec<Vec<u8>>,
}

/// Memory that is filled in the order of the shares, whatever order they come in. Each is copied by the thread that made
/// it, while it is in that processor's caches, or by one that made one before it.
struct Filling<'a> {
    rest: &'a mut [MaybeUninit<u8>],
    written: Written,
    /// The share that is to be placed next, and those that came before their turn.
    next: usize,
    early: HashMap<usize, Vec<u8>>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Place what was made of a share. Returns an empty buffer.
fn place(filling: &Mutex<Filling<'_>>, share: usize, bytes: Vec<u8>) -> Vec<u8> {
    let mut ready = Vec::new();
    let mut now = lock(filling);
    now.early.insert(share, bytes);
    let mut next = now.next;
    while let Some(bytes) = now.early.remove(&next) {
        next += 1;
        if now.written.late.is_empty() && bytes.len() <= now.rest.len() {
            let (place, rest) = std::mem::take(&mut now.rest).split_at_mut(bytes.len());
            now.rest = rest;
            now.written.size += bytes.len();
            ready.push((place, bytes));
        } else {
            now.written.late.push(bytes);
        }
    }
    now.next = next;
    drop(now);
    let done = ready.into_iter().map(|(place, mut bytes)| {
        write_copy(place, &bytes);
        bytes.clear();
        bytes
    });
    let mut done: Vec<Vec<u8>> = done.collect();
    let mut now = lock(filling);
    now.spare.append(&mut done);
    now.spare.pop().unwrap_or_default()
}

/// Work on shares as `spread` does, and write what is made of them into memory, as far as there is room.
pub(crate) fn spread_bytes<S, T, E, W>(
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
    let filling = Mutex::new(Filling {
        rest: memory,
        written: Written::default(),
        next: 0,
        early: HashMap::new(),
        spare: Vec::new(),
    });
    let found = spread(shares, threads, || {
        let (mut work, mut buffer) = (worker(), Vec::new());
        let filling = &filling;
        move |at, share| {
            let made = work(at, share, &mut buffer)?;
            buffer = place(filling, at, std::mem::take(&mut buffer));
            Ok(made)
        }
    });
    let made = found.into_iter().collect::<Result<Vec<_>, E>>()?;
    Ok((filling.into_inner().unwrap_or_else(PoisonError::into_inner).written, made))
}

/// Work on shares with as many threads, each with a worker of its own, which is given how many shares come before.
/// Results are in the order of the shares; those after an error may be missing.
pub(crate) fn spread<S, T, E, W>(
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
