//! Progress bar and Ctrl-C while captures are read.

use emptcp_trace::source::Files;
use emptcp_trace::{Error, Next, Result, Source};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Commands that take less time show no bar.
const SHORT: Duration = Duration::from_millis(400);
/// Packets between two updates of the bar.
const STEP: u64 = 2048;

/// The bar of one command, shared by all its readers.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    packets: Arc<AtomicU64>,
    began: Instant,
    shown: bool,
}

impl Bar {
    /// A bar for this many bytes, if the number is known. It is shown when the command takes long and stderr is a
    /// terminal, unless `quiet` is set.
    pub(crate) fn new(bytes: Option<u64>, quiet: bool) -> Self {
        let packets = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        let template = match bytes {
            Some(_) => "{bar:30} {percent} % of {decimal_total_bytes}, {packets}, {eta} left",
            None => "{spinner} {decimal_bytes}, {packets}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            let packets = Arc::clone(&packets);
            let style = style.with_key("packets", move |_: &_, out: &mut dyn std::fmt::Write| {
                let packets = packets.load(Ordering::Relaxed) as f64;
                let rate = packets / began.elapsed().as_secs_f64().max(1e-3);
                // A bar that cannot be drawn must not stop the command.
                let _ = write!(out, "{:.2} M packets, {:.2} M/s", packets / 1e6, rate / 1e6);
            });
            bar.set_style(style);
        }
        let shown = !quiet && io::stderr().is_terminal();
        Self {
            bar,
            packets,
            began,
            shown,
        }
    }

    fn add(&self, bytes: u64, packets: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bar.inc(bytes);
        if self.shown && self.bar.is_hidden() && self.began.elapsed() > SHORT {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether the user has pressed Ctrl-C.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on, Ctrl-C and SIGTERM end the reading; a second one ends the program.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(crate) fn new() -> io::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        for (signal, code) in [(signal_hook::consts::SIGINT, 130), (signal_hook::consts::SIGTERM, 143)] {
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&pressed))?;
            signal_hook::flag::register(signal, Arc::clone(&pressed))?;
        }
        Ok(Self(pressed))
    }

    /// Ends the reading of all readers, as Ctrl-C does.
    pub(crate) fn press(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Files that advance the bar as they are read. Ctrl-C ends the standard input normally, because it cannot be read
/// again. For files it is an error, so that no incomplete output looks complete.
#[derive(Debug)]
pub(crate) struct Reading {
    files: Files,
    from_pipe: bool,
    bar: Bar,
    interrupt: Interrupt,
    until_step: u64,
    bytes: u64,
    packets: u64,
}

impl Reading {
    /// Reads these files.
    pub(crate) fn new(files: Files, bar: &Bar, interrupt: &Interrupt) -> Self {
        let from_pipe = files.progress().bytes_total.is_none();
        Self {
            files,
            from_pipe,
            bar: bar.clone(),
            interrupt: interrupt.clone(),
            until_step: STEP,
            bytes: 0,
            packets: 0,
        }
    }

    /// Whether one of the files is a pipe.
    pub(crate) fn is_from_pipe(&self) -> bool {
        self.from_pipe
    }

    #[cold]
    fn step(&mut self) {
        self.until_step = STEP;
        let progress = self.files.progress();
        self.bar.add(
            progress.bytes_read.saturating_sub(self.bytes),
            progress.packets.saturating_sub(self.packets),
        );
        (self.bytes, self.packets) = (progress.bytes_read, progress.packets);
    }

    #[cold]
    fn interrupted(&self) -> Result<Next<'static>> {
        if self.from_pipe {
            return Ok(Next::End);
        }
        Err(Error::Io {
            path: PathBuf::from(&*self.files.name()),
            source: io::Error::new(io::ErrorKind::Interrupted, "interrupted; no file was written"),
        })
    }
}

/// Whether an error is that of [`Reading`] at Ctrl-C.
pub(crate) fn is_interruption(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::Interrupted)
}

impl Source for Reading {
    #[inline]
    fn next(&mut self) -> Result<Next<'_>> {
        if self.interrupt.is_pressed() {
            return self.interrupted();
        }
        self.until_step -= 1;
        if self.until_step == 0 {
            self.step();
        }
        self.files.next()
    }

    fn name(&self) -> Arc<str> {
        self.files.name()
    }

    fn may_be_unordered(&self) -> bool {
        self.files.may_be_unordered()
    }
}
