//! How many tests ran, read from the summary lines of cargo-nextest and of Rust's own test runner.

use std::fmt;
use std::ops::AddAssign;

/// Tests that ran to an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Tests that ran.
    pub(crate) fn total(self) -> u64 {
        self.passed + self.failed
    }

    /// What one line of a runner's output adds; `None` when it is no summary line.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let line = anstream::adapter::strip_str(line).to_string();
        let line = line.trim();
        let counts = if let Some(rest) = line.strip_prefix("test result: ") {
            // test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
            rest.split_once(". ")?.1.split(';').collect::<Vec<_>>()
        } else if line.starts_with("Summary [") {
            // Summary [   1.204s] 14 tests run: 12 passed (1 slow), 1 failed, 1 timed out, 3 skipped
            line.split_once("run: ")?.1.split(',').collect()
        } else {
            return None;
        };
        let mut tally = Self::default();
        for count in counts {
            let Some((number, what)) = count.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else { continue };
            if what.starts_with("passed") {
                tally.passed += number;
            } else if ["failed", "timed out", "exec failed"]
                .iter()
                .any(|bad| what.starts_with(bad))
            {
                tally.failed += number;
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The line that closes `cargo xtask test`.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Option<Tally> {
        Some(Tally { passed, failed })
    }

    #[test]
    fn the_summary_of_the_standard_runner_is_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s";
        assert_eq!(Tally::of_line(line), tally(12, 3));
        let line = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(Tally::of_line(line), tally(0, 0));
    }

    #[test]
    fn the_summary_of_nextest_is_read_in_colour_and_in_plain() {
        assert_eq!(
            Tally::of_line("     Summary [   0.004s] 3 tests run: 3 passed, 0 skipped"),
            tally(3, 0)
        );
        assert_eq!(
            Tally::of_line("     Summary [   0.004s] 1 test run: 1 passed, 9 skipped"),
            tally(1, 0)
        );
        let coloured = "\x1b[32;1m     Summary\x1b[0m [   0.5s] \x1b[1m2/9\x1b[0m tests run: \x1b[1m1\x1b[0m \
                        \x1b[32;1mpassed\x1b[0m (1 slow), \x1b[1m1\x1b[0m \x1b[31;1mfailed\x1b[0m, 4 skipped";
        assert_eq!(Tally::of_line(coloured), tally(1, 1));
    }

    #[test]
    fn a_test_that_timed_out_or_could_not_start_has_failed() {
        let line = "Summary [ 9.0s] 6 tests run: 3 passed, 1 failed, 1 timed out, 1 exec failed, 2 skipped";
        assert_eq!(Tally::of_line(line), tally(3, 3));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Tally::of_line("running 3 tests"), None);
        assert_eq!(Tally::of_line("test tests::it_passed ... ok"), None);
    }
}
