//! The live table: one line a second, with a bar for each path.

use std::time::Duration;

use crate::script::{PATH_RATE, Phase};

/// Characters of a full bar.
const WIDTH: usize = 24;

/// The line above the table.
pub(crate) fn head() -> String {
    let path = |number: u32| format!("{:<1$}", format!("path {number}, Mbit/s"), WIDTH + 8);
    format!("{:>7}  {}{}{:>6}", "second", path(1), path(2), "both")
}

/// One line: `seconds` since the transfer began, and the rates since the line before, in Mbit/s.
pub(crate) fn line(seconds: f64, rates: [f64; 2]) -> String {
    let [one, two] = rates.map(|rate| format!("{} {rate:>5.1}  ", bar(rate)));
    format!("{seconds:>7.0}  {one}{two}{:>6.1}", rates[0] + rates[1])
}

/// The line that opens a phase.
pub(crate) fn event(phase: Phase) -> String {
    format!("{:>6.0}s  {}", phase.start(), phase.title())
}

/// The policies that have just been put in force, without former ones.
pub(crate) fn applied(policies: &[&str], took: Duration) -> String {
    let text = policies.last().map_or("", |newest| newest.trim_end());
    let lines = text.lines().map(|line| format!("         | {line}\n"));
    format!(
        "{}         applied in {} ms",
        lines.collect::<String>(),
        took.as_millis()
    )
}

/// The line that says that no policy is in force any more.
pub(crate) fn removed() -> String {
    "         removed".to_owned()
}

/// A bar that is full at the rate of a path, to an eighth of a character.
fn bar(rate: f64) -> String {
    let eighths = (rate / PATH_RATE as f64).clamp(0.0, 1.0) * (WIDTH * 8) as f64;
    let eighths = eighths.round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(" ▏▎▍▌▋▊▉".chars().nth(eighths % 8).filter(|last| *last != ' '));
    format!("{bar:<WIDTH$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_the_rate_is_high_and_always_as_wide() {
        let full = PATH_RATE as f64;
        assert_eq!(bar(0.0), " ".repeat(WIDTH));
        assert_eq!(bar(full), "█".repeat(WIDTH));
        assert_eq!(bar(2.0 * full), "█".repeat(WIDTH));
        assert_eq!(bar(full / 2.0).trim_end(), "█".repeat(WIDTH / 2));
        assert_eq!(bar(full / 192.0).trim_end(), "▏");
        assert_eq!(bar(full / 3.1).chars().count(), WIDTH);
    }

    #[test]
    fn every_line_is_as_wide_as_the_head() {
        let width = head().chars().count();
        assert_eq!(line(1.0, [0.0, 19.4]).chars().count(), width);
        assert_eq!(line(35.0, [19.9, 4.0]).chars().count(), width);
    }
}
