//! `cargo xtask truth`: every actor at every place on live MPTCP, checked by kernels and packets; or an attack.

use emptcp_tests::{
    attack::{Attack, attack},
    truth::{self, Options},
};
use std::{collections::BTreeMap, io::Write, process::ExitCode, time::Duration};

const USAGE: &str = "usage: emptcp-truth [--seed N] [--connections N] [--all] [--bare] [--minutes N] [--case TEXT] [--list] [--json]\n\
                     \x20      emptcp-truth --attack [--seed N] [--connections N] [--seconds N] [--rate N] [--json]\n\
                     needs root: it makes network namespaces and loads BPF programs";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Options and their values.
struct Arguments(BTreeMap<String, Option<String>>);

impl Arguments {
    fn read() -> Result<Self, String> {
        const ALONE: [&str; 5] = ["--all", "--bare", "--list", "--json", "--attack"];
        const VALUED: [&str; 6] = ["--seed", "--connections", "--minutes", "--case", "--seconds", "--rate"];
        let mut found = BTreeMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let (word, given) = match word.split_once('=') {
                Some((word, value)) => (word.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let value = if ALONE.contains(&word.as_str()) && given.is_none() {
                None
            } else if VALUED.contains(&word.as_str()) {
                let value = given.or_else(|| words.next());
                Some(value.ok_or_else(|| format!("{word}: a value is missing"))?)
            } else {
                return Err(format!("{word}: no such argument"));
            };
            found.insert(word, value);
        }
        Ok(Self(found))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().flatten()
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        self.text(name).map_or(Ok(default), |text| {
            text.parse().map_err(|_| format!("{name} {text}: not a number"))
        })
    }
}

fn run() -> Result<bool, String> {
    let arguments = Arguments::read()?;
    let seed = arguments.number("--seed", u64::from(std::process::id()))?;
    if arguments.has("--attack") {
        return attacked(&arguments, seed);
    }
    let minutes = arguments
        .text("--minutes")
        .map(|_| arguments.number("--minutes", 0.0))
        .transpose()?;
    let options = Options {
        seed,
        connections: arguments.number("--connections", 20)?,
        all: arguments.has("--all"),
        bare: arguments.has("--bare"),
        within: minutes.map(|minutes: f64| Duration::from_secs_f64(minutes * 60.0)),
        only: arguments.text("--case"),
    };
    if arguments.has("--list") {
        let mut out = std::io::stdout().lock();
        let about = truth::coverage::lines().into_iter().map(|line| format!("# {line}"));
        let names = truth::choose(&options).into_iter().map(|case| truth::name(&case));
        for line in about.chain(names) {
            // The reader may have closed the pipe.
            if writeln!(out, "{line}").is_err() {
                break;
            }
        }
        return Ok(true);
    }
    eprintln!("seed {seed}");
    let json = arguments.has("--json");
    let report = truth::run(&options, |number, of, line| {
        let verdict = if line.is_fault() { "FAULT" } else { "ok" };
        eprintln!("[{number}/{of}] {verdict:<5} {}", line.case);
    });
    let report = report.ok_or("this machine does not support test beds")?;
    let faults = report.faults();
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?
        );
    } else {
        report.lines.iter().for_each(|line| println!("{line}"));
    }
    eprintln!(
        "{} of {} cases, seed {seed}: {} faults; one case again: --case NAME",
        report.lines.len(),
        report.chosen,
        faults.len()
    );
    Ok(faults.is_empty() && !report.lines.is_empty())
}

fn attacked(arguments: &Arguments, seed: u64) -> Result<bool, String> {
    let plan = Attack {
        connections: arguments.number("--connections", 50)?,
        time: Duration::from_secs_f64(arguments.number("--seconds", 60.0)?),
        rate: arguments.number("--rate", 1000)?,
        seed,
    };
    eprintln!("{plan:?}");
    let outcome = attack(&plan).ok_or("this machine does not support test beds")?;
    let forged: u64 = outcome.forged.values().sum();
    if arguments.has("--json") {
        println!(
            "{}",
            serde_json::to_string_pretty(&outcome).map_err(|error| error.to_string())?
        );
    } else {
        for (kind, count) in &outcome.forged {
            println!("{count:>8} {kind}");
        }
        println!("{forged:>8} forged in all, {} counted apart", outcome.counted);
        println!(
            "{:>8} records compared with the kernels, {} differences",
            outcome.compared,
            outcome.faults.len()
        );
        outcome.faults.iter().for_each(|fault| println!("{fault}"));
    }
    Ok(outcome.faults.is_empty() && outcome.counted >= forged)
}
