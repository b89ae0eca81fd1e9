//! The buckets of `rate_limit` hold with numbers that are large, and when several CPUs use one at the same time.

use emptcp_packet::{
    require,
    stats::ElementStats,
    testing::is_root,
    testrun::{Input, Verdict},
};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone, policy},
    table::{open, random_hosts, record},
};
use mptcp_wire::Version;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_getres},
    unistd::Pid,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const PAYLOAD: u16 = 3000;

fn segment(hosts: &mut Hosts) -> Vec<u8> {
    let mut packet = Packet::new(Peer::Client, Kind::Data);
    packet.payload = Some(PAYLOAD.into());
    packet.build(hosts)
}

fn many(frame: &[u8], repeat: u32) -> Input<'_> {
    Input {
        repeat,
        ..Input::new(frame)
    }
}

/// Payload bytes under a counter of the only element.
fn bytes(place: &Place, counter: &str) -> u64 {
    let policies = place.policies();
    let ElementStats { counters, .. } = &policies[0].elements[0];
    let found = counters.iter().find(|found| found.name == counter);
    found.expect("the element has the counter").counter.bytes
}

#[test]
fn a_flow_that_has_carried_more_than_2_gigabytes_is_not_taken_for_a_young_one() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let mut place = Place::with_policy(Hook::TcIngress, Peer::Client, "", &["count"]);
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        let frame = segment(&mut hosts);
        // The product of bits and nanoseconds overflows there.
        let wrap = (1u128 << 64) / 8_000_000_000;
        let segments = u32::try_from(wrap / u128::from(PAYLOAD) + 100).unwrap();
        place.input(Peer::Client, &many(&frame, segments));
        let carried: u64 = record(&place, &hosts, 0)
            .unwrap()
            .sender
            .iter()
            .map(|side| side.bytes)
            .sum();
        assert!(u128::from(carried) > wrap, "{carried}");

        place.switch(&policy("p", "ingress", "", &["rate_limit rate=80mbit mode=police"]));
        // 6 MB at 80 Mbit/s are 0.6 s of queue, which is full at 0.4 s; a ramp measures for a quarter of a second
        // first.
        let output = place.input(Peer::Client, &many(&frame, 2000));
        assert_eq!(output.verdict, Verdict::Pass, "there was no ramp");
        assert_eq!(bytes(&place, "dropped"), 0);
    });
}

/// Sends a frame `repeat` times on each of the first `cpus` CPUs, on all at the same time. Returns when all are done.
fn on_every_cpu(place: &Place, frame: &[u8], cpus: usize, repeat: u32) -> Instant {
    let waiting = AtomicUsize::new(cpus);
    let run = |cpu| {
        let mut set = CpuSet::new();
        set.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        waiting.fetch_sub(1, Ordering::AcqRel);
        while waiting.load(Ordering::Acquire) > 0 {
            spin_loop();
        }
        place.input(Peer::Client, &many(frame, repeat));
        Instant::now()
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..cpus).map(|cpu| scope.spawn(move || run(cpu))).collect();
        let ends = threads.into_iter().map(|thread| thread.join().unwrap());
        ends.max().expect("a CPU")
    })
}

#[test]
fn a_rate_holds_when_all_processors_use_the_bucket_at_the_same_time() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let mut random = StdRng::seed_from_u64(23);
        let mut place = Place::with_policy(Hook::TcIngress, Peer::Client, "", &["count"]);
        let flows: Vec<_> = (0..40)
            .map(|_| {
                let mut hosts = random_hosts(&mut random, 4, Version::V1);
                open(&place, &mut hosts, 0);
                segment(&mut hosts)
            })
            .collect();
        let begin = Instant::now();
        place.input(Peer::Client, &many(&flows[0], 100_000));
        // Each CPU then needs one or two hundredths of a second to fill the virtual queue, which holds 0.4 s.
        let rate = 100_000.0 * f64::from(PAYLOAD) * 8e-6 / begin.elapsed().as_secs_f64() / 20.0;
        let room = (0.4 * rate * 1e6 / 8.0 / f64::from(PAYLOAD)) as u32;
        let actor = format!("rate_limit rate={rate:.0}mbit mode=police ramp=no");
        place.switch(&policy("p", "ingress", "", &[&actor]));
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let sent = 8e-6 * f64::from(PAYLOAD) * (room as usize * cpus + 1) as f64;
        let (mut allowed, mut expected) = (0.0, 0.0);
        for frame in &flows {
            let begin = Instant::now();
            place.frame(Peer::Client, frame);
            let end = on_every_cpu(&place, frame, cpus, room);
            let most = rate * (0.4 + (end - begin).as_secs_f64());
            allowed += most;
            // With other load, the queue may drain as fast as these CPUs fill it.
            expected += sent.min(most);
        }
        let (passed, dropped) = (bytes(&place, "passed") as f64 * 8e-6, bytes(&place, "dropped"));
        eprintln!(
            "{rate:.0} Mbit/s: {passed:.0} of {allowed:.0} Mbit passed ({:.4})",
            passed / allowed
        );
        assert!(
            dropped > 0 || sent * (flows.len() as f64) < allowed,
            "no queue was full"
        );
        // What is lost on the way to the queue passes beyond that. Each queue may end a packet of each CPU too long,
        // and begin a tick too early: the clock that it reads stands still in between.
        let tick = Duration::from(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).expect("a clock"));
        let packets = 8e-6 * f64::from(PAYLOAD) * (flows.len() * 8) as f64;
        let slack = packets + rate * tick.as_secs_f64() * flows.len() as f64;
        assert!(
            passed <= allowed + slack,
            "{passed:.0} Mbit passed; at most {allowed:.0} are allowed"
        );
        assert!(
            passed > 0.8 * expected,
            "{passed:.0} Mbit passed; at least {expected:.0} are expected"
        );
    });
}
