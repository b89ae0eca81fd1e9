//! Events: every reader sees every event, or learns how many it missed. Both are compared with the number of packets
//! that `BPF_PROG_TEST_RUN` was asked to run, each of which emits one event.

mod common;

use common::{
    SetWhenDropped, catalog_with, manifest,
    packets::{ACK, CLIENT, DATA_ACK, SERVER, SYN, arriving, capable, segment},
    plan,
};
use emptcp_abi::EVENT_BODY;
use emptcp_packet::{
    Catalog,
    event_reader::{Begin, EventReader},
    events::{Event, EventBody},
    require,
    testing::is_root,
    testrun::{Input, Sandbox},
};
use emptcp_plan::manifest::Hook;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Emits an event of maximum size for each packet, with the same value in all words.
const NOTE: &str = r"
#include <emptcp/element.h>
#include <emptcp/event.h>

struct note {
	struct emptcp_event header;
	__u64 words[EMPTCP_EVENT_BODY / 8];
};
COUNTERS(emitted, lost);
ACTOR(note)
{
	struct note *note = emptcp_event_reserve(sizeof(*note));

	if (!note) {
		emptcp_count_event(packet, lost);
		return EMPTCP_CONTINUE;
	}
	emptcp_event_header(&note->header, packet, EMPTCP_EVENT_USER, sizeof(note->words));
	for (int i = 0; i < EMPTCP_EVENT_BODY / 8; i++)
		note->words[i] = note->header.time_ns;
	emptcp_event_submit(note);
	emptcp_count_event(packet, emitted);
	return EMPTCP_CONTINUE;
}
";

/// Events that one CPU keeps with `events = 4096`.
const KEPT: u64 = 6;

/// The element, built once. Its folder is no longer needed, and removed.
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let toml = manifest("note", "actor", "counters = [\"emitted\", \"lost\"]\n");
    catalog_with(folder.path(), "note", &toml, NOTE)
});

struct Bench {
    sandbox: Sandbox,
    data: Vec<u8>,
}

impl Bench {
    /// A policy that emits an event for every packet of an established connection.
    fn new(tables: &str) -> Self {
        let catalog = &*CATALOG;
        let text = format!(
            "{tables}[[policy]]\nname = \"p\"\ndevice = \"lo\"\nhook = \"ingress\"\nwhen = 'packet is data'\ndo = [\"note\"]\n"
        );
        let plan = plan(catalog, &text);
        let sandbox = Sandbox::new(&plan, Hook::TcIngress, catalog, &[("lo", 1)]).unwrap();
        for packet in arriving() {
            sandbox.run(&Input::new(&packet)).unwrap();
        }
        Self {
            sandbox,
            data: segment(CLIENT, SERVER, (1001, 5001), ACK, &DATA_ACK, &[7; 100]),
        }
    }

    /// Runs this many packets on this thread's CPU.
    fn emit(&self, packets: u32) {
        let input = Input {
            repeat: packets,
            ..Input::new(&self.data)
        };
        self.sandbox.run(&input).unwrap();
    }

    fn reader(&self, begin: Begin) -> EventReader<&Sandbox> {
        self.sandbox.event_reader(begin).unwrap()
    }

    /// Events that were not written, as the element and the core count them.
    fn lost(&self) -> (u64, u64) {
        let (core, policies) = self.sandbox.stats().unwrap();
        (
            policies[0].elements.last().unwrap().counters[1].counter.packets,
            core["event_lost"],
        )
    }
}

/// Stays on a CPU that this thread may use; the one after the last is the first again.
fn stay_on(number: usize) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpus: Vec<_> = (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu).unwrap())
        .collect();
    let mut one = CpuSet::new();
    one.set(cpus[number % cpus.len()]).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

/// What a reader gets: the time of each event, in the order of arrival, and how many it missed.
#[derive(Debug, Default, Eq, PartialEq)]
struct Got {
    times: Vec<u64>,
    missed: u64,
}

impl Got {
    fn read(&mut self, reader: &mut EventReader<&Sandbox>) {
        let times = &mut self.times;
        let missed = reader.read(Duration::ZERO, |event| {
            let EventBody::User { kind: 64, body } = &event.body else {
                panic!("{event:?}")
            };
            assert_eq!(body.len(), EVENT_BODY as usize);
            let torn = body.chunks(8).any(|word| word != event.time_ns.to_ne_bytes());
            assert!(!torn, "{event:?}");
            assert_eq!(event.policy.as_deref(), Some("p"));
            times.push(event.time_ns);
        });
        self.missed += missed.unwrap();
    }

    fn of(reader: &mut EventReader<&Sandbox>) -> Self {
        let mut got = Self::default();
        got.read(reader);
        got
    }

    fn counts(&self) -> (u64, u64) {
        (self.times.len() as u64, self.missed)
    }
}

#[test]
fn two_readers_at_once_see_every_event_of_every_cpu_in_the_order_of_time() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let bench = Bench::new("");
    let (mut one, mut other) = (bench.reader(Begin::Now), bench.reader(Begin::Now));
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let bench = &bench;
            scope.spawn(move || {
                stay_on(cpu);
                for _ in 0..20 {
                    bench.emit(10);
                }
            });
        }
    });
    let (one, other) = (Got::of(&mut one), Got::of(&mut other));
    assert_eq!(one.counts(), (400, 0));
    assert!(one.times.is_sorted());
    assert_eq!(one, other);
    assert_eq!(bench.lost(), (0, 0));
}

#[test]
fn a_slow_reader_learns_exactly_how_many_it_missed_and_sees_the_newest() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let bench = Bench::new("[tables]\nevents = 4096\n");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(0);
            let (mut fast, mut slow) = (bench.reader(Begin::Now), bench.reader(Begin::Now));
            bench.emit(3);
            let mut all = Got::of(&mut fast);
            bench.emit(KEPT as u32);
            all.read(&mut fast);
            assert_eq!(all.counts(), (3 + KEPT, 0));
            let got = Got::of(&mut slow);
            assert_eq!(got.counts(), (KEPT, 3));
            assert_eq!(got.times, all.times[3..]);
            bench.emit(1000);
            assert_eq!(Got::of(&mut slow).counts(), (KEPT, 1000 - KEPT));
            assert_eq!(Got::of(&mut slow).counts(), (0, 0), "no event is emitted twice");
        });
    });
    assert_eq!(bench.lost(), (0, 0));
}

#[test]
fn a_reader_that_comes_later_gets_what_is_kept_or_only_what_is_new() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let bench = Bench::new("[tables]\nevents = 4096\n");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(1);
            bench.emit(20);
            assert_eq!(Got::of(&mut bench.reader(Begin::Now)).counts(), (0, 0));
            let (mut kept, mut now) = (bench.reader(Begin::Kept), bench.reader(Begin::Now));
            bench.emit(2);
            // The two overwrote two of those that it was to read.
            assert_eq!(Got::of(&mut kept).counts(), (KEPT, 2));
            assert_eq!(Got::of(&mut now).counts(), (2, 0));
            let again = Got::of(&mut bench.reader(Begin::Kept));
            assert_eq!(again.counts(), (KEPT, 0), "no reader takes anything from another");
            assert_eq!(again, Got::of(&mut bench.reader(Begin::Kept)));
        });
    });
}

#[test]
fn an_event_that_was_not_taken_is_there_at_the_next_call() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let bench = Bench::new("");
    let mut reader = bench.reader(Begin::Now);
    bench.emit(3);
    first(&mut reader);
    assert_eq!(Got::of(&mut reader).counts(), (2, 0));
}

/// The next event.
fn first(reader: &mut EventReader<&Sandbox>) -> Event {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        assert_eq!(reader.look().unwrap(), 0, "an event was missed");
        if let Some(event) = reader.take() {
            return event;
        }
        assert!(Instant::now() < patience, "no event came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_torn_event_is_never_handed_out_while_two_cpus_write_as_fast_as_they_can() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    const ROUNDS: u32 = 500;
    const ENOUGH: u64 = 300;
    let bench = Bench::new("[tables]\nevents = 4096\n");
    let mut reader = bench.reader(Begin::Now);
    let mut got = Got::default();
    let (enough, emitted) = (AtomicBool::new(false), AtomicU64::new(0));
    let patience = Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let (bench, enough, emitted) = (&bench, &enough, &emitted);
            scope.spawn(move || {
                stay_on(cpu);
                while !enough.load(Ordering::Relaxed) {
                    bench.emit(ROUNDS);
                    emitted.fetch_add(u64::from(ROUNDS), Ordering::Relaxed);
                }
            });
        }
        let _end = SetWhenDropped(&enough);
        while (got.counts().0 < ENOUGH || got.counts().1 < ENOUGH) && Instant::now() < patience {
            got.read(&mut reader);
        }
    });
    got.read(&mut reader);
    let (read, missed) = got.counts();
    println!("{read} read, {missed} missed");
    assert_eq!(read + missed, emitted.into_inner());
    assert!(read >= ENOUGH && missed >= ENOUGH, "{read} read, {missed} missed");
    assert_eq!(bench.lost(), (0, 0));
}

#[test]
fn a_record_event_names_the_policies_that_match_its_subflow() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let catalog = Catalog::built_in();
    require!(catalog.element("record").is_ok(), "this build ships no element record");
    let policy = |name: &str, when: &str, action: &str| {
        format!(
            "[[policy]]\nname = \"{name}\"\ndevice = \"lo\"\nhook = \"ingress\"\nwhen = '{when}'\ndo = [\"{action}\"]\n"
        )
    };
    let text = policy("tell", "packet is data", "record every=0s")
        + &policy("other", "tcp.dstport == 1", "count")
        + &policy("count", "tcp.dstport == 80", "count");
    let sandbox = Sandbox::new(&plan(&catalog, &text), Hook::TcIngress, &catalog, &[("lo", 1)]).unwrap();
    let [syn, third] = arriving();
    let answer = segment(SERVER, CLIENT, (5000, 1001), SYN | ACK, &capable(&[[2; 8]]), &[]);
    sandbox.run(&Input::new(&syn)).unwrap();
    sandbox.run_opposite(&Input::new(&answer)).unwrap();
    sandbox.run(&Input::new(&third)).unwrap();
    let data = segment(CLIENT, SERVER, (1001, 5001), ACK, &DATA_ACK, &[7; 100]);
    let mut reader = sandbox.event_reader(Begin::Now).unwrap();
    sandbox.run(&Input::new(&data)).unwrap();
    let EventBody::Record(record) = first(&mut reader).body else {
        panic!("no record was emitted")
    };
    assert_eq!(record.policies, ["tell", "count"]);
    assert_eq!(sandbox.flows().unwrap()[0].policies, record.policies);
}
