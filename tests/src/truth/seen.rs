//! One case: the traffic, and what kernels and wire show of it.

use super::{
    actors::Actor,
    case::{Case, Moment, Place},
};
use crate::live::{Bed, seconds};
use emptcp::{ApplyOptions, instance::DEFAULT};
use emptcp_lab::{
    BulkReport, Capture, CaptureFile, Counter, End, EndpointPlan, Host, Lab, Mib, Path, Rate, SubflowKey, Topology,
};
use serde::Serialize;
use std::{thread, time::Duration};

/// When a policy comes in mid-transfer, and how long the traffic is measured after it has settled.
const BEFORE: f64 = 1.5;
const MEASURE: f64 = 2.5;

/// Rate of each path, Mbit/s of IP packets.
pub const PATH_RATE: u64 = 20;

/// The path on which policies act is the second one.
pub const PATH: usize = 1;

/// What a judge found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Who says it, and about what.
    pub judge: String,
    /// What was measured.
    pub measured: f64,
    /// The least and the most that is right.
    pub wanted: (f64, f64),
}

impl Finding {
    /// A measurement.
    pub fn new(judge: impl Into<String>, measured: f64, least: f64, most: f64) -> Self {
        Self {
            judge: judge.into(),
            measured,
            wanted: (least, most),
        }
    }

    /// Whether it is right.
    pub fn is_right(&self) -> bool {
        (self.wanted.0..=self.wanted.1).contains(&self.measured)
    }
}

/// The kind of test bed that a case needs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum BedKind {
    /// Client and server; the client opens subflows.
    Hosts,
    /// A router in between.
    Router,
    /// The server announces its second address.
    Announcing,
}

impl BedKind {
    /// Builds it; `None` where this machine cannot have a lab.
    pub fn build(self) -> Option<Bed> {
        let path = |milliseconds| Path::with(Rate::mbit(PATH_RATE), Duration::from_millis(milliseconds));
        let lab = Lab::builder().path(path(20)).path(path(30)).dss_checksum(true);
        let bed = Bed::new(match self {
            Self::Hosts => lab,
            Self::Router => lab.topology(Topology::Gateway),
            Self::Announcing => lab.endpoints(EndpointPlan::ServerSignals),
        })?;
        for host in hosts(&bed) {
            // Without it every packet of a known connection meets the routing rules, as on a router.
            host.set_sysctl("net.ipv4.tcp_early_demux", 0).expect("a sysctl");
            for version in ["-4", "-6"] {
                // The rule for local addresses is the first of all: here rules about marks may come before it.
                crate::live::shell(host, &format!("ip {version} rule add pref 100 lookup local"));
                crate::live::shell(host, &format!("ip {version} rule del pref 0"));
            }
        }
        if self == Self::Announcing {
            let server = bed.lab.server();
            server.set_sysctl("net.mptcp.add_addr_timeout", 1).expect("a sysctl");
        }
        Some(bed)
    }
}

fn hosts(bed: &Bed) -> Vec<&Host> {
    bed.hosts().into_iter().chain(bed.lab.gateway()).collect()
}

/// The host that has the policy.
pub fn host(bed: &Bed, place: Place) -> &Host {
    match place {
        Place::ClientEgress | Place::ClientIngress => bed.lab.client(),
        Place::ServerIngress | Place::ServerEgress => bed.lab.server(),
        Place::RouterIngress | Place::RouterEgress => bed.lab.gateway().expect("a bed with a router"),
    }
}

/// What a case left to look at.
pub struct Seen<'a> {
    /// The bed.
    pub bed: &'a Bed,
    /// The case.
    pub case: Case,
    /// What became of each connection, and when the policy came, in seconds after its begin.
    pub transfers: Vec<(BulkReport, f64)>,
    /// What changed in the kernels' counters: client, server.
    pub mib: [Mib; 2],
    /// Frames behind the place of the policy, and the times of day between which it is in force.
    pub capture: Option<(CaptureFile, [f64; 2])>,
    settle: f64,
    _folder: tempfile::TempDir,
}

impl Seen<'_> {
    /// Rate on the path of the policies that the receivers' kernels tell, all connections together, Mbit/s.
    pub fn rate(&self, up: bool, path: usize) -> f64 {
        self.transfers
            .iter()
            .map(|(report, applied)| {
                let series = report.series(if up { End::Server } else { End::Client });
                let (from, to) = (applied + self.settle, applied + self.settle + MEASURE);
                series
                    .subflows()
                    .iter()
                    .filter(|key| self.bed.lab.path_of(key) == Some(path))
                    .filter_map(|key| series.throughput(key, Counter::Received, seconds(from), seconds(to)))
                    .sum::<f64>()
            })
            .sum()
    }

    /// Subflows on a path that a host's kernel had in the last second of the traffic.
    pub fn subflows_at_the_end(&self, end: End, path: usize) -> usize {
        let of = |report: &BulkReport, applied: f64| {
            let series = report.series(end);
            let late = series
                .samples()
                .iter()
                .rev()
                .find(|sample| sample.at.as_secs_f64() < applied + self.settle + MEASURE);
            let on_path = |key: &SubflowKey| self.bed.lab.path_of(key) == Some(path);
            late.map_or(0, |sample| {
                // Established: what waits for its last acknowledgements is no subflow any more.
                let open = sample
                    .info
                    .subflows
                    .iter()
                    .filter(|flow| flow.tcp_state == 1 && on_path(&flow.key));
                open.count()
            })
        };
        self.transfers
            .iter()
            .map(|(report, applied)| of(report, *applied))
            .sum()
    }

    /// Connections whose subflow on the path a host's kernel has marked as backup at the end.
    pub fn backups(&self, end: End) -> usize {
        let marked = |report: &BulkReport| {
            let series = report.series(end);
            let keys = series.subflows();
            let mut keys = keys.iter().filter(|key| self.bed.lab.path_of(key) == Some(PATH));
            keys.any(|key| series.of(key).any(|(_, info)| info.backup))
        };
        self.transfers.iter().filter(|(report, _)| marked(report)).count()
    }

    /// Bytes that the applications received, one way.
    pub fn bytes(&self, up: bool) -> u64 {
        let stream = |report: &BulkReport| if up { report.upload } else { report.download };
        self.transfers
            .iter()
            .filter_map(|(report, _)| stream(report))
            .map(|stream| stream.received)
            .sum()
    }

    /// Fields of the captured frames of MPTCP on the path of the policies that were sent while it was in force: those in
    /// its direction, or those of the other.
    pub fn frames(&self, in_direction: bool, only: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let (capture, [since, until]) = self.capture.as_ref().expect("the actor wants a capture");
        let address = self
            .bed
            .lab
            .client()
            .address(PATH, self.case.version())
            .expect("an address");
        let (ip, from) = (
            if self.case.ipv6 { "ipv6" } else { "ip" },
            self.case.place.sees_uploads() == in_direction,
        );
        let side = if from { "src" } else { "dst" };
        let filter = format!(
            "frame.time_epoch > {since:.6} && frame.time_epoch < {until:.6} && {ip}.{side} == {address} && tcp.option_kind == 30 && {only}"
        );
        let lines = capture.fields(&filter, fields).expect("tshark reads the capture");
        lines
            .iter()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }
}

/// Where frames are seen behind the hook of the policy.
fn capture(bed: &Bed, place: Place, folder: &std::path::Path) -> Capture {
    let file = folder.join("truth.pcap");
    let number = PATH + 1;
    let (netns, device) = match place {
        Place::ClientEgress => (bed.lab.middle(), format!("client{number}")),
        Place::ServerEgress | Place::RouterEgress => (bed.lab.middle(), format!("server{number}")),
        Place::RouterIngress => (host(bed, place).netns(), "server".to_owned()),
        Place::ClientIngress | Place::ServerIngress => unreachable!("nothing lies between this hook and the host"),
    };
    Capture::start(netns, &device, &file).expect("a capture")
}

fn time_of_day() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// The policy file of a case.
pub fn policy(actor: &Actor, case: &Case) -> String {
    let devices = if actor.whole {
        r#""path1", "path2""#
    } else {
        r#""path2""#
    };
    let hook = if case.place.is_egress() { "egress" } else { "ingress" };
    let when = match actor.when {
        "" => String::new(),
        when => format!("when = '{when}'\n"),
    };
    format!(
        "[[policy]]\nname = \"truth\"\ndevice = [{devices}]\nhook = \"{hook}\"\n{when}do = ['{}']\n",
        actor.action
    )
}

/// Applies a policy that has to be refused, before anything is changed. Returns what was said.
pub fn refusal(bed: &Bed, case: &Case, text: &str) -> Option<String> {
    let plan = match emptcp::compile("truth.toml", text, &bed.catalog.manifests()) {
        Ok(plan) => plan,
        Err(mistakes) => return Some(mistakes.to_string()),
    };
    let apply = || emptcp::apply(DEFAULT, &plan, text, &bed.catalog, &ApplyOptions::default());
    let host = host(bed, case.place);
    let error = host
        .run(apply)
        .expect("the namespace")
        .err()
        .map(|error| error.to_string());
    if error.is_none() {
        bed.remove(host);
    }
    error
}

/// Runs the traffic of a case. An error is a fault of the traffic: wrong bytes, or none.
///
/// # Errors
/// What a transfer said.
///
/// # Panics
/// When the policy is refused, or the lab fails.
pub fn run<'a>(bed: &'a Bed, actor: &Actor, case: &Case, connections: usize) -> Result<Seen<'a>, String> {
    let text = policy(actor, case);
    for host in bed.hosts() {
        host.set_sysctl("net.ipv4.tcp_rmem", case.scale.tcp_rmem())
            .expect("a sysctl");
    }
    let at = host(bed, case.place);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let before = bed.hosts().map(|host| host.mib().expect("counters"));
    let capture = actor.capture.then(|| capture(bed, case.place, folder.path()));
    let in_force = case.moment == Moment::Before;
    if in_force {
        bed.apply(at, &text);
    }
    for command in actor.commands {
        let rule = format!(
            "ip {} {}",
            if case.ipv6 { "-6" } else { "-4" },
            command.replace("ACTION", "add")
        );
        crate::live::shell(at, &rule);
    }
    let started: Result<Vec<_>, _> = (0..connections)
        .map(|index| {
            let bulk = bed
                .lab
                .bulk()
                .duration(seconds(BEFORE + actor.settle + MEASURE + 5.0))
                .limit(seconds(60.0));
            let bulk = bulk.direction(case.traffic.direction()).version(case.version());
            bulk.seed(index as u64 + 1).start()
        })
        .collect();
    let outcome = started.map_err(|error| error.to_string()).and_then(|transfers| {
        thread::sleep(seconds(BEFORE));
        if !in_force {
            bed.apply(at, &text);
        }
        let since = time_of_day() + 0.2;
        let applied: Vec<f64> = transfers
            .iter()
            .map(|transfer| transfer.elapsed().as_secs_f64())
            .collect();
        thread::sleep(seconds(actor.settle + MEASURE + 0.2));
        let last = time_of_day();
        transfers.iter().for_each(emptcp_lab::RunningBulk::stop);
        // What waits behind a policy would take long to arrive: the payload is compared to its end all the same.
        bed.remove(at);
        let reports: Result<Vec<_>, _> = transfers.into_iter().map(emptcp_lab::RunningBulk::finish).collect();
        let reports = reports.map_err(|error| error.to_string())?;
        Ok((reports.into_iter().zip(applied).collect(), since, last))
    });
    for command in actor.commands {
        let rule = format!(
            "ip {} {}",
            if case.ipv6 { "-6" } else { "-4" },
            command.replace("ACTION", "del")
        );
        crate::live::shell(at, &rule);
    }
    let capture = capture.map(|capture| capture.stop().expect("the capture"));
    if outcome.is_err() {
        bed.remove(at);
    }
    let (transfers, since, last) = outcome?;
    let after = bed.hosts().map(|host| host.mib().expect("counters"));
    let seen = Seen {
        bed,
        case: *case,
        transfers,
        mib: [after[0].since(&before[0]), after[1].since(&before[1])],
        capture: capture.map(|file| (file, [if in_force { 0.0 } else { since }, last])),
        settle: actor.settle,
        _folder: folder,
    };
    Ok(seen)
}
