//! A reader of events: it has its own position in every CPU's ring, sorts the events of all CPUs by time, and counts
//! those that were overwritten before it read them.
//!
//! It polls every 20 ms. A BPF ring buffer that wakes readers would delay the packet that emits the event by up to 6
//! us, and each wake-up needs space in that ring, which a reader must have freed.

use crate::{
    error::Result,
    event_ring::{Found, Rings},
    events::{Event, parse},
    flows::now_ns,
    instance::Instance,
    maps::Maps,
    names::Names,
};
use emptcp_abi::Generation;
use emptcp_host::device::Devices;
use std::{collections::BTreeMap, fmt, time::Duration};

/// How often a reader looks.
pub const PERIOD: Duration = Duration::from_millis(20);

/// An event is returned when it is this old, so that older ones of other CPUs have arrived.
pub const SETTLED: Duration = Duration::from_millis(2);

/// How long an event may take to be written. A program needs a microsecond.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where a reader begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// With new events only.
    Now,
    /// With the oldest event that is kept; events of replaced policies are included.
    Kept,
}

/// A reader keeps the names of the last n policy sets that were replaced while it ran: an event arrives within
/// milliseconds, but a record has the policies that matched its subflow when the other direction had its last packet.
const SETS_KEPT: usize = 16;

/// Source of policy names.
pub trait Policies {
    /// The policy set in force.
    fn generation(&self) -> Generation;
    /// The names of the policies in that set.
    ///
    /// # Errors
    /// When they cannot be read.
    fn names(&self) -> Result<Names>;
}

/// A reader of events. There can be any number of readers at a time, and each sees every event.
pub struct EventReader<P> {
    rings: Rings,
    policies: P,
    names: Names,
    generation: Generation,
    devices: Devices,
    positions: Vec<Position>,
    /// By time, CPU and number.
    waiting: BTreeMap<(u64, usize, u64), Box<Event>>,
    /// When the rings were last read, ns.
    looked_ns: u64,
}

impl<P> fmt::Debug for EventReader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReader")
            .field("positions", &self.positions)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// A reader's position in a CPU's ring.
#[derive(Debug, Default)]
struct Position {
    /// The next event to read.
    next: u64,
    /// Events before it that were not complete yet, and when they were found so, ns.
    unfinished: Vec<(u64, u64)>,
}

impl<P: Policies> EventReader<P> {
    pub(crate) fn new(maps: &Maps, policies: P, devices: Devices, begin: Begin) -> Result<Self> {
        let rings = Rings::open(maps)?;
        let position = |cpu| {
            let next = rings.next(cpu);
            Position {
                next: if begin == Begin::Now { next } else { rings.oldest(next) },
                unfinished: Vec::new(),
            }
        };
        Ok(Self {
            positions: (0..rings.cpus()).map(position).collect(),
            rings,
            generation: policies.generation(),
            names: policies.names()?,
            policies,
            devices,
            waiting: BTreeMap::new(),
            looked_ns: 0,
        })
    }

    /// Source of the names of the policies.
    pub fn source(&self) -> &P {
        &self.policies
    }

    /// Reads the rings once, without waiting. Returns how many events were overwritten since the last call.
    ///
    /// # Errors
    /// When the names of the policies in force cannot be read.
    pub fn look(&mut self) -> Result<u64> {
        self.looked_ns = now_ns();
        self.collect(self.looked_ns)
    }

    /// The next event of the last [`EventReader::look`], if it was [`SETTLED`] by then.
    pub fn take(&mut self) -> Option<Event> {
        let entry = self.waiting.first_entry()?;
        let settled = entry.key().0.saturating_add(SETTLED.as_nanos() as u64) <= self.looked_ns;
        settled.then(|| *entry.remove())
    }

    /// Passes every event that comes within `timeout` to `take`, in the order of time. Returns how many were missed.
    ///
    /// # Errors
    /// When the names of the policies in force cannot be read.
    pub fn read(&mut self, timeout: Duration, mut take: impl FnMut(Event)) -> Result<u64> {
        let end =
            now_ns().saturating_add(u64::try_from(timeout.saturating_add(SETTLED).as_nanos()).unwrap_or(u64::MAX));
        let mut missed = 0;
        loop {
            missed += self.look()?;
            while let Some(event) = self.take() {
                take(event);
            }
            let left = Duration::from_nanos(end.saturating_sub(self.looked_ns));
            if left.is_zero() {
                return Ok(missed);
            }
            std::thread::sleep(left.min(PERIOD));
        }
    }

    /// Reads what is in the rings; returns how many events were missed.
    fn collect(&mut self, now: u64) -> Result<u64> {
        if self.policies.generation() != self.generation {
            self.generation = self.policies.generation();
            let names = self.policies.names()?;
            self.names.replace(names, SETS_KEPT);
        }
        let Self {
            rings,
            names,
            devices,
            waiting,
            ..
        } = self;
        let mut missed = 0;
        let mut keep = |cpu: usize, number: u64, bytes: &[u8]| {
            if let Some(event) = parse(bytes, names, devices) {
                waiting.insert((event.time_ns, cpu, number), Box::new(event));
            }
        };
        for (cpu, position) in self.positions.iter_mut().enumerate() {
            let next = rings.next(cpu);
            position.unfinished.retain(|&(number, since)| {
                match rings.read(cpu, number) {
                    Found::Event(bytes) => keep(cpu, number, &bytes),
                    Found::NotYet if now.saturating_sub(since) < PATIENCE.as_nanos() as u64 => return true,
                    Found::NotYet | Found::Gone => missed += 1,
                }
                false
            });
            let oldest = rings.oldest(next);
            missed += oldest.saturating_sub(position.next);
            position.next = position.next.max(oldest);
            while position.next < next {
                match rings.read(cpu, position.next) {
                    Found::Event(bytes) => keep(cpu, position.next, &bytes),
                    Found::NotYet => position.unfinished.push((position.next, now)),
                    Found::Gone => missed += 1,
                }
                position.next += 1;
            }
        }
        Ok(missed)
    }
}

impl Policies for Instance {
    fn generation(&self) -> Generation {
        self.generation()
    }

    fn names(&self) -> Result<Names> {
        Ok(self.state()?.map_or_else(Names::default, |state| state.names()))
    }
}

impl<P: Policies> Policies for &P {
    fn generation(&self) -> Generation {
        P::generation(self)
    }

    fn names(&self) -> Result<Names> {
        P::names(self)
    }
}

impl Instance {
    /// A reader of this instance's events.
    ///
    /// # Errors
    /// When the rings cannot be mapped, or the names of the policies in force cannot be read.
    pub fn event_reader(&self, begin: Begin) -> Result<EventReader<&Self>> {
        EventReader::new(&self.maps, self, Devices::read()?, begin)
    }

    /// The same, and the reader keeps the instance open.
    ///
    /// # Errors
    /// As [`Instance::event_reader`].
    pub fn into_event_reader(self, begin: Begin) -> Result<EventReader<Self>> {
        let reader = EventReader::new(&self.maps, &self, Devices::read()?, begin)?;
        Ok(EventReader {
            rings: reader.rings,
            names: reader.names,
            generation: reader.generation,
            devices: reader.devices,
            positions: reader.positions,
            waiting: reader.waiting,
            looked_ns: reader.looked_ns,
            policies: self,
        })
    }
}
