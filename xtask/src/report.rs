//! Messages of `cargo xtask`. Everything goes to standard error, so that standard output has only the results of a step
//! (a table, a line of JSON).

use std::time::{Duration, Instant};

use anstream::eprintln;
use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const QUIET: Style = Style::new().dimmed();

/// Runs `work` under a heading and says how long it took.
pub(crate) fn section<T>(name: &str, about: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    heading(name, about);
    let started = Instant::now();
    let result = work();
    let elapsed = seconds(started.elapsed());
    match &result {
        Ok(_) => eprintln!("{GOOD}-- {name}: done in {elapsed}{GOOD:#}"),
        Err(_) => eprintln!("{BAD}-- {name}: failed after {elapsed}{BAD:#}"),
    }
    result
}

/// A line that opens a step.
pub(crate) fn heading(name: &str, about: &str) {
    eprintln!("\n{BOLD}== {name}{BOLD:#}: {about}");
}

/// A command that is about to run, as one could type it.
pub(crate) fn command(line: &str) {
    eprintln!("{QUIET}$ {line}{QUIET:#}");
}

/// A note that is no failure.
pub(crate) fn note(text: &str) {
    eprintln!("   {text}");
}

/// The error that ends the program, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("\n{BAD}error{BAD:#}: {error:#}");
}

/// A duration as a person reads it: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_a_person_would_say_it() {
        assert_eq!(seconds(Duration::from_millis(440)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(59)), "59 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
    }
}
