//! Runs chains on packets without a network: `BPF_PROG_TEST_RUN`. For packet cases, replays of captures and the bench.

mod records;

pub use crate::adopt::Adopter;
use crate::{
    allocation,
    bank::Filling,
    core_programs,
    elements::catalog::Catalog,
    error::{OrKernel, Result},
    event_reader::{Begin, EventReader, Policies},
    flow_table,
    flows::{self, now_ns},
    maps::Maps,
    names::Names,
    shape::Shaping,
    stacked,
    stats::{self, PolicyStats},
    store::State,
    tables,
};
use emptcp_abi::{Connection, DevicePair, Flow, FlowKey, Generation, RULES, Rule, feature};
use emptcp_host::device::Devices;
use emptcp_load::{entries, mapping::Control, program as bpf, program::TestRun};
use emptcp_plan::{
    manifest::Hook,
    plan::{DeviceDirection, Plan},
};
use libbpf_rs::MapCore;
use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::{AsFd, OwnedFd},
};
use zerocopy::FromBytes;

/// A packet and its context.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The packet, from the Ethernet header on; at least 14 bytes.
    pub packet: &'a [u8],
    /// The device, which must exist in this network namespace; 1, the loopback device, always does.
    pub ifindex: u32,
    /// How often, at least 1. The flow table sees every repetition.
    pub repeat: u32,
    /// `skb->mark` before the run (tc).
    pub mark: u32,
    /// `skb->priority` before the run (tc).
    pub priority: u32,
    /// Segments that the packet stands for: `skb->gso_segs` (tc); 0 or 1 for a plain packet.
    pub segments: u32,
    /// Payload of each of those segments: `skb->gso_size` (tc); 0: unknown.
    pub segment_size: u32,
}

impl<'a> Input<'a> {
    /// A plain packet on the loopback device, once.
    pub fn new(packet: &'a [u8]) -> Self {
        Self {
            packet,
            ifindex: 1,
            repeat: 1,
            mark: 0,
            priority: 0,
            segments: 0,
            segment_size: 0,
        }
    }
}

/// What the chain decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The packet goes on.
    Pass,
    /// The packet ends here.
    Drop,
    /// The packet is sent back out of the device (XDP).
    Reflect,
    /// The packet is redirected to a device (tc).
    Redirect,
    /// Another return value of the hook.
    Other(u32),
}

/// The result of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// The verdict of the last repetition.
    pub verdict: Verdict,
    /// The packet after the chain.
    pub packet: Vec<u8>,
    /// Mean time of one run, ns, as the kernel measured it.
    pub duration_ns: u32,
    /// `skb->mark` after the run; `None` if the hook or the kernel does not report it.
    pub mark: Option<u32>,
    /// `skb->priority` after the run.
    pub priority: Option<u32>,
    /// `skb->gso_segs` after the run (tc): 0 for a plain packet.
    pub segments: Option<u32>,
}

/// Offsets in `struct __sk_buff`, which is part of the kernel's stable interface.
mod skb {
    pub(super) const SIZE: usize = 192;
    pub(super) const MARK: usize = 8;
    pub(super) const PRIORITY: usize = 32;
    pub(super) const IFINDEX: usize = 40;
    pub(super) const GSO_SEGS: usize = 164;
    pub(super) const GSO_SIZE: usize = 176;
}

/// A policy set at one hook with maps of its own; nothing is pinned or attached, and dropping it frees everything.
#[derive(Debug)]
pub struct Sandbox {
    hook: Hook,
    maps: Maps,
    control: Control,
    entry: OwnedFd,
    opposite: OwnedFd,
    state: State,
    catalog: Catalog,
    devices: Devices,
    stacked: u32,
}

impl Sandbox {
    /// Loads the policies of `plan`. [`Sandbox::run`] runs packets at `hook`; packets of the other direction run at tc.
    /// `devices` gives an interface index to every device of the plan.
    ///
    /// # Errors
    /// As for an apply: a refused program, an unknown device, missing rights.
    pub fn new(plan: &Plan, hook: Hook, catalog: &Catalog, devices: &[(&str, u32)]) -> Result<Self> {
        let maps = tables::create(&plan.tables)?;
        for bank in 0..2 {
            maps.write_rules(bank, &[Rule::STOP; RULES as usize])?;
        }
        let control = Control::map(maps.get("emptcp_control")?.as_fd()).or_kernel("map the control word")?;
        let both = [hook, opposite_of(hook)];
        let entries = both.map(|hook| (hook, 14));
        let entries = core_programs::ensure(&maps, &BTreeSet::from(both), plan.rules.len(), &entries)?;
        let Ok([entry, opposite]) = <[OwnedFd; 2]>::try_from(entries) else {
            unreachable!("one program for each entry that was asked for");
        };
        let state = State {
            generation: 0,
            plan: Plan::default(),
            source: String::new(),
            allocation: allocation::Allocation::default(),
            tables: plan.tables,
            applied_at: 0,
            interfaces: BTreeMap::new(),
        };
        let (catalog, devices) = (catalog.clone(), Devices::from_indices(devices.iter().copied()));
        let mut sandbox = Self {
            hook,
            maps,
            control,
            entry,
            opposite,
            state,
            catalog,
            devices,
            stacked: 0,
        };
        sandbox.switch(plan)?;
        Ok(sandbox)
    }

    /// Puts another policy set in force; flows and the counters of unchanged policies stay.
    ///
    /// # Errors
    /// As for an apply; the former set stays in force then.
    pub fn switch(&mut self, plan: &Plan) -> Result<()> {
        let direction = if self.hook == Hook::TcEgress {
            DeviceDirection::Egress
        } else {
            DeviceDirection::Ingress
        };
        let hook_of = |of: DeviceDirection| {
            if of == direction {
                self.hook
            } else {
                opposite_of(self.hook)
            }
        };
        let hooks: Vec<_> = plan
            .policies
            .iter()
            .map(|policy| BTreeSet::from([hook_of(policy.direction)]))
            .collect();
        let both = BTreeSet::from([self.hook, opposite_of(self.hook)]);
        core_programs::ensure(&self.maps, &both, plan.rules.len(), &[])?;
        let allocation = allocation::allocate(plan, Some((&self.state.plan, &self.state.allocation)))?;
        let generation = Generation(self.state.generation).next();
        let filling = Filling {
            plan,
            allocation: &allocation,
            hooks: &hooks,
            catalog: &self.catalog,
            devices: &self.devices,
            shaping: &Shaping::default(),
        };
        filling.fill(&mut self.maps, generation.bank())?;
        self.control
            .store(u64::from(plan.features | self.stacked) << 32 | u64::from(generation.0));
        self.state.generation = generation.0;
        self.state.plan = plan.clone();
        self.state.allocation = allocation;
        Ok(())
    }

    /// From the next switch on, the first device of each pair is on top of the second: indices.
    ///
    /// # Errors
    /// When the kernel refuses to note it.
    pub fn stack(&mut self, pairs: &[(u32, u32)]) -> Result<()> {
        self.stacked = feature::STACKED;
        let pairs = pairs.iter().map(|&(upper, lower)| DevicePair { upper, lower });
        stacked::add(&self.maps, &pairs.collect())
    }

    /// Runs the entry program, and all that it calls, on a packet.
    ///
    /// # Errors
    /// When the kernel refuses the packet or the context.
    pub fn run(&self, input: &Input<'_>) -> Result<Output> {
        run_at(self.hook, &self.entry, input)
    }

    /// The same for a packet of the other direction, sent by the other end of the subflow.
    ///
    /// # Errors
    /// When the kernel refuses the packet or the context.
    pub fn run_opposite(&self, input: &Input<'_>) -> Result<Output> {
        run_at(opposite_of(self.hook), &self.opposite, input)
    }

    /// The core's counters by name, and those of every policy.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn stats(&self) -> Result<(BTreeMap<String, u64>, Vec<PolicyStats>)> {
        Ok((
            stats::core(&self.maps)?,
            stats::policies(&self.maps, &self.state, &self.catalog)?,
        ))
    }

    /// All subflows, half-open ones too.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn flows(&self) -> Result<Vec<flows::Flow>> {
        let (now, names) = (now_ns(), self.state.names());
        let mut entries = Vec::new();
        for (key, flow) in self.records()? {
            entries.push(flows::flow(&key, &flow, now, &self.devices, &names));
        }
        Ok(entries)
    }

    /// All subflows as they are in the tables.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn records(&self) -> Result<Vec<(FlowKey, Flow)>> {
        let mut records = Vec::new();
        records.extend(
            flow_table::records(&self.maps)?
                .into_iter()
                .map(|(_, key, flow)| (key, flow)),
        );
        entries::for_each(self.maps.get("emptcp_half_open")?, |key, flow| {
            if let (Ok(key), Ok(flow)) = (FlowKey::read_from_bytes(key), Flow::read_from_bytes(flow)) {
                records.push((key, flow));
            }
        })?;
        Ok(records)
    }

    /// Removes all subflows and connections from the tables; policies and counters stay.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn forget(&self) -> Result<()> {
        flow_table::clear(&self.maps)?;
        for table in ["emptcp_half_open", "emptcp_connections", "emptcp_tokens", "emptcp_keys"] {
            let map = self.maps.get(table)?;
            let keys: Vec<_> = map.keys().collect();
            for key in keys {
                // It may be gone already.
                let _ = map.delete(&key);
            }
        }
        Ok(())
    }

    /// The program that takes over subflows of the host's sockets, as an apply does.
    ///
    /// # Errors
    /// When the kernel refuses the program.
    pub fn adopter(&self) -> Result<Adopter> {
        Adopter::load(&self.maps)
    }

    /// A reader of the events that these policies emit.
    ///
    /// # Errors
    /// When the rings cannot be mapped.
    pub fn event_reader(&self, begin: Begin) -> Result<EventReader<&Self>> {
        EventReader::new(&self.maps, self, self.devices.clone(), begin)
    }

    /// All connections.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn connections(&self) -> Result<Vec<flows::Connection>> {
        let now = now_ns();
        let mut connections = Vec::new();
        entries::for_each(self.maps.get("emptcp_connections")?, |_, value| {
            let connection = Connection::read_from_bytes(value);
            connections.extend(connection.map(|connection| flows::connection(&connection, now)));
        })?;
        Ok(connections)
    }
}

impl Policies for Sandbox {
    fn generation(&self) -> Generation {
        self.state.generation()
    }

    fn names(&self) -> Result<Names> {
        Ok(self.state.names())
    }
}

/// The hook for packets of the other direction.
fn opposite_of(hook: Hook) -> Hook {
    if hook == Hook::TcEgress {
        Hook::TcIngress
    } else {
        Hook::TcEgress
    }
}

fn run_at(hook: Hook, entry: &OwnedFd, input: &Input<'_>) -> Result<Output> {
    let mut context = context_of(hook, input);
    let run = TestRun {
        packet: input.packet,
        context: &mut context,
        repeat: input.repeat.max(1),
    };
    let answer = bpf::test_run(entry.as_fd(), run).or_kernel("run a program on a packet")?;
    let word = |offset: usize| {
        let bytes = context.get(offset..offset + 4)?;
        (hook != Hook::Xdp).then(|| u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
    };
    Ok(Output {
        verdict: verdict(hook, answer.returned),
        packet: answer.packet,
        duration_ns: answer.duration_ns,
        mark: word(skb::MARK),
        priority: word(skb::PRIORITY),
        segments: word(skb::GSO_SEGS),
    })
}

fn context_of(hook: Hook, input: &Input<'_>) -> Vec<u8> {
    let mut context;
    let set = |context: &mut Vec<u8>, offset: usize, value: u32| {
        context[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    };
    if hook == Hook::Xdp {
        if input.ifindex <= 1 {
            // Without a context the kernel takes the loopback device.
            return Vec::new();
        }
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        context = vec![0; 24];
        set(&mut context, 4, input.packet.len() as u32);
        set(&mut context, 12, input.ifindex);
    } else {
        context = vec![0; skb::SIZE];
        set(&mut context, skb::MARK, input.mark);
        set(&mut context, skb::PRIORITY, input.priority);
        set(&mut context, skb::IFINDEX, input.ifindex);
        set(
            &mut context,
            skb::GSO_SEGS,
            if input.segments > 1 { input.segments } else { 0 },
        );
        set(&mut context, skb::GSO_SIZE, input.segment_size);
    }
    context
}

fn verdict(hook: Hook, returned: u32) -> Verdict {
    const TC_UNSPEC: u32 = u32::MAX;
    match (hook, returned) {
        (Hook::Xdp, 2) | (Hook::TcIngress | Hook::TcEgress, 0 | TC_UNSPEC) => Verdict::Pass,
        (Hook::Xdp, 1) | (Hook::TcIngress | Hook::TcEgress, 2) => Verdict::Drop,
        (Hook::Xdp, 3) => Verdict::Reflect,
        (Hook::TcIngress | Hook::TcEgress, 7) => Verdict::Redirect,
        (_, other) => Verdict::Other(other),
    }
}
