//! What is going to happen: hosts, paths, capture, drawn from a seed.

mod draw;
mod happening;
mod unusual;

pub(crate) use happening::{Fault, Happening, Resegmenting};

use emptcp_trace::{Direction, PerDirection, Span};
use mptcp_wire::Version;
use mptcp_wire::mptcp::ResetReason;
use std::net::IpAddr;

/// A host, honest and as its settings say.
#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    /// It asks for DSS checksums.
    pub(crate) checksums: bool,
    /// Segments under one mapping.
    pub(crate) mapping_segments: u32,
    /// Only the first of them carries the mapping.
    pub(crate) mapping_once: bool,
    /// 64-bit data sequence numbers, and DATA_ACKs.
    pub(crate) long_dsn: bool,
    pub(crate) long_ack: bool,
    pub(crate) timestamps: bool,
    /// Takes turns over all subflows, rather than the one with the shortest round trip.
    pub(crate) takes_turns: bool,
    /// What the application writes: the time since the write before, and bytes.
    pub(crate) writes: Vec<(Span, u64)>,
    /// Knows Multipath TCP.
    pub(crate) speaks_mptcp: bool,
    /// Refuses connections.
    pub(crate) refuses: bool,
    /// Refuses joins, for this reason.
    pub(crate) refuses_joins: Option<ResetReason>,
    /// The happening that its application is idle for.
    pub(crate) idle: Option<usize>,
    /// When, what, and the happening that it is.
    pub(crate) orders: Vec<(Span, Order, usize)>,
    pub(crate) maximum_segment: u32,
}

/// What somebody does at a host, at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Fastclose { by_ack: bool },
    FallBack,
    Remove { path: usize },
    Backup,
    Malformed(Fault),
}

/// Whom it concerns on the path, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) path: usize,
    /// The sender whose packets it befalls; none when both.
    pub(crate) direction: Option<Direction>,
    /// Since the beginning of the connection.
    pub(crate) from: Span,
    /// Between the near host and the capture, rather than behind the capture.
    pub(crate) before_capture: bool,
}

/// A path between the hosts.
#[derive(Clone, Debug)]
pub(crate) struct PathPlan {
    pub(crate) client: IpAddr,
    pub(crate) server: IpAddr,
    /// From the client to the capture, and from there to the server.
    pub(crate) delays: [Span; 2],
    /// Routers between the capture and the other host.
    pub(crate) hops: u8,
    /// Bytes per second.
    pub(crate) rate: u64,
}

/// A further subflow.
#[derive(Clone, Debug)]
pub(crate) struct JoinPlan {
    pub(crate) path: usize,
    /// After the connection was established.
    pub(crate) at: Span,
    pub(crate) backup: bool,
    /// The server announces its address, and it is opened in answer.
    pub(crate) announced: bool,
}

/// A whole capture.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) version: Version,
    pub(crate) hosts: PerDirection<HostPlan>,
    pub(crate) server_port: u16,
    pub(crate) paths: Vec<PathPlan>,
    pub(crate) joins: Vec<JoinPlan>,
    /// What is unusual; none in the place of what was taken out.
    pub(crate) happenings: Vec<Option<Happening>>,
    /// Near this sender.
    pub(crate) capture_near: Direction,
    /// The end of the capture.
    pub(crate) until: Span,
}

impl Plan {
    /// Whether DSS checksums are in use.
    pub(crate) fn has_checksums(&self) -> bool {
        self.hosts.0.iter().any(|host| host.checksums)
    }

    /// What is unusual, with its number.
    pub(crate) fn unusual(&self) -> impl Iterator<Item = (usize, Happening)> {
        let numbered = self.happenings.iter().enumerate();
        numbered.filter_map(|(number, happening)| Some((number, (*happening)?)))
    }
}
