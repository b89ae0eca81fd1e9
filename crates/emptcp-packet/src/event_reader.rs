//! A reader of events: it has its own place in every CPU's ring, brings the events of all CPUs into the order of time,
//! and counts what was overwritten before it came.
//!
//! It looks every 20 ms. The alternative, a BPF ring buffer that only wakes readers, costs the packet that tells up to
//! 6 us, and each wake-up needs room in that ring, which somebody must have made.

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

/// How often the rings are looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// How old an event is when it is handed out, so that one of another CPU that is older has arrived.
const SETTLED: Duration = Duration::from_millis(2);

/// How long an event may take to be written. A program needs a microsecond.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where a reader begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// With the events that come from now on.
    Now,
    /// With the oldest event that is still kept; of policies that were replaced since, too.
    Kept,
}

/// What a reader hands out.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An event.
    Event(Box<Event>),
    /// So many events gave way to newer ones before this reader came to them.
    Missed(u64),
}

/// So many policy sets that were replaced while a reader ran are still known to it: an event is handed out within
/// milliseconds, but a record says which policies wanted its subflow when the other direction had its last packet.
const SETS_KEPT: usize = 16;

/// Who knows the names of policies.
pub(crate) trait Policies {
    /// The policy set in force.
    fn generation(&self) -> Generation;
    /// What that set calls its policies.
    fn names(&self) -> Result<Names>;
}

/// A reader of events. Any number of them read at a time, and each sees every event.
pub struct EventReader<'a> {
    rings: Rings,
    policies: &'a dyn Policies,
    names: Names,
    generation: Generation,
    devices: Devices,
    places: Vec<Place>,
    /// By time, CPU and number.
    waiting: BTreeMap<(u64, usize, u64), Box<Event>>,
}

impl fmt::Debug for EventReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReader")
            .field("places", &self.places)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// A reader's place in a CPU's ring.
#[derive(Debug, Default)]
struct Place {
    /// The next event to read.
    next: u64,
    /// Events before it that were not complete yet, and when they were found so, ns.
    unfinished: Vec<(u64, u64)>,
}

impl<'a> EventReader<'a> {
    pub(crate) fn new(maps: &Maps, policies: &'a dyn Policies, devices: Devices, begin: Begin) -> Result<Self> {
        let rings = Rings::open(maps)?;
        let place = |cpu| {
            let next = rings.next(cpu);
            Place {
                next: if begin == Begin::Now { next } else { rings.oldest(next) },
                unfinished: Vec::new(),
            }
        };
        Ok(Self {
            places: (0..rings.cpus()).map(place).collect(),
            rings,
            policies,
            generation: policies.generation(),
            names: policies.names()?,
            devices,
            waiting: BTreeMap::new(),
        })
    }

    /// Hands events to `take`, in the order of time, until it answers false or `timeout` has passed (`None`: no end).
    /// What is not handed out is there at the next call.
    ///
    /// An event is handed out 2 to 22 ms after it happened, and by the end of the call every one that happened before
    /// `timeout` had passed.
    ///
    /// # Errors
    /// When the names of the policies in force cannot be read.
    pub fn read(&mut self, timeout: Option<Duration>, mut take: impl FnMut(Item) -> bool) -> Result<()> {
        let settled = SETTLED.as_nanos() as u64;
        let end = timeout.map(|timeout| now_ns().saturating_add(timeout.as_nanos() as u64 + settled));
        loop {
            let now = now_ns();
            let missed = self.collect(now)?;
            if missed > 0 && !take(Item::Missed(missed)) {
                return Ok(());
            }
            while let Some(entry) = self.waiting.first_entry() {
                if entry.key().0.saturating_add(settled) > now {
                    break;
                }
                if !take(Item::Event(entry.remove())) {
                    return Ok(());
                }
            }
            let left = end.map_or(PERIOD, |end| Duration::from_nanos(end.saturating_sub(now)));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(PERIOD));
        }
    }

    /// Takes over what lies in the rings; returns how many events were missed.
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
        for (cpu, place) in self.places.iter_mut().enumerate() {
            let next = rings.next(cpu);
            place.unfinished.retain(|&(number, since)| {
                match rings.read(cpu, number) {
                    Found::Event(bytes) => keep(cpu, number, &bytes),
                    Found::NotYet if now.saturating_sub(since) < PATIENCE.as_nanos() as u64 => return true,
                    Found::NotYet | Found::Gone => missed += 1,
                }
                false
            });
            let oldest = rings.oldest(next);
            missed += oldest.saturating_sub(place.next);
            place.next = place.next.max(oldest);
            while place.next < next {
                match rings.read(cpu, place.next) {
                    Found::Event(bytes) => keep(cpu, place.next, &bytes),
                    Found::NotYet => place.unfinished.push((place.next, now)),
                    Found::Gone => missed += 1,
                }
                place.next += 1;
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

impl Instance {
    /// A reader of this instance's events.
    ///
    /// # Errors
    /// When the rings cannot be mapped, or the names of the policies in force cannot be read.
    pub fn event_reader(&self, begin: Begin) -> Result<EventReader<'_>> {
        EventReader::new(&self.maps, self, Devices::read()?, begin)
    }

    /// Hands every event that is still kept, and then those that come, to `take`, until it answers false or `timeout`
    /// has passed (`None`: no end). Returns how many were missed. Each call is a reader of its own.
    ///
    /// # Errors
    /// As [`Instance::event_reader`].
    pub fn events(&self, timeout: Option<Duration>, mut take: impl FnMut(Event) -> bool) -> Result<u64> {
        let mut missed = 0;
        self.event_reader(Begin::Kept)?.read(timeout, |item| match item {
            Item::Event(event) => take(*event),
            Item::Missed(count) => {
                missed += count;
                true
            }
        })?;
        Ok(missed)
    }
}
