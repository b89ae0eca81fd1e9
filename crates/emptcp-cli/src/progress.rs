//! One line on a terminal while something takes long.

use std::{
    io::{self, IsTerminal, Write},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Work that is quicker than this shows no line.
const SHORT: Duration = Duration::from_millis(300);

/// Does `work`. If stderr is a terminal, shows there what it is and how long it has taken so far.
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
                // A failure to show the line is ignored.
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
