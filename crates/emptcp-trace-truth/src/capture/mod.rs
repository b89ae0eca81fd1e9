//! What the capture point saw, the faults of the capture, and the figures.
//!
//! * This file: faults, packet numbers, the finished capture. `figures.rs`: exact figures by brute force. `pcap.rs`:
//!   the file.

mod figures;
mod pcap;

use crate::packet::Record;
use crate::plan::{Happening, Plan};
use crate::random::Random;
use crate::truth::{Ledger, Origin, Truth};
use crate::world;
use emptcp_trace::source::Packets;
use emptcp_trace::Timestamp;
use mptcp_wire::LinkType;

/// A captured frame.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    time: Timestamp,
    bytes: Vec<u8>,
}

/// A capture and the truth about it.
#[derive(Clone, Debug)]
pub struct Capture {
    seed: u64,
    frames: Vec<Frame>,
    /// What happened.
    pub truth: Truth,
    plan: Plan,
}

impl Capture {
    /// The capture of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(Plan::new(seed))
    }

    fn of(plan: Plan) -> Self {
        let mut ledger = Ledger::default();
        let mut records = world::run(&plan, &mut ledger);
        let mut copies = Vec::new();
        for (number, happening) in plan.unusual() {
            fault(&plan, number, happening, &mut records, &mut copies, &mut ledger);
        }
        let truth = figures::truth(&records, &copies, ledger);
        let mut frames: Vec<_> = records.iter().chain(&copies).map(frame).collect();
        frames.sort_by_key(|frame| frame.time);
        Self {
            seed: plan.seed,
            frames,
            truth,
            plan,
        }
    }

    /// Whether each planned happening can be shown: without it the capture is another one, and what it befell took
    /// sequence numbers, or had an option.
    #[must_use]
    pub fn can_be_shown(&self) -> Vec<bool> {
        let planned = 0..self.plan.happenings.len();
        let shown = planned.map(|number| {
            let took_effect = self.truth.facts.iter().any(|fact| fact.happening == Some(number));
            took_effect && self.truth.weighs.get(number).is_some_and(|weighs| *weighs) && Self::of(self.plan.clone().without(number)).frames != self.frames
        });
        shown.collect()
    }

    /// The packets, to be analysed.
    #[must_use]
    pub fn packets(&self) -> Packets {
        let mut packets = Packets::new(&format!("capture {}", self.seed), LinkType::Ethernet);
        for frame in &self.frames {
            packets.push(frame.time, frame.bytes.clone());
        }
        packets
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// When a packet, counted from 1, was captured.
    #[must_use]
    pub fn time(&self, number: u64) -> Option<Timestamp> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Some(self.frames.get(index)?.time)
    }

    /// The hosts and paths, in a line.
    #[must_use]
    pub fn about(&self) -> String {
        let plan = &self.plan;
        format!(
            "version {}, {} paths, captured near the {}, {} packets",
            plan.version.number(),
            plan.paths.len(),
            plan.capture_near.sender(),
            self.len()
        )
    }

    /// What was planned to happen.
    pub(crate) fn happenings(&self) -> impl Iterator<Item = Happening> {
        self.plan.happenings.iter().flatten().copied()
    }

    /// How many packets it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

fn frame(record: &Record) -> Frame {
    Frame {
        time: record.time,
        bytes: record.packet.frame(),
    }
}

/// A fault of the capture.
fn fault(
    plan: &Plan,
    number: usize,
    happening: Happening,
    records: &mut Vec<Record>,
    copies: &mut Vec<Record>,
    ledger: &mut Ledger,
) {
    let origin = Origin {
        cause: happening.cause(),
        what: happening.what(),
        happening: Some(number),
    };
    let mut random = Random::new(plan.seed, 200 + number as u64);
    match happening {
        Happening::NotCaptured { per_mille } => records.retain(|record| {
            let packet = &record.packet;
            let dropped = random.below(1000) < per_mille;
            if dropped {
                ledger.note_lost(origin, packet, record.time);
            }
            !dropped
        }),
        Happening::Twice { later } => {
            for record in records.iter() {
                copies.push(Record {
                    time: record.time + later,
                    packet: record.packet.clone(),
                });
                ledger.note(origin, None, None, record.time);
            }
        }
        Happening::Begins { after_per_mille } => {
            let missing = records.len() * after_per_mille as usize / 1000;
            if missing > 0 {
                records.drain(..missing);
                for record in [records.first(), records.last()].into_iter().flatten() {
                    ledger.note(origin, None, None, record.time);
                }
            }
        }
        _ => {}
    }
}
