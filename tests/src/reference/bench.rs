//! Feeds the same packets to the programs and to the model, and compares every field after every packet.

use super::{
    compare::{differences, model_connection, model_record, program_connection, program_record},
    frame::LINK,
    traffic,
};
use crate::sandbox::{DEVICE, direction, policy};
use emptcp_abi::{ConnectionId, Flow, FlowKey};
use emptcp_flow_reference::{
    Counters, FourTuple, Model, Packet, Sampled, Side, Times,
    update::{microseconds, smoothed},
};
use emptcp_packet::{
    Catalog,
    testrun::{Input, Sandbox, Verdict},
};
use emptcp_plan::manifest::Hook;
use std::{fmt::Write, time::Duration};

/// One step of a sequence.
#[derive(Clone, Debug)]
pub enum Step {
    /// A packet passes the device.
    Packet {
        /// Peer sends it.
        side: Side,
        /// The bytes from the Ethernet header on.
        frame: Vec<u8>,
        /// Number of wire segments in it.
        segments: u32,
        /// A description of it.
        what: &'static str,
    },
    /// A pause of this length. It takes no time: the timestamps of the records are moved.
    Wait(Duration),
    /// Waits for one or two ticks of the coarse clock.
    Tick,
}

impl Step {
    /// A packet.
    pub fn packet(side: Side, frame: Vec<u8>, segments: u32, what: &'static str) -> Self {
        Self::Packet {
            side,
            frame,
            segments,
            what,
        }
    }
}

/// A difference between model and program.
#[derive(Clone, Debug)]
pub struct Difference {
    /// After which step.
    pub step: usize,
    /// Each field: its name, the model's value, the program's.
    pub fields: Vec<String>,
}

/// Counts of compared items.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Packets.
    pub packets: u64,
    /// Acceptable packets of a record.
    pub accepted: u64,
    /// Segments refused.
    pub unacceptable: u64,
    /// Round trips measured.
    pub samples: u64,
    /// Subflows established.
    pub established: u64,
    /// Numbers replaced.
    pub reanchored: u64,
}

impl std::ops::AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.accepted += other.accepted;
        self.unacceptable += other.unacceptable;
        self.samples += other.samples;
        self.established += other.established;
        self.reanchored += other.reanchored;
    }
}

/// A hook with its programs.
#[derive(Debug)]
pub struct Bench {
    sandbox: Sandbox,
    hook: Hook,
}

/// Packets of one sequence.
const LENGTH: usize = 250;

/// One tick at 250 Hz and a little more.
const TICK: Duration = Duration::from_millis(5);

fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

impl Bench {
    /// Loads the programs.
    ///
    /// # Panics
    /// When the kernel refuses them.
    pub fn new(hook: Hook) -> Self {
        // The policy selects nothing, but connections are tracked.
        let condition = "ip.src == 192.0.2.255 and connection.bytes < 1";
        let policies = policy("none", direction(hook), condition, &["count"]);
        let policies = format!("[tables]\nflows = 64\n{policies}");
        let catalog = Catalog::built_in();
        let plan = emptcp_plan::compile("reference.toml", &policies, &catalog.manifests()).expect("a policy file");
        let sandbox = Sandbox::new(&plan, hook, &catalog, &[(DEVICE, 1)]).expect("programs that load");
        Self { sandbox, hook }
    }

    /// Runs sequences until `packets` were compared. Calls `progress` after each sequence.
    ///
    /// # Errors
    /// The difference: how to reproduce it, and the shortest sequence that shows it.
    pub fn run(&self, seed: u64, packets: u64, progress: &mut dyn FnMut(&Compared)) -> Result<Compared, String> {
        let mut all = Compared::default();
        let mut number = seed;
        while all.packets < packets {
            all += self.one(number)?;
            progress(&all);
            number = number.wrapping_add(1);
        }
        Ok(all)
    }

    /// The sequence of one seed.
    fn one(&self, seed: u64) -> Result<Compared, String> {
        let steps = traffic::steps(seed, LENGTH, self.hook != Hook::Xdp);
        self.play(&steps).map_err(|found| {
            let mut text = format!("{:?}, seed {seed}, packet {}:\n", self.hook, found.step);
            self.shrink(&mut text, steps, found);
            text
        })
    }

    /// Feeds a sequence to both.
    ///
    /// # Errors
    /// The first step after which they differ.
    pub fn play(&self, steps: &[Step]) -> Result<Compared, Difference> {
        self.sandbox.forget().expect("tables");
        let before = self.counters();
        let (mut model, mut compared) = (Model::default(), Compared::default());
        for (index, step) in steps.iter().enumerate() {
            let fields = match step {
                Step::Wait(time) => {
                    self.sandbox.age(*time).expect("tables");
                    model.age(time.as_nanos() as u64);
                    Vec::new()
                }
                Step::Tick => {
                    std::thread::sleep(TICK);
                    Vec::new()
                }
                Step::Packet {
                    side, frame, segments, ..
                } => {
                    compared.packets += 1;
                    self.packet(&mut model, *side, frame, *segments, &mut compared)
                }
            };
            if !fields.is_empty() {
                return Err(Difference { step: index, fields });
            }
        }
        let fields = counted(&model.counters, &before, &self.counters());
        compared.unacceptable = model.counters.unacceptable;
        compared.established = model.counters.flow_established;
        compared.reanchored = model.counters.reanchored;
        if fields.is_empty() {
            Ok(compared)
        } else {
            Err(Difference {
                step: steps.len().saturating_sub(1),
                fields,
            })
        }
    }

    fn counters(&self) -> Counters {
        let core = self.sandbox.stats().expect("counters").0;
        Counters {
            flow_new: core["flow_new"] + core["flow_partial"],
            flow_established: core["flow_established"],
            flow_closed: core["flow_closed"],
            connection_new: core["connection_new"],
            connection_unknown: core["connection_unknown"],
            unacceptable: core["unacceptable"],
            syn_on_established: core["syn_on_established"],
            reanchored: core["reanchored"],
        }
    }

    fn packet(
        &self,
        model: &mut Model,
        side: Side,
        frame: &[u8],
        segments: u32,
        compared: &mut Compared,
    ) -> Vec<String> {
        let input = Input {
            segments,
            ..Input::new(frame)
        };
        let ours = (side == Side::Local) == (self.hook == Hook::TcEgress);
        let begun = now();
        let output = match ours {
            true => self.sandbox.run(&input),
            false => self.sandbox.run_opposite(&input),
        };
        let ended = now();
        let output = output.expect("a test run");
        let mut fields = Vec::new();
        if output.verdict != Verdict::Pass || output.packet != frame {
            fields.push(format!("the packet did not pass as it was: {:?}", output.verdict));
        }
        let Some(packet) = Packet::read(frame, side, segments) else {
            return fields;
        };
        let key = FlowKey::from(packet.key);
        let established = self.sandbox.record(&key).expect("tables");
        let opening = self.sandbox.half_open(&key).expect("tables");
        let both = || established.iter().chain(&opening);
        // The model uses the programs' timestamps, if they are plausible.
        let stamp = |stamps: &mut dyn Iterator<Item = u64>, from: u64| {
            stamps
                .filter(|stamp| (from..=ended).contains(stamp))
                .max()
                .unwrap_or(ended)
        };
        // A record that ended has left its timestamp in the connection.
        let tables = [&model.established, &model.opening];
        let records = tables.iter().filter_map(|table| table.get(&packet.key));
        let met = records.filter_map(|record| record.connection).map(ConnectionId);
        let met: Vec<_> = met.chain(both().map(|flow| flow.connection)).collect();
        let connections = met
            .iter()
            .filter_map(|id| self.sandbox.connection(*id).expect("tables"));
        let connections: Vec<_> = connections.collect();
        let mut stamps = both()
            .flat_map(|flow| [flow.last_ns, flow.sender[side as usize].last_ns])
            .chain(connections.iter().map(|connection| connection.last_ns));
        let times = Times {
            coarse: stamp(&mut stamps, begun.saturating_sub(1_000_000_000)),
            exact: stamp(&mut both().map(|flow| flow.sender[side as usize].rtt_sent_ns), begun),
        };
        let outcome = model.feed(&packet, times);
        compared.accepted += u64::from(outcome.accepted);
        if let Some(sample) = &outcome.sampled {
            compared.samples += 1;
            let program = if sample.established { &established } else { &opening };
            take_sample(
                model,
                &packet.key,
                sample,
                (begun, ended),
                program.as_ref(),
                &mut fields,
            );
        }
        compare_record(
            model.established.get(&packet.key),
            established.as_ref(),
            "established",
            &mut fields,
        );
        compare_record(
            model.opening.get(&packet.key),
            opening.as_ref(),
            "half-open",
            &mut fields,
        );
        for program in &connections {
            match model.connections.get(&program.id.0) {
                Some(model) => fields.extend(differences(&model_connection(model), &program_connection(program))),
                None => fields.push(format!("connection {}: the model does not know it", program.id)),
            }
        }
        fields.extend(
            model
                .connections
                .keys()
                .filter(|id| met.contains(&ConnectionId(**id)))
                .filter_map(|id| {
                    let missing = !connections.iter().any(|connection| connection.id.0 == *id);
                    missing.then(|| format!("connection {}: only the model knows it", ConnectionId(*id)))
                }),
        );
        fields
    }

    /// Describes the shortest sequence that still shows a difference.
    fn shrink(&self, text: &mut String, mut steps: Vec<Step>, mut found: Difference) {
        let _ = writeln!(text, "  {}", found.fields.join("\n  "));
        steps.truncate(found.step + 1);
        if let Some(step) = steps.last() {
            let _ = writeln!(text, "  after {}", words(step));
        }
        let mut size = steps.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < steps.len() {
                let mut fewer = steps.clone();
                fewer.drain(at..(at + size).min(steps.len()));
                match self.play(&fewer) {
                    Err(difference) => {
                        steps = fewer;
                        steps.truncate(difference.step + 1);
                        found = difference;
                    }
                    Ok(_) => at += size,
                }
            }
            size /= 2;
        }
        let _ = writeln!(text, "the shortest sequence that shows a difference:");
        for step in &steps {
            let _ = writeln!(text, "  {}", words(step));
        }
        let _ = write!(text, "  {}", found.fields.join("\n  "));
    }
}

/// The exact end of a sample is between two readings of the clock: the program's figures must be those of one such
/// time, and are then the model's.
fn take_sample(
    model: &mut Model,
    key: &FourTuple,
    sample: &Sampled,
    (begun, ended): (u64, u64),
    program: Option<&Flow>,
    fields: &mut Vec<String>,
) {
    let table = match sample.established {
        true => &mut model.established,
        false => &mut model.opening,
    };
    // A record that is gone needs no figures.
    let (Some(record), Some(program)) = (table.get_mut(key), program) else {
        return;
    };
    let sender = &mut record.sender[sample.side as usize];
    let program = &program.sender[sample.side as usize];
    let (found, least) = (program.rtt_us, program.rtt_min_us);
    let shortest = microseconds(begun.wrapping_sub(sample.sent_ns));
    let longest = microseconds(ended.wrapping_sub(sample.sent_ns));
    let (low, high) = if sample.samples == 0 || least < sample.rtt_min_us {
        (least, least)
    } else {
        (shortest.max(least), longest)
    };
    let smoothed = |time| smoothed(sample.rtt_us, sample.samples, time);
    if (shortest..=longest).contains(&low)
        && (smoothed(low)..=smoothed(high)).contains(&found)
        && (sample.samples == 0 || least <= sample.rtt_min_us)
    {
        (sender.rtt_us, sender.rtt_min_us) = (found, least);
    } else {
        fields.push(format!(
            "round trip of {shortest} to {longest} us after {sample:?}: program {found}, least {least}"
        ));
    }
}

fn compare_record(
    model: Option<&emptcp_flow_reference::Record>,
    program: Option<&Flow>,
    which: &str,
    fields: &mut Vec<String>,
) {
    match (model, program) {
        (Some(model), Some(program)) => {
            let found = differences(&model_record(model), &program_record(program));
            fields.extend(found.into_iter().map(|field| format!("{which} {field}")));
            for (side, (model, program)) in model.sender.iter().zip(&program.sender).enumerate() {
                if (model.rtt_us, model.rtt_min_us) != (program.rtt_us, program.rtt_min_us) {
                    fields.push(format!(
                        "{which} side {side}: round trip {:?}, program {:?}",
                        (model.rtt_us, model.rtt_min_us),
                        (program.rtt_us, program.rtt_min_us)
                    ));
                }
            }
        }
        (None, None) => {}
        (model, _) => fields.push(format!("{which} record: the model has one: {}", model.is_some())),
    }
}

fn counted(model: &Counters, before: &Counters, after: &Counters) -> Vec<String> {
    let values = |counters: &Counters| {
        [
            ("flow_new", counters.flow_new),
            ("flow_established", counters.flow_established),
            ("flow_closed", counters.flow_closed),
            ("connection_new", counters.connection_new),
            ("connection_unknown", counters.connection_unknown),
            ("unacceptable", counters.unacceptable),
            ("syn_on_established", counters.syn_on_established),
            ("reanchored", counters.reanchored),
        ]
    };
    let mut program = values(after);
    for ((_, after), (_, before)) in program.iter_mut().zip(values(before)) {
        *after -= before;
    }
    differences(&values(model), &program)
}

/// A step as text.
fn words(step: &Step) -> String {
    let (side, frame, segments, what) = match step {
        Step::Wait(time) => return format!("{time:?} pass"),
        Step::Tick => return "a tick passes".to_owned(),
        Step::Packet {
            side,
            frame,
            segments,
            what,
        } => (*side, frame, *segments, what),
    };
    let Some(packet) = Packet::read(frame, side, segments) else {
        return format!("{side:?}: {what}, which is not TCP: {:02x?}", &frame[LINK..]);
    };
    let mut text = format!("{side:?} {what}:");
    for (name, set) in [
        ("SYN", packet.syn),
        ("FIN", packet.fin),
        ("RST", packet.rst),
        ("PSH", packet.psh),
    ] {
        if set {
            let _ = write!(text, " {name}");
        }
    }
    let _ = write!(text, " {} <-> {}", packet.key.local, packet.key.remote);
    let _ = write!(text, " seq={} len={}", packet.sequence, packet.payload);
    if let Some(ack) = packet.acknowledgement {
        let _ = write!(text, " ack={ack}");
    }
    let _ = write!(text, " win={}", packet.window);
    macro_rules! said {
        ($($field:ident),*) => {$(
            if let Some(value) = &packet.$field {
                let _ = write!(text, " {}={value:?}", stringify!($field));
            }
        )*};
    }
    said!(
        timestamps,
        sack_edge,
        window_scale,
        capable,
        joining,
        data_ack,
        mapping,
        priority
    );
    if segments > 1 {
        let _ = write!(text, " segments={segments}");
    }
    if packet.join {
        text.push_str(" MP_JOIN");
    }
    if packet.dss {
        text.push_str(" DSS");
    }
    text
}
