//! One line on a terminal while something takes long.

use std::{
    io::{self, IsTerminal, Write},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// What is quicker than this needs no line.
const SHORT: Duration = Duration::from_millis(300);

/// Does `work`; says on stderr what it is and how long it has taken so far, when a person looks on.
pub(crate) fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let started = Instant::now();
            let mut shown = false;
            while is_done.recv_timeout(SHORT) == Err(RecvTimeoutError::Timeout) {
                // A line that cannot be shown is no reason to stop.
                let _ = write!(io::stderr(), "\r{what}: {:.1} s", started.elapsed().as_secs_f32());
                shown = true;
            }
            if shown {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        let result = work();
        drop(done);
        result
    })
}
