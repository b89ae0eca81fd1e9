//! What the capture point saw, the faults of the capture, and the figures.
//!
//! * This file: the finished capture. `faults.rs`: what is wrong with it. `traces.rs`: what it cannot show.
//!   `figures.rs`: exact figures by brute force. `pcap.rs`: the file.

mod faults;
mod figures;
mod pcap;
mod traces;

use crate::packet::Record;
use crate::plan::{Happening, Plan};
use crate::truth::{Ledger, Truth};
use crate::world;
use emptcp_trace::Timestamp;

/// A record and what the capture makes of it.
#[derive(Clone, Debug)]
struct Seen {
    record: Record,
    /// The time that the capture has.
    time: Timestamp,
    /// It is in the capture already.
    is_copy: bool,
    /// At most so many bytes are captured.
    most: usize,
}

/// The bytes before the payload.
fn headers(seen: &Seen) -> usize {
    14 + seen.record.packet.length() - seen.record.packet.payload.len()
}

/// A captured frame.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    time: Timestamp,
    true_time: Timestamp,
    bytes: Vec<u8>,
    /// Its length on the wire.
    length: usize,
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
        let records = world::run(&plan, &mut ledger);
        let mut seen: Vec<_> = records
            .into_iter()
            .map(|record| Seen {
                time: record.time,
                record,
                is_copy: false,
                most: usize::MAX,
            })
            .collect();
        for (number, happening) in plan.unusual() {
            faults::apply(&plan, number, happening, &mut seen, &mut ledger);
        }
        traces::settle(&plan, &seen, &mut ledger);
        let truth = figures::truth(&seen, ledger);
        let frames = seen.iter().map(|seen| {
            let mut bytes = seen.record.packet.frame();
            let length = bytes.len();
            bytes.truncate(seen.most);
            Frame {
                time: seen.time,
                true_time: seen.record.time,
                bytes,
                length,
            }
        });
        Self {
            seed: plan.seed,
            frames: frames.collect(),
            truth,
            plan,
        }
    }

    /// Whether each planned happening can be shown: without it the capture is another one, and what it befell leaves a
    /// trace: sequence numbers, or an option.
    #[must_use]
    pub fn can_be_shown(&self) -> Vec<bool> {
        let planned = 0..self.plan.happenings.len();
        let shown = planned.map(|number| {
            let weighs = self.truth.weighs.get(number).is_some_and(|weighs| *weighs);
            weighs && Self::of(self.plan.clone().without(number)).frames != self.frames
        });
        shown.collect()
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// When a packet, counted from 1, really passed; the capture may say another time.
    #[must_use]
    pub fn true_time(&self, number: u64) -> Option<Timestamp> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Some(self.frames.get(index)?.true_time)
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
