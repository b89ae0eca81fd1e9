//! Runs `cases.toml`.

use crate::{
    cases::{Case, Expectation, File, Setup, Step, Word},
    describe::{Kind, Packet},
    expect::{change, checksums_are_right, set_checksums},
    hosts::{Hosts, Peer},
    sandbox::{Place, direction, policy},
};
use emptcp_packet::{
    Catalog,
    testrun::{Input, Output, Verdict},
};
use emptcp_plan::manifest::{self, Hook};
use mptcp_wire::{Key, Version};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// A policy set that selects nothing, but tracks connections.
const NEUTRAL: &str = "ip.src == 192.0.2.255 and connection.bytes < 1";

/// The folder of elements.
pub fn elements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../elements")
}

/// The cases of an element.
///
/// # Panics
/// When the file is missing or does not parse.
pub fn read(element: &str) -> File {
    let path = elements().join(element).join("cases.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs all cases of all elements at one hook; returns how many runs there were.
///
/// # Panics
/// When some case fails, with a list of all that do.
pub fn run_all(hook: Hook) -> usize {
    let place = Place::new(hook, Peer::Client, &neutral(hook));
    let mut runner = Runner {
        place,
        number: 0,
        renamed: 0,
        in_force: neutral(hook),
    };
    let mut failures = Vec::new();
    for element in Catalog::built_in().iter() {
        let manifest = &element.manifest;
        if !manifest.hooks.contains(&hook) {
            continue;
        }
        for case in read(&manifest.name).case {
            if case.hooks.as_ref().is_some_and(|hooks| !hooks.contains(&hook)) {
                continue;
            }
            runner.case(manifest, &case, &mut failures);
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} runs failed:\n{}",
        failures.len(),
        runner.number,
        failures.join("\n")
    );
    runner.number
}

fn neutral(hook: Hook) -> String {
    policy("neutral", direction(hook), NEUTRAL, &["count"])
}

/// One sandbox for all cases: every run has ports and keys of its own.
struct Runner {
    place: Place,
    /// Of the run.
    number: usize,
    /// How often the policy was renamed.
    renamed: usize,
    /// The policy file.
    in_force: String,
}

impl Runner {
    fn case(&mut self, element: &manifest::Manifest, case: &Case, failures: &mut Vec<String>) {
        let mut runs = Vec::new();
        for condition in std::iter::once(&case.when).chain(&case.also) {
            for &ip in &case.ip {
                for &version in &case.version {
                    self.number += 1;
                    runs.push((condition, ip, version, self.hosts(case, ip, version)));
                }
            }
        }
        self.place.sender = case.sender;
        self.switch(&neutral(self.place.hook));
        for (.., hosts) in &mut runs {
            for subflow in 0..match case.setup {
                Setup::Nothing => 0,
                Setup::Established => 1,
                Setup::Joined => 2,
            } {
                for packet in hosts.handshake(subflow) {
                    self.place.send(hosts, &packet);
                }
            }
        }
        for (condition, ip, version, hosts) in &mut runs {
            let run = AssertUnwindSafe(|| self.run(element, case, condition, hosts));
            if let Err(panic) = catch_unwind(run) {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
                failures.push(format!(
                    "{}: {} [{:?}, IPv{ip}, version {version}, {condition}]\n    {}",
                    element.name,
                    case.name,
                    self.place.hook,
                    text.unwrap_or_default()
                ));
            }
        }
    }

    /// Puts a policy in force, unless it already is, which saves a verification.
    fn switch(&mut self, policies: &str) {
        if self.in_force != policies {
            self.place.switch(policies);
            self.in_force = policies.to_owned();
        }
    }

    fn hosts(&self, case: &Case, ip: u8, version: u8) -> Hosts {
        let number = self.number as u64;
        let keys = [Key((number * 2 + 1).to_be_bytes()), Key((number * 2 + 2).to_be_bytes())];
        let version = if version == 0 { Version::V0 } else { Version::V1 };
        let mut hosts = Hosts::with_keys(ip, version, keys);
        for subflow in &mut hosts.subflows {
            subflow.ends[0].set_port(10_000 + self.number as u16);
        }
        hosts.subflows[1].backup[0] = case.join_as_backup;
        if case.dss_checksum {
            hosts.flags = hosts.flags | mptcp_wire::mptcp::CapableFlags::CHECKSUM_REQUIRED;
        }
        hosts
    }

    fn run(&mut self, element: &manifest::Manifest, case: &Case, condition: &str, hosts: &mut Hosts) {
        let hook = self.place.hook;
        let count = ["count".to_owned()];
        let actors = if case.actors.is_empty() {
            &count[..]
        } else {
            &case.actors
        };
        let actors: Vec<_> = actors
            .iter()
            .map(|actor| fill_in(actor, hosts, hook, case.sender))
            .collect();
        let actors: Vec<_> = actors.iter().map(String::as_str).collect();
        let condition = fill_in(condition, hosts, hook, case.sender);
        // Shared state of a policy must not outlive a run.
        let shared = actors.iter().any(|actor| actor.contains("per=policy"));
        self.renamed += usize::from(shared);
        let name = format!("case-{}", self.renamed);
        self.switch(&policy(&name, direction(hook), &condition, &actors));
        for (index, step) in case.packets.iter().enumerate() {
            let context = format!("packet {}", index + 1);
            self.step(element, step, hosts, &context);
        }
    }

    fn step(&self, element: &manifest::Manifest, step: &Step, hosts: &mut Hosts, context: &str) {
        let Step { send, expect } = step;
        std::thread::sleep(std::time::Duration::from_millis(send.wait_ms));
        let mut send = send.clone();
        for word in send.options.iter_mut().flatten() {
            *word = fill_in(word, hosts, self.place.hook, self.place.sender);
        }
        let mut expect = expect.clone();
        for change in &mut expect.changes {
            *change = fill_in(change, hosts, self.place.hook, self.place.sender);
        }
        let expect = &expect;
        let before = Seen::of(&self.place, element);
        let frame = send.build(hosts);
        let input = Input {
            segments: send.segments,
            segment_size: send.segment_size,
            ..Input::new(&frame)
        };
        let output = self.place.input(send.from, &input);
        let after = Seen::of(&self.place, element);
        check_packet(self.place.hook, &send, expect, &frame, &output, context);
        check_counters(expect, &before, &after, context);
        let tc = self.place.hook != Hook::Xdp && send.from == self.place.sender;
        if tc && output.verdict == Verdict::Pass {
            assert_eq!(output.mark, Some(expect.mark.unwrap_or(0)), "{context}: mark");
            assert_eq!(
                output.priority,
                Some(expect.priority.unwrap_or(0)),
                "{context}: priority"
            );
        }
    }
}

/// Replaces the placeholders in a condition or an actor.
fn fill_in(text: &str, hosts: &Hosts, hook: Hook, sender: Peer) -> String {
    let side = |who: Peer| {
        if (who == sender) == (hook == Hook::TcEgress) {
            "local"
        } else {
            "remote"
        }
    };
    let [initial, joined] = [&hosts.subflows[0], &hosts.subflows[1]];
    let end = |end: std::net::SocketAddr| end.to_string();
    let pairs: [(&str, String); 22] = [
        ("{client_key}", digits(&hosts.keys[0].0)),
        ("{server_key}", digits(&hosts.keys[1].0)),
        ("{client}", initial.ends[0].ip().to_string()),
        ("{server}", initial.ends[1].ip().to_string()),
        ("{client2}", joined.ends[0].ip().to_string()),
        ("{server2}", joined.ends[1].ip().to_string()),
        ("{client_end}", end(initial.ends[0])),
        ("{server_end}", end(initial.ends[1])),
        ("{client_port}", initial.ends[0].port().to_string()),
        ("{server_port}", initial.ends[1].port().to_string()),
        ("{client_side}", side(Peer::Client).to_owned()),
        ("{server_side}", side(Peer::Server).to_owned()),
        ("{client_token}", hosts.token(Peer::Client).to_string()),
        ("{server_token}", hosts.token(Peer::Server).to_string()),
        ("{client_ssn}", initial.isn[0].wrapping_add(1).to_string()),
        ("{server_ssn}", initial.isn[1].wrapping_add(1).to_string()),
        (
            "{client_dsn}",
            hosts.derived(Peer::Client).idsn.first_byte().0.to_string(),
        ),
        (
            "{client_dsn+50}",
            (hosts.derived(Peer::Client).idsn.first_byte().0 + 50).to_string(),
        ),
        (
            "{client_dsn+100}",
            (hosts.derived(Peer::Client).idsn.first_byte().0 + 100).to_string(),
        ),
        (
            "{client_dsn+200}",
            (hosts.derived(Peer::Client).idsn.first_byte().0 + 200).to_string(),
        ),
        ("{direction}", direction(hook).to_owned()),
        (
            "{opposite}",
            (if direction(hook) == "ingress" {
                "egress"
            } else {
                "ingress"
            })
            .to_owned(),
        ),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
}

fn check_packet(hook: Hook, send: &Packet, expect: &Expectation, frame: &[u8], output: &Output, context: &str) {
    let verdict = match expect.verdict {
        Word::Pass => Verdict::Pass,
        Word::Drop => Verdict::Drop,
        Word::Reflect if hook == Hook::Xdp => Verdict::Reflect,
        Word::Reflect | Word::Again => Verdict::Redirect,
    };
    assert_eq!(output.verdict, verdict, "{context}: verdict");
    let mut wanted = frame.to_vec();
    for text in &expect.changes {
        change(&mut wanted, text);
    }
    if !expect.changes.is_empty() {
        set_checksums(&mut wanted, send.partial);
    }
    assert!(
        output.packet == wanted,
        "{context}: the packet differs from the expected one\n      in   {}\n      out  {}\n      want {}",
        digits(frame),
        digits(&output.packet),
        digits(&wanted)
    );
    if let (Some(wanted), true) = (expect.segments, hook != Hook::Xdp) {
        assert_eq!(output.segments, Some(wanted), "{context}: segments");
    }
    let whole = send.fragment.is_none() && send.patch.is_empty();
    if whole {
        assert!(
            checksums_are_right(&output.packet, send.partial),
            "{context}: a wrong checksum"
        );
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counters at one moment.
struct Seen {
    matched: u64,
    element: BTreeMap<String, u64>,
    core: BTreeMap<String, u64>,
}

impl Seen {
    fn of(place: &Place, element: &manifest::Manifest) -> Self {
        let (core, policies) = place.sandbox.stats().expect("counters");
        let policy = &policies[0];
        let own = policy.elements.iter().find(|stats| stats.element == element.name);
        let counters = own.map(|own| own.counters.as_slice()).unwrap_or_default();
        Self {
            matched: policy.matched.packets,
            element: counters
                .iter()
                .map(|named| (named.name.clone(), named.counter.packets))
                .collect(),
            core,
        }
    }
}

fn check_counters(expect: &Expectation, before: &Seen, after: &Seen, context: &str) {
    if let Some(selected) = expect.selected {
        assert_eq!(after.matched > before.matched, selected, "{context}: selected");
    }
    let more = |before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, name: &str| {
        let count = |counters: &BTreeMap<String, u64>| {
            *counters
                .get(name)
                .unwrap_or_else(|| panic!("{context}: there is no counter {name}"))
        };
        count(after) - count(before)
    };
    if let Some(counts) = &expect.counts {
        for name in after.element.keys().chain(counts.keys()) {
            let wanted = counts.get(name).copied().unwrap_or(0);
            assert_eq!(
                more(&before.element, &after.element, name),
                wanted,
                "{context}: counter {name}"
            );
        }
    }
    for (name, wanted) in &expect.core {
        assert_eq!(
            more(&before.core, &after.core, name),
            *wanted,
            "{context}: core counter {name}"
        );
    }
    assert_eq!(after.core["chain_broken"], 0, "{context}: a tail call found no program");
}

/// Faults of the set of cases itself, such as a case without checks.
pub fn complaints(element: &str, file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut names: Vec<_> = file.case.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < file.case.len() {
        complaints.push(format!("{element}: two cases have the same name"));
    }
    for case in &file.case {
        let asks = |step: &Step| {
            let expect = &step.expect;
            expect.selected.is_some()
                || expect.counts.is_some()
                || !expect.core.is_empty()
                || !expect.changes.is_empty()
                || expect.verdict != Word::Pass
                || expect.mark.is_some()
                || expect.priority.is_some()
        };
        if !case.packets.iter().any(asks) {
            complaints.push(format!("{element}: `{}` asks nothing", case.name));
        }
        if case
            .packets
            .iter()
            .any(|step| step.send.is == Kind::Syn && step.send.from == Peer::Server)
        {
            complaints.push(format!("{element}: `{}`: the client opens subflows", case.name));
        }
    }
    complaints
}
