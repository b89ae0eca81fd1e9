//! A virtual machine that boots a kernel, runs the jobs of its initramfs and switches itself off.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::image::{BEGIN, DONE, END};
use crate::report;
use crate::tally::Tally;

/// Always emulated, which works everywhere. Its time is the number of instructions that it has run, so a machine that
/// is slow or busy makes the tests take longer, but measure the same; and waiting takes no time. Without cmpxchg16b,
/// which QEMU 7.2 emulates with wrong flags.
const MACHINE: &str = "-machine q35 -accel tcg -icount shift=0,sleep=off -cpu max,-cx16 -m 3072 -nographic -nodefaults \
                       -serial stdio -monitor none -no-reboot";

/// The result of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) name: String,
    /// Exit status; `None`: the machine ended before the job did.
    pub(super) status: Option<i32>,
    pub(super) tally: Tally,
    /// Why tests were skipped, each reason once.
    pub(super) skipped: Vec<String>,
}

/// Boots and returns the results of the jobs. The whole console goes to `log`; the output of the jobs also to the
/// standard error of this process.
pub(super) fn run(kernel: &Path, initramfs: &Path, log: &Path, limit: Duration) -> anyhow::Result<Vec<Outcome>> {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(MACHINE.split_whitespace());
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
    command.args(["-append", "console=ttyS0 quiet panic=-1 rdinit=/init"]);
    let shown: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    report::command(&format!("qemu-system-x86_64 {}", shown.join(" ")));
    let mut machine = Machine(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start qemu-system-x86_64; it is in the package qemu-system-x86")?,
    );
    let console = machine.0.stdout.take().expect("standard output is piped");
    let (to_us, lines) = channel();
    // A separate thread, so that a silent machine can be stopped.
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if to_us.send(line).is_err() {
                break;
            }
        }
    });
    let end = Instant::now() + limit;
    let mut log = fs::File::create(log)?;
    let mut console = Console::default();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                writeln!(log, "{line}")?;
                if console.take(&line) {
                    eprintln!("   | {line}");
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!("the machine was stopped after {}", report::seconds(limit));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if !console.done {
        bail!(
            "the machine ended before its work did{}; the last lines of its console:\n{}",
            console
                .jobs
                .last()
                .map(|job| format!(", in {}", job.name))
                .unwrap_or_default(),
            console.tail.join("\n")
        );
    }
    Ok(console.jobs)
}

/// Ends with its owner.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the console.
#[derive(Default)]
struct Console {
    jobs: Vec<Outcome>,
    running: bool,
    done: bool,
    tail: Vec<String>,
}

impl Console {
    /// Reads a line; returns whether it is shown to the user.
    fn take(&mut self, line: &str) -> bool {
        self.tail.push(line.to_owned());
        if self.tail.len() > 20 {
            self.tail.remove(0);
        }
        if let Some(name) = line.strip_prefix(BEGIN) {
            self.running = true;
            self.jobs.push(Outcome {
                name: name.to_owned(),
                status: None,
                tally: Tally::default(),
                skipped: Vec::new(),
            });
            return true;
        }
        self.done |= line == DONE;
        let Some(job) = self.jobs.last_mut().filter(|_| self.running) else {
            return false;
        };
        if let Some(rest) = line.strip_prefix(END) {
            job.status = rest.rsplit(' ').next().and_then(|status| status.parse().ok());
            self.running = false;
        } else if let Some(tally) = Tally::of_line(line) {
            job.tally += tally;
        } else if let Some((_, reason)) = line.split_once("skipped: ")
            && !job.skipped.iter().any(|known| known == reason)
        {
            job.skipped.push(reason.to_owned());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_shows_the_result_of_each_job() {
        let mut console = Console::default();
        let shown: Vec<_> = [
            "[    0.1] a word of the kernel",
            "== begin cases",
            "test a ... skipped: no fq",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
            "== end cases 0",
            "== begin live",
            "== end live 101",
            "== done",
        ]
        .map(|line| console.take(line))
        .into();
        assert_eq!(shown, [false, true, true, true, true, true, true, false]);
        assert!(console.done);
        let [cases, live] = &console.jobs[..] else {
            panic!("{:?}", console.jobs)
        };
        assert_eq!((cases.tally.passed, cases.tally.failed), (3, 0));
        assert_eq!(cases.skipped, ["no fq"]);
        assert_eq!((cases.status, live.status), (Some(0), Some(101)));
    }
}
