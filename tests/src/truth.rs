//! The truth run: every actor and mode at every place, on live MPTCP, checked by kernels and packets.
//!
//! * [`case`](mod@case): the parameters of a case, and the selection that contains every pair of values.
//! * [`actors`]: the table of actors; [`places`]: where each is checked; [`coverage`]: both as text.
//! * [`traffic`]: runs a case; [`outside`]: its set-up of the kernel; [`seen`]: its observations.
//! * [`judges`]: the checks. No check reads a counter of emptcp.
//! * `known.toml`: cases that fail, with the reason.

pub mod actors;
pub mod case;
pub mod coverage;
pub mod judges;
pub mod outside;
pub mod places;
pub mod seen;
pub mod traffic;

use crate::live::Bed;
use actors::ACTORS;
use case::{Case, all, pairwise};
use places::Expect;
use seen::{BedKind, Finding};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// Options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of the selection.
    pub seed: u64,
    /// Connections of each case.
    pub connections: usize,
    /// All combinations instead of the selection.
    pub all: bool,
    /// Without the policies.
    pub bare: bool,
    /// Start no case after this time.
    pub within: Option<Duration>,
    /// The case of this name, selected or not; otherwise the selected cases whose names contain it.
    pub only: Option<String>,
}

/// One case that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub case: String,
    /// The findings; empty when the traffic failed.
    pub findings: Vec<Finding>,
    /// The error of the traffic.
    pub error: Option<String>,
    /// It is a second run, because in the first one a connection did not finish.
    pub again: bool,
    /// Whether all findings are right.
    pub ok: bool,
    /// Why it is known to fail.
    pub known: Option<String>,
}

impl Line {
    /// It fails unexpectedly, or is known to fail and does not.
    pub fn is_fault(&self) -> bool {
        self.ok == self.known.is_some()
    }

    /// Whether a connection did not finish.
    fn stalled(&self) -> bool {
        let said = self.error.as_ref();
        said.is_some_and(|error| error.contains("was not finished"))
    }
}

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed of the selection.
    pub seed: u64,
    /// Number of selected cases; fewer were run if the time was over.
    pub chosen: usize,
    /// One per case.
    pub lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    known: Vec<KnownCase>,
}

#[derive(Deserialize)]
struct KnownCase {
    case: String,
    reason: String,
}

impl KnownCase {
    fn is(&self, name: &str) -> bool {
        let mut words = self.case.split('/').zip(name.split('/'));
        self.case.split('/').count() == name.split('/').count()
            && words.all(|(known, word)| known == "*" || known == word)
    }
}

/// The reason for which a case is known to fail.
fn known(name: &str) -> Option<String> {
    let known: Known = toml::from_str(include_str!("truth/known.toml")).expect("the data file is TOML");
    known
        .known
        .into_iter()
        .find(|case| case.is(name))
        .map(|case| case.reason)
}

/// The name of a case.
pub fn name(case: &Case) -> String {
    format!("{}/{case}", ACTORS[case.actor].name)
}

/// The cases of a run, in order.
pub fn choose(options: &Options) -> Vec<Case> {
    let cases = all(ACTORS.len(), |case| {
        !matches!((ACTORS[case.actor].expect)(case), Expect::Nothing(_))
    });
    if let Some(exact) = cases.iter().find(|case| options.only.as_ref() == Some(&name(case))) {
        return vec![*exact];
    }
    let mut cases = if options.all {
        cases
    } else {
        pairwise(cases, options.seed)
    };
    cases.retain(|case| options.only.as_ref().is_none_or(|only| name(case).contains(only)));
    cases
}

/// Runs the cases; `None` if this machine does not support labs. Calls `progress` after every case.
pub fn run(options: &Options, mut progress: impl FnMut(usize, usize, &Line)) -> Option<Report> {
    let cases = choose(options);
    let mut report = Report {
        seed: options.seed,
        chosen: cases.len(),
        lines: Vec::new(),
    };
    let begin = Instant::now();
    let mut bed: Option<(BedKind, Bed)> = None;
    for (number, case) in cases.iter().enumerate() {
        if options.within.is_some_and(|within| begin.elapsed() > within) {
            break;
        }
        let actor = &ACTORS[case.actor];
        let kind = actor.bed(case);
        if bed.as_ref().is_none_or(|(built, _)| *built != kind) {
            // Drop the old one first: only one bed at a time.
            drop(bed.take());
            bed = Some((kind, kind.build()?));
        }
        let (_, built) = bed.as_ref().expect("just built");
        let mut line = judge(built, case, options);
        if line.error.is_some() {
            bed = None;
        }
        if line.stalled() {
            // Even without a policy, one of some hundred connections never finishes on this kernel.
            drop(bed.take());
            bed = Some((kind, kind.build()?));
            let (_, built) = bed.as_ref().expect("just built");
            line = judge(built, case, options);
            line.again = true;
            if line.error.is_some() {
                bed = None;
            }
        }
        progress(number + 1, cases.len(), &line);
        report.lines.push(line);
    }
    Some(report)
}

fn judge(bed: &Bed, case: &Case, options: &Options) -> Line {
    let actor = &ACTORS[case.actor];
    let work = || -> Result<Vec<Finding>, String> {
        if (actor.expect)(case) == Expect::Refused {
            let said = traffic::refusal(bed, case, &traffic::policy(actor, case, actor.action));
            return Ok(vec![Finding::new(
                "refused by check or apply",
                f64::from(u8::from(said.is_some())),
                1.0,
                1.0,
            )]);
        }
        let seen = traffic::run(bed, actor, case, options.connections, options.bare)?;
        let mut findings = (actor.judge)(&seen);
        findings.push(judges::scale_is_as_wanted(&seen));
        for (host, mib) in ["client", "server"].into_iter().zip(&seen.mib) {
            findings.push(Finding::new(
                format!("fallbacks at the {host}"),
                mib.fallbacks() as f64,
                0.0,
                0.0,
            ));
            findings.push(Finding::new(
                format!("wrong checksums at the {host}"),
                mib.checksum_errors() as f64,
                0.0,
                0.0,
            ));
        }
        let plain = seen.transfers.iter().filter(|(report, _)| report.fallback).count();
        findings.push(Finding::new(
            "connections that became plain TCP",
            plain as f64,
            0.0,
            0.0,
        ));
        Ok(findings)
    };
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default())
    });
    let (findings, error) = match outcome {
        Ok(findings) => (findings, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let name = name(case);
    Line {
        ok: error.is_none() && findings.iter().all(Finding::is_right),
        known: known(&name),
        case: name,
        again: false,
        findings,
        error,
    }
}

impl Report {
    /// Cases that make the run fail.
    pub fn faults(&self) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.is_fault()).collect()
    }
}

/// A case and its findings, as lines of text.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.ok, &self.known) {
            (true, None) => "ok",
            (true, Some(_)) => "FAULT: known to fail, and does not",
            (false, None) => "FAULT",
            (false, Some(_)) => "known to fail",
        };
        write!(f, "{verdict:<8} {}", self.case)?;
        if let Some(reason) = self.known.as_ref().filter(|_| !self.ok) {
            write!(f, " ({reason})")?;
        }
        if self.again {
            write!(f, " (second run: in the first one a connection did not finish)")?;
        }
        if let Some(error) = &self.error {
            write!(f, "\n           {error}")?;
        }
        for finding in &self.findings {
            let mark = if finding.is_right() { ' ' } else { '!' };
            let (least, most) = finding.wanted;
            let wanted = match (least, most) {
                (least, most) if least == most => format!("{least}"),
                (least, most) if most >= 1e9 => format!("at least {least}"),
                (least, most) => format!("{least:.3} to {most:.3}"),
            };
            write!(
                f,
                "\n         {mark} {}: {:.3}, wanted {wanted}",
                finding.judge, finding.measured
            )?;
        }
        Ok(())
    }
}
