//! Many captures, on several threads.

use super::{Scored, Tally};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Captures that one thread takes at a time.
const BATCH: u64 = 20;

impl Tally {
    /// Scores the captures of these seeds. The result does not depend on the number of threads. `progress` is told how
    /// many are done, from any thread.
    ///
    /// # Panics
    /// When the analysis of a capture does.
    #[must_use]
    pub fn of(seeds: Range<u64>, threads: usize, progress: impl Fn(u64) + Sync) -> Self {
        let next = AtomicU64::new(seeds.start);
        let done = AtomicU64::new(0);
        let parts = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let first = next.fetch_add(BATCH, Ordering::Relaxed);
                        if first >= seeds.end {
                            return;
                        }
                        let mut part = Self::default();
                        for seed in first..seeds.end.min(first + BATCH) {
                            part.add(&Scored::new(seed));
                            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                        }
                        parts
                            .lock()
                            .expect("no thread panics with the lock")
                            .push((first, part));
                    }
                });
            }
        });
        let mut parts = parts.into_inner().expect("no thread panics with the lock");
        parts.sort_by_key(|(first, _)| *first);
        let mut sum = Self::default();
        parts.into_iter().for_each(|(_, part)| sum.merge(part));
        sum
    }
}
