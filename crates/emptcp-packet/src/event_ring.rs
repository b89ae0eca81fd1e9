//! The event rings: one for each CPU, in arrays that programs write and readers map. `abi.h` describes them.

use crate::{
    error::{OrKernel, Result},
    maps::Maps,
};
use emptcp_abi::{EVENT_BYTES, EventRing, EventSlot};
use emptcp_load::mapping::Shared;
use emptcp_plan::plan::Tables;
use libbpf_rs::{MapCore, MapFlags};
use std::{
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering, fence},
};
use zerocopy::{FromBytes, IntoBytes};

const RINGS: &str = "emptcp_event_rings";
const EVENTS: &str = "emptcp_events";
const RING_WORDS: usize = size_of::<EventRing>() / 8;
const SLOT_WORDS: usize = size_of::<EventSlot>() / 8;

/// CPUs that can ever run a program.
pub(crate) fn cpus() -> u32 {
    libbpf_rs::num_possible_cpus().map_or(1, |cpus| cpus as u32)
}

/// Events that each CPU's ring keeps.
pub(crate) fn slots(tables: &Tables) -> u32 {
    (tables.events / size_of::<EventSlot>() as u32).max(1)
}

/// Bytes of each CPU's ring, as `[tables]` names them: a power of two.
pub(crate) fn bytes(maps: &Maps) -> Result<u32> {
    let events = maps.get(EVENTS)?.max_entries();
    // An older build's instance has a ring of another kind, in bytes.
    let Ok(rings) = maps.get(RINGS) else { return Ok(events) };
    Ok((events / rings.max_entries() * size_of::<EventSlot>() as u32).next_power_of_two())
}

/// Writes the size of the rings for the programs.
pub(crate) fn initialise(maps: &Maps) -> Result<()> {
    let (rings, events) = (maps.get(RINGS)?, maps.get(EVENTS)?);
    let ring = EventRing {
        slots: u64::from(events.max_entries() / rings.max_entries()),
        ..EventRing::default()
    };
    for cpu in 0..rings.max_entries() {
        rings
            .update(cpu.as_bytes(), ring.as_bytes(), MapFlags::ANY)
            .or_kernel("write the description of an event ring")?;
    }
    Ok(())
}

/// The content of a slot.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// The event that was asked for.
    Event(Vec<u8>),
    /// It is being written.
    NotYet,
    /// A newer event has overwritten it.
    Gone,
}

/// The rings in our memory.
#[derive(Debug)]
pub(crate) struct Rings {
    rings: Shared,
    events: Shared,
    slots: u64,
}

impl Rings {
    /// Maps the rings of an instance.
    pub(crate) fn open(maps: &Maps) -> Result<Self> {
        let (rings, events) = (maps.get(RINGS)?, maps.get(EVENTS)?);
        let (cpus, slots) = (rings.max_entries(), events.max_entries());
        let map = |map: &libbpf_rs::MapHandle, words| Shared::map(map.as_fd(), words).or_kernel("map the event rings");
        Ok(Self {
            rings: map(rings, cpus as usize * RING_WORDS)?,
            events: map(events, slots as usize * SLOT_WORDS)?,
            slots: u64::from(slots / cpus),
        })
    }

    /// Number of CPUs.
    pub(crate) fn cpus(&self) -> usize {
        self.rings.words().len() / RING_WORDS
    }

    /// Number of the next event of a CPU: those before it were written, or are being written.
    pub(crate) fn next(&self, cpu: usize) -> u64 {
        self.rings.words()[cpu * RING_WORDS].load(Ordering::Acquire)
    }

    /// The oldest event of a CPU that is kept when `next` comes next.
    pub(crate) fn oldest(&self, next: u64) -> u64 {
        next.saturating_sub(self.slots)
    }

    /// Reads an event of a CPU.
    pub(crate) fn read(&self, cpu: usize, number: u64) -> Found {
        let slot = cpu * self.slots as usize + (number % self.slots) as usize;
        read(&self.events.words()[slot * SLOT_WORDS..][..SLOT_WORDS], number)
    }
}

fn read(slot: &[AtomicU64], number: u64) -> Found {
    let complete = EventSlot::complete(number);
    // A slot that is being written for a later event has a higher, odd sequence number.
    let stands = || match slot[0].load(Ordering::Acquire) {
        sequence if sequence == complete => None,
        sequence if sequence > complete => Some(Found::Gone),
        _ => Some(Found::NotYet),
    };
    if let Some(not) = stands() {
        return not;
    }
    let words: [u64; SLOT_WORDS] = std::array::from_fn(|word| slot[word].load(Ordering::Relaxed));
    fence(Ordering::Acquire);
    if let Some(not) = stands() {
        return not;
    }
    match EventSlot::read_from_bytes(words.as_bytes()) {
        Ok(event) if event.sum() == event.checksum && event.length <= EVENT_BYTES => {
            Found::Event(event.words.as_bytes()[..event.length as usize].to_vec())
        }
        // Some stores are not visible here yet.
        _ => Found::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_abi::EVENT_WORDS;

    fn slot(number: u64, length: u32, fill: u64) -> Vec<AtomicU64> {
        let mut slot = EventSlot {
            sequence: EventSlot::complete(number),
            checksum: 0,
            length,
            reserved: 0,
            words: [fill; EVENT_WORDS as usize],
        };
        slot.checksum = slot.sum();
        let words = <[u64; SLOT_WORDS]>::read_from_bytes(slot.as_bytes()).unwrap();
        words.map(AtomicU64::new).into()
    }

    #[test]
    fn an_event_is_read_only_by_its_number_and_when_all_of_it_is_there() {
        let words = slot(7, 16, 3);
        assert_eq!(read(&words, 7), Found::Event([3_u64, 3].as_bytes().to_vec()));
        assert_eq!(read(&words, 6), Found::Gone);
        assert_eq!(read(&words, 8), Found::NotYet);
        words[0].store(EventSlot::complete(7) + 1, Ordering::Relaxed);
        assert_eq!(read(&words, 7), Found::Gone, "a later event is being written");
        words[0].store(EventSlot::complete(7) - 1, Ordering::Relaxed);
        assert_eq!(read(&words, 7), Found::NotYet);
    }

    #[test]
    fn a_word_that_is_of_another_event_is_seen_wherever_it_lies() {
        for word in 1..SLOT_WORDS {
            for other in [0, 2, 1 << 63 | 3] {
                let words = slot(7, EVENT_BYTES, 3);
                let before = words[word].swap(other, Ordering::Relaxed);
                // Half of the third word is unused.
                if before != other && (word != 2 || before as u32 != other as u32) {
                    assert_eq!(read(&words, 7), Found::NotYet, "word {word}");
                }
            }
        }
    }
}
