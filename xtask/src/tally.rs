//! How many tests ran and which took longest, read from the output of cargo-nextest and of Rust's own test runner.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// Tests that are named as the slowest.
const SLOWEST: usize = 5;

/// Tests that ran to an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Those that took longest, the slowest first; only nextest reports times.
    pub(crate) slowest: Vec<Timed>,
}

/// A test and the time that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) time: Duration,
    pub(crate) name: String,
}

/// The output of one invocation of a runner so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    by_tests: Tally,
    by_nextest: Option<Tally>,
    times: Vec<Timed>,
}

impl Said {
    /// Reads one line of output.
    pub(crate) fn read(&mut self, line: &str) {
        let line = anstream::adapter::strip_str(line).to_string();
        if let Some(counted) = Tally::of_line(&line) {
            match line.trim().starts_with("Summary [") {
                true => *self.by_nextest.get_or_insert_default() += counted,
                false => self.by_tests += counted,
            }
        }
        self.times.extend(Timed::of_line(&line));
    }

    /// Adds the output of another stream of the same invocation.
    pub(crate) fn join(&mut self, other: Self) {
        self.by_tests += other.by_tests;
        if let Some(tally) = other.by_nextest {
            *self.by_nextest.get_or_insert_default() += tally;
        }
        self.times.extend(other.times);
    }

    /// The result. Under nextest each test is a program with a summary line of its own, which is shown again when it
    /// fails: then only nextest's summary counts.
    pub(crate) fn tally(self) -> Tally {
        let mut tally = self.by_nextest.unwrap_or(self.by_tests);
        tally += Tally {
            slowest: self.times,
            ..Tally::default()
        };
        tally
    }
}

impl Timed {
    /// `PASS [  12.345s] (1/9) package::program name of the test`.
    fn of_line(line: &str) -> Option<Self> {
        let (state, rest) = line.trim().split_once(" [")?;
        if !["PASS", "FAIL", "TIMEOUT"].contains(&state.trim()) {
            return None;
        }
        let (seconds, rest) = rest.split_once("s]")?;
        let rest = rest.trim();
        let name = match rest.strip_prefix('(') {
            Some(counted) => counted.split_once(')')?.1.trim(),
            None => rest,
        };
        Some(Self {
            time: Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()?,
            name: name.to_owned(),
        })
    }
}

impl Tally {
    /// Tests that ran.
    pub(crate) fn total(&self) -> u64 {
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
        self.slowest.extend(other.slowest);
        self.slowest
            .sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.name.cmp(&b.name)));
        // nextest shows a failed test again at its end.
        self.slowest.dedup();
        self.slowest.truncate(SLOWEST);
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
        Some(Tally {
            passed,
            failed,
            slowest: Vec::new(),
        })
    }

    #[test]
    fn under_nextest_a_failed_test_counts_once_and_the_slowest_are_named() {
        let mut said = Said::default();
        for line in [
            "        PASS [   0.021s] (1/3) a::b quick",
            "        \x1b[31;1mFAIL\x1b[0m [   2.500s] (2/3) a::b slow",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 2.49s",
            "     Summary [   2.6s] 3 tests run: 2 passed, 1 failed, 0 skipped",
            "        FAIL [   2.500s] (2/3) a::b slow",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 2.49s",
        ] {
            said.read(line);
        }
        let tally = said.tally();
        assert_eq!((tally.passed, tally.failed), (2, 1));
        let slowest: Vec<_> = tally.slowest.iter().map(|timed| timed.name.as_str()).collect();
        assert_eq!(slowest, ["a::b slow", "a::b quick"]);
        assert_eq!(tally.slowest[0].time, Duration::from_millis(2500));
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
