//! A policy set that is replaced all the time, under load: every packet meets exactly one of the sets.

use emptcp_lab::{IpVersion, Lab, Path, Rate, TransferDirection};
use emptcp_packet::{require, stats::Stats, testing::is_root};
use emptcp_tests::live::{Bed, seconds};
use std::time::Duration;

const TIME: f64 = 30.0;
/// The least number of policy sets and packets for a valid test, however long it takes.
const ENOUGH: (usize, u64) = (20, 50_000);

/// `all` stays unchanged, so its counters continue; the others are added and removed, which moves it to another slot.
fn policies(round: usize) -> String {
    let policy = |name: &str, actions: &str| {
        format!(
            "[[policy]]\nname = \"{name}\"\ndevice = [\"path1\", \"path2\"]\nhook = [\"ingress\", \"egress\"]\n\
             do = [{actions}]\n"
        )
    };
    let all = policy("all", "'count', 'count'");
    let other = policy(
        if round.is_multiple_of(2) { "even" } else { "odd" },
        &format!("'mark fwmark={}', 'count'", round + 1),
    );
    if round.is_multiple_of(3) {
        format!("{all}{other}")
    } else {
        format!("{other}{all}")
    }
}

/// Packets that went into the chain of `all`, and those that both of its counters and the core saw.
fn counts(stats: &Stats) -> (u64, Vec<u64>, u64) {
    let all = || stats.policies.iter().filter(|policy| policy.name.starts_with("all"));
    let first = |place: usize| {
        all()
            .map(|policy| policy.elements[place].counters[0].counter.packets)
            .sum()
    };
    (
        all().map(|policy| policy.matched.packets).sum(),
        vec![first(0), first(1)],
        stats.core["tracked"],
    )
}

#[test]
fn not_one_packet_escapes_while_the_policy_set_is_replaced_for_30_seconds() {
    require!(is_root(), "this test makes network namespaces");
    let path = |milliseconds| Path::with(Rate::mbit(30), Duration::from_millis(milliseconds));
    // The core counts packets, policies count segments: without aggregates that is the same.
    let builder = Lab::builder().path(path(10)).path(path(20));
    let Some(bed) = Bed::new(builder) else { return };
    bed.forbid_aggregates();
    let server = bed.lab.server();
    bed.apply(server, &policies(0));
    assert_eq!(counts(&bed.stats(server)), (0, vec![0, 0], 0), "no traffic yet");

    let (mut rounds, mut half) = (1, 0);
    for version in [IpVersion::V4, IpVersion::V6] {
        let bulk = bed
            .lab
            .bulk()
            .duration(seconds(90.0))
            .limit(seconds(120.0))
            .direction(TransferDirection::Both)
            .version(version);
        let transfer = bulk.start().unwrap();
        half += 1;
        let enough =
            |rounds| rounds * 2 >= half * ENOUGH.0 && counts(&bed.stats(server)).2 * 2 > half as u64 * ENOUGH.1;
        while transfer.elapsed() < seconds(TIME / 2.0) || !enough(rounds) {
            assert!(
                transfer.elapsed() < seconds(80.0),
                "{rounds} policy sets: {:?}",
                bed.stats(server).core
            );
            let applied = bed.apply(server, &policies(rounds));
            assert_eq!(applied.kept.len(), 2, "`all` continues in both directions: {applied:?}");
            rounds += 1;
        }
        transfer.stop();
        let report = transfer.finish().unwrap();
        for stream in [report.upload.unwrap(), report.download.unwrap()] {
            assert_eq!(stream.sent, stream.received);
        }
    }
    std::thread::sleep(seconds(1.0));
    let stats = bed.stats(server);
    let (matched, actors, tracked) = counts(&stats);
    eprintln!("{rounds} policy sets: {tracked} packets tracked, {matched} met a policy set, {actors:?} counted");
    assert_eq!(stats.core["chain_broken"], 0);
    assert_eq!(
        matched, tracked,
        "packets that met a policy set and packets that there were"
    );
    assert_eq!(actors, [tracked, tracked], "and each actor of it");
    bed.assert_clean("replacing");
}
