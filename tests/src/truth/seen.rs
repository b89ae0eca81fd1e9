//! The observations of one case: by the kernels, and from captured packets.

use super::{
    actors::Actor,
    case::{Case, Place},
    outside::Packets,
};
use crate::live::{Bed, seconds};
use emptcp_lab::{
    BulkReport, Capture, CaptureFile, Counter, End, EndpointPlan, FourTuple, Host, Lab, Mib, Path, Rate, Topology,
};
use emptcp_packet::events::Event;
use mptcp_wire::tcp::State;
use serde::Serialize;
use std::time::Duration;

/// Duration of the measurement after the traffic has settled, in seconds.
pub(super) const MEASURE: f64 = 2.5;

/// Rate of each path, Mbit/s of IP packets.
pub const PATH_RATE: u64 = 20;

/// The path on which policies act is the second one.
pub const PATH: usize = 1;

/// The result of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The measured quantity and its source.
    pub judge: String,
    /// The measured value.
    pub measured: f64,
    /// The allowed minimum and maximum.
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
            // Without it, every packet of a known connection is routed by the rules, as on a router.
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

/// The observations of a case.
pub struct Seen<'a> {
    /// The bed.
    pub bed: &'a Bed,
    /// The actor.
    pub actor: &'a Actor,
    /// The case.
    pub case: Case,
    /// The report of each connection, and the start of the policy, in seconds after the connection's beginning.
    pub transfers: Vec<(BulkReport, f64)>,
    /// Changes of the kernels' counters: client, server.
    pub mib: [Mib; 2],
    /// Frames after the place of the policy, and the times of day between which it is in force.
    pub capture: Option<(CaptureFile, [f64; 2])>,
    /// The client's established subflows, as `ss -ti` shows them.
    pub sockets: String,
    /// Packets of each class while the policy was in force, where there are classes.
    pub classes: Packets,
    /// Events while the connections ran and as they ended, and the number of overwritten events.
    pub events: (Vec<Event>, u64),
    /// When each connection began, ns of CLOCK_MONOTONIC.
    pub begun_ns: Vec<u64>,
    /// Early ends of connections: the application's error, and the time in seconds after the connection's beginning.
    pub ended: Vec<Option<(String, f64)>>,
    pub(super) _folder: tempfile::TempDir,
}

impl Seen<'_> {
    /// Rate on each path by the receivers' kernels, for each connection, Mbit/s.
    pub fn rates(&self, up: bool) -> Vec<[f64; 2]> {
        let of = |report: &BulkReport, applied: f64| {
            let series = report.series(if up { End::Server } else { End::Client });
            let from = applied + self.actor.settles(&self.case);
            let mut rates = [0.0; 2];
            for key in series.subflows() {
                let Some(path) = self.bed.lab.path_of(&key) else {
                    continue;
                };
                let rate = series.throughput(&key, Counter::Received, seconds(from), seconds(from + MEASURE));
                rates[path] += rate.unwrap_or_default();
            }
            rates
        };
        self.transfers
            .iter()
            .map(|(report, applied)| of(report, *applied))
            .collect()
    }

    /// The same of a path, all connections together.
    pub fn rate(&self, up: bool, path: usize) -> f64 {
        self.rates(up).iter().map(|paths| paths[path]).sum()
    }

    /// Subflows on a path that a host's kernel had in the last second of the traffic.
    pub fn subflows_at_the_end(&self, end: End, path: usize) -> usize {
        let of = |report: &BulkReport, applied: f64| {
            let series = report.series(end);
            let late = series
                .samples()
                .iter()
                .rev()
                .find(|sample| sample.at.as_secs_f64() < applied + self.actor.settles(&self.case) + MEASURE);
            let on_path = |key: &FourTuple| self.bed.lab.path_of(key) == Some(path);
            late.map_or(0, |sample| {
                // Only established ones: a subflow that waits for its last acknowledgements does not count.
                let open = sample
                    .info
                    .subflows
                    .iter()
                    .filter(|flow| flow.tcp.state == State::Established && on_path(&flow.addresses));
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
            keys.any(|key| series.backup(key).any(|backup| backup))
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

    /// Seconds after the policy came until a host's kernel had no established subflow on the path, for nine connections
    /// of ten; infinite where more stay.
    pub fn gone_after(&self, end: End, path: usize) -> f64 {
        let of = |report: &BulkReport, applied: f64| {
            let samples = report.series(end).samples().iter();
            let mut later = samples.filter(|sample| sample.at.as_secs_f64() >= applied);
            let gone = later.find(|sample| {
                let mut open = sample
                    .info
                    .subflows
                    .iter()
                    .filter(|flow| flow.tcp.state == State::Established);
                !open.any(|flow| self.bed.lab.path_of(&flow.addresses) == Some(path))
            });
            gone.map_or(f64::INFINITY, |sample| sample.at.as_secs_f64() - applied)
        };
        let mut times: Vec<f64> = self
            .transfers
            .iter()
            .map(|(report, applied)| of(report, *applied))
            .collect();
        times.sort_by(f64::total_cmp);
        times
            .get((times.len() * 9).div_ceil(10).saturating_sub(1))
            .copied()
            .unwrap_or(f64::INFINITY)
    }

    /// The host on the local side of the policy's device; for a router, the server.
    pub fn near(&self) -> End {
        match self.case.place {
            Place::ClientEgress | Place::ClientIngress => End::Client,
            _ => End::Server,
        }
    }

    /// Fields of the captured frames of MPTCP on the path of the policies that were sent while it was in force: those
    /// in its direction, or those of the other.
    pub fn frames(&self, in_direction: bool, only: &str, fields: &[&str]) -> Vec<Vec<String>> {
        self.frames_of_both(&format!("{} && ({only})", self.direction(in_direction)), fields)
    }

    /// For tshark: frames in the direction of the policy, or those of the other.
    pub fn direction(&self, in_direction: bool) -> String {
        let ip = if self.case.ipv6 { "ipv6" } else { "ip" };
        let side = if self.case.place.sees_uploads() == in_direction {
            "src"
        } else {
            "dst"
        };
        format!("{ip}.{side} == {}", self.address())
    }

    /// The client's address on the path of the policies.
    pub fn address(&self) -> std::net::IpAddr {
        let client = self.bed.lab.client();
        client.address(PATH, self.case.version()).expect("an address")
    }

    /// The same of both directions, in the order of the capture.
    pub fn frames_of_both(&self, only: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let (_, [since, until]) = self.capture.as_ref().expect("the actor wants a capture");
        let time = format!("frame.time_epoch > {since:.6} && frame.time_epoch < {until:.6}");
        self.frames_ever(&format!("{time} && ({only})"), fields)
    }

    /// The same, from the begin of the case to its end.
    pub fn frames_ever(&self, only: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let (capture, _) = self.capture.as_ref().expect("the actor wants a capture");
        let ip = if self.case.ipv6 { "ipv6" } else { "ip" };
        let filter = format!("{ip}.addr == {} && tcp.option_kind == 30 && ({only})", self.address());
        let lines = capture.fields(&filter, fields).expect("tshark reads the capture");
        lines
            .iter()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }
}

/// Where frames after the policy's hook are captured; `None` if only the host's stack follows the hook.
pub(super) fn capture(bed: &Bed, place: Place, folder: &std::path::Path) -> Option<Capture> {
    let file = folder.join("truth.pcap");
    let number = PATH + 1;
    let (netns, device) = match place {
        Place::ClientEgress => (bed.lab.middle(), format!("client{number}")),
        Place::ServerEgress | Place::RouterEgress => (bed.lab.middle(), format!("server{number}")),
        Place::RouterIngress => (host(bed, place).netns(), "server".to_owned()),
        Place::ClientIngress | Place::ServerIngress => return None,
    };
    Some(Capture::start(netns, &device, &file).expect("a capture"))
}
