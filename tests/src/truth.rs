//! The truth run: every actor and mode at every place, on live MPTCP, judged by what kernels and wire show.
//!
//! * [`case`](mod@case): what a case is made of, and the choice that has every pair of values.
//! * [`actors`]: the table of actors; [`places`]: where each is judged; [`coverage`]: both in words.
//! * [`traffic`]: runs a case; [`outside`]: what of the kernel stands beside it; [`seen`]: what it left to look at.
//! * [`judges`]: what must be seen. No judge reads a counter of ours.
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

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides which cases have the pairs.
    pub seed: u64,
    /// Connections of each case.
    pub connections: usize,
    /// All combinations, not only those that have every pair once.
    pub all: bool,
    /// Without the policies: what the traffic does by itself.
    pub bare: bool,
    /// Begin no case after this time.
    pub within: Option<Duration>,
    /// The case of this name, whether chosen or not; else those of the choice whose name contains it.
    pub only: Option<String>,
}

/// One case that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub case: String,
    /// What was found; empty when the traffic failed.
    pub findings: Vec<Finding>,
    /// What went wrong with the traffic itself.
    pub error: Option<String>,
    /// It is a second run: in the first a connection did not come to its end.
    pub again: bool,
    /// Everything as wanted.
    pub ok: bool,
    /// Why it is known to fail.
    pub known: Option<String>,
}

impl Line {
    /// It fails and nobody knew, or it was known to fail and does not.
    pub fn is_fault(&self) -> bool {
        self.ok == self.known.is_some()
    }

    /// A connection did not come to its end.
    fn stalled(&self) -> bool {
        let said = self.error.as_ref();
        said.is_some_and(|error| error.contains("was not finished"))
    }
}

/// All that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed of the choice.
    pub seed: u64,
    /// Cases of the choice; fewer were run when the time was over.
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

/// Runs the cases; `None` where this machine cannot have a lab. `progress` is told every case as it ends.
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
            // The old one goes first: only one bed at a time.
            drop(bed.take());
            bed = Some((kind, kind.build()?));
        }
        let (_, built) = bed.as_ref().expect("just built");
        let mut line = judge(built, case, options);
        if line.error.is_some() {
            bed = None;
        }
        if line.stalled() {
            // Without a policy too, one of some hundred connections of this kernel never comes to its end.
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
    /// Cases that decide whether the run fails.
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
            write!(f, " (second run: in the first a connection did not come to its end)")?;
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
