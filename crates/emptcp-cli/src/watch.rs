//! Shows a result repeatedly, until Ctrl-C or until the instance is removed.

use crate::{document::Document, session::Session};
use anyhow::{Context, Result};
use clap::Args;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::{self, IsTerminal, Write},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

/// `--watch`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Watch {
    /// Repeat every SECONDS seconds, with rates, until Ctrl-C or until the instance is removed; with --json: one
    /// object per line
    #[arg(long, value_name = "SECONDS")]
    watch: Option<Seconds>,
}

/// A time of at least a tenth of a second, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds: f64 = text
            .parse()
            .map_err(|_| "expected a number of seconds, such as 1 or 0.5".to_owned())?;
        if (0.1..=86_400.0).contains(&seconds) {
            Ok(Self(Duration::from_secs_f64(seconds)))
        } else {
            Err("expected 0.1 to 86400 seconds".to_owned())
        }
    }
}

impl Watch {
    /// Whether the result is shown repeatedly.
    pub(crate) fn is_on(&self) -> bool {
        self.watch.is_some()
    }

    /// Calls `show` once, or at every interval.
    pub(crate) fn run(&self, session: &Session, mut show: impl FnMut() -> Result<Frame>) -> Result<()> {
        let Some(Seconds(period)) = self.watch else {
            return match show()? {
                Frame::Text(text) => Ok(session.print(&text)?),
                Frame::Json(document) => {
                    session.print_document(&*document, true)?;
                    // The process ends: to free a hundred thousand records takes a tenth of its time.
                    std::mem::forget(document);
                    Ok(())
                }
            };
        };
        end_on_signal()?;
        let clear = if io::stdout().is_terminal() {
            "\x1b[H\x1b[2J"
        } else {
            ""
        };
        let mut shown = false;
        loop {
            let frame = match show() {
                Err(error) if shown && is_removed(session, &error) => {
                    say_removed();
                    return Ok(());
                }
                frame => frame?,
            };
            shown = true;
            match frame {
                Frame::Text(text) if clear.is_empty() => session.print(&format!("{text}\n"))?,
                Frame::Text(text) => {
                    // Written directly: the filter of colours would remove it.
                    session.print_raw(clear)?;
                    session.print(&text)?;
                }
                Frame::Json(document) => session.print_document(&*document, false)?,
            }
            thread::sleep(period);
        }
    }
}

/// How long a removal may take, from the first step that a reader notices.
const REMOVAL: Duration = Duration::from_secs(2);

/// Whether reading failed because the instance was or is being removed: its parts are removed one by one.
pub(crate) fn is_removed(session: &Session, error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<emptcp::Error>();
    if error.is_some_and(emptcp::Error::is_nothing_in_force) {
        return true;
    }
    let patience = Instant::now() + REMOVAL;
    loop {
        match session.instance().and_then(|instance| instance.is_in_force()) {
            Ok(false) => return true,
            Err(_) if Instant::now() < patience => thread::sleep(Duration::from_millis(20)),
            _ => return false,
        }
    }
}

/// Says why the output ends. It is no failure: there is nothing more to watch.
pub(crate) fn say_removed() {
    // Failures to write to stderr cannot be reported.
    let _ = writeln!(io::stderr(), "the instance was removed");
}

/// What is shown.
pub(crate) enum Frame {
    /// As text.
    Text(String),
    /// As JSON.
    Json(Box<dyn Document>),
}

/// Ctrl-C and SIGTERM end this process with success, between two lines of output.
pub(crate) fn end_on_signal() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("wait for Ctrl-C")?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // A reader that does not read must not block the exit: then the line is cut.
            let line = thread::spawn(|| drop(io::stdout().lock()));
            for _ in 0..20 {
                if line.is_finished() {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
            std::process::exit(0);
        }
    });
    Ok(())
}
