//! Checks that the traffic did what the policies say.

use crate::samples::Samples;
use crate::script::{CAP, PATH_RATE, Phase};

/// One condition.
pub(crate) struct Finding {
    pub(crate) holds: bool,
    /// The condition, and the numbers.
    pub(crate) text: String,
}

/// The result of the transfer itself.
pub(crate) struct Outcome {
    /// Payload bytes that the server sent.
    pub(crate) sent: u64,
    /// Payload bytes that arrived and equal those that were sent.
    pub(crate) verified: u64,
    /// How many times something fell back to plain TCP, on both hosts.
    pub(crate) fallbacks: i64,
}

/// Judges the settled part of every phase, and the payload.
pub(crate) fn judge(samples: &Samples, outcome: &Outcome) -> Vec<Finding> {
    let mean = |phase: Phase| {
        let (from, to) = phase.settled();
        samples.mean(from, to).unwrap_or_default()
    };
    let [free, capped, backup, again] = Phase::ALL.map(mean);
    let sum = |rates: [f64; 2]| rates[0] + rates[1];
    let within = |rate: f64| (rate - CAP).abs() <= 0.10 * CAP;
    let mut findings = Vec::new();
    let mut find = |holds: bool, text: String| findings.push(Finding { holds, text });

    let rate = PATH_RATE as f64;
    find(
        free.iter().all(|path| *path >= 0.7 * rate),
        format!(
            "without a policy both paths are in use: {:.1} and {:.1} of {rate} Mbit/s",
            free[0], free[1]
        ),
    );
    find(
        within(capped[1]),
        format!(
            "rate_limit holds path 2 at {CAP} Mbit/s within 10 %: {:.2} Mbit/s",
            capped[1]
        ),
    );
    find(
        capped[0] >= 0.8 * free[0],
        format!("path 1 keeps its rate: {:.1} of {:.1} Mbit/s", capped[0], free[0]),
    );
    find(
        backup[0] < 0.01 * free[0],
        format!(
            "set_backup empties path 1, below 1 %: {:.3} of {:.1} Mbit/s",
            backup[0], free[0]
        ),
    );
    find(
        within(backup[1]),
        format!("path 2 goes on at {CAP} Mbit/s within 10 %: {:.2} Mbit/s", backup[1]),
    );
    find(
        sum(again) >= 0.8 * sum(free),
        format!(
            "after removal >= 80 % comes back: {:.1} of {:.1} Mbit/s",
            sum(again),
            sum(free)
        ),
    );
    find(
        outcome.verified == outcome.sent && outcome.sent > 0,
        format!(
            "every byte arrived and is the one that was sent: {} of {}",
            outcome.verified, outcome.sent
        ),
    );
    find(
        outcome.fallbacks == 0,
        format!("no fallback to plain TCP: {} counted", outcome.fallbacks),
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    /// Readings four times a second for given rates in each phase.
    fn samples(rates: [[f64; 2]; 4]) -> Samples {
        let mut samples = Samples::default();
        let mut bytes = [0.0; 2];
        let mut at = 0.0;
        while at <= Phase::FreeAgain.end() {
            samples.push(Sample {
                at,
                bytes: bytes.map(|bytes| bytes as u64),
            });
            let begun = Phase::ALL.iter().filter(|phase| phase.start() <= at).count();
            let now = rates[begun - 1];
            bytes = [bytes[0] + now[0] * 0.25e6 / 8.0, bytes[1] + now[1] * 0.25e6 / 8.0];
            at += 0.25;
        }
        samples
    }

    const OBEDIENT: [[f64; 2]; 4] = [[19.0, 19.0], [19.0, 4.0], [0.0, 4.0], [19.0, 18.0]];
    const CLEAN: Outcome = Outcome {
        sent: 1,
        verified: 1,
        fallbacks: 0,
    };

    fn broken(rates: [[f64; 2]; 4], outcome: &Outcome) -> Vec<String> {
        let findings = judge(&samples(rates), outcome);
        findings
            .into_iter()
            .filter(|finding| !finding.holds)
            .map(|finding| finding.text)
            .collect()
    }

    #[test]
    fn traffic_that_obeys_is_judged_good() {
        assert_eq!(broken(OBEDIENT, &CLEAN), Vec::<String>::new());
    }

    #[test]
    fn every_violation_is_found_and_reported_with_its_number() {
        for (phase, rates, expected) in [
            (
                1,
                [19.0, 4.5],
                "rate_limit holds path 2 at 4 Mbit/s within 10 %: 4.50 Mbit/s",
            ),
            (1, [9.0, 4.0], "path 1 keeps its rate: 9.0 of 19.0 Mbit/s"),
            (
                2,
                [0.4, 4.0],
                "set_backup empties path 1, below 1 %: 0.400 of 19.0 Mbit/s",
            ),
            (2, [0.0, 2.0], "path 2 goes on at 4 Mbit/s within 10 %: 2.00 Mbit/s"),
            (3, [19.0, 4.0], "after removal >= 80 % comes back: 23.0 of 38.0 Mbit/s"),
        ] {
            let mut played = OBEDIENT;
            played[phase] = rates;
            assert_eq!(broken(played, &CLEAN), [expected]);
        }
    }

    #[test]
    fn lost_bytes_a_fallback_and_an_empty_transfer_are_found() {
        assert_eq!(broken(OBEDIENT, &Outcome { sent: 3, ..CLEAN }).len(), 1);
        assert_eq!(broken(OBEDIENT, &Outcome { fallbacks: 1, ..CLEAN }).len(), 1);
        assert!(
            !broken(
                [[0.0; 2]; 4],
                &Outcome {
                    sent: 0,
                    verified: 0,
                    ..CLEAN
                }
            )
            .is_empty()
        );
    }
}
