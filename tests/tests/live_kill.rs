//! A command that is killed during `apply` leaves the old policy set or the new one, never a mixture.

use emptcp_lab::{Connection, Endpoint, Host, IpVersion, Lab, Path};
use emptcp_packet::{Instance, instance::DEFAULT, require, stats::Stats, testing::is_root};
use emptcp_tests::live::{Bed, seconds, shell};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    io::{Read, Write},
    net::SocketAddr,
    process::{Child, Command},
    time::{Duration, Instant},
};

const KILLS: usize = 100;
/// Bytes of an exchange in each direction.
const EXCHANGE: usize = 100_000;

/// Two sets that differ on every device; the second also has an HTB class, and one device more.
fn policies(set: usize) -> String {
    let policy = |device: &str, actions: &str| {
        let name = format!("{}-{device}", ["old", "new"][set]);
        format!(
            "[[policy]]\nname = \"{name}\"\ndevice = \"{device}\"\nhook = [\"ingress\", \"egress\"]\ndo = [{actions}]\n"
        )
    };
    let both = policy("path1", &format!("'count', 'mark fwmark={}'", set + 1)) + &policy("path2", "'count'");
    if set == 0 {
        return both;
    }
    let shape = "[[policy]]\nname = \"slow\"\ndevice = \"path2\"\nhook = \"egress\"\nwhen = 'tcp.port == 9'\n\
                 do = ['rate_limit rate=1mbit mode=shape']\n";
    both + &policy("path3", "'count'") + shape
}

fn start(bed: &Bed, file: &std::path::Path) -> Child {
    let command = env!("CARGO_BIN_EXE_emptcp-test-apply");
    Command::new(command)
        .arg(bed.lab.server().netns().name())
        .arg(file)
        .spawn()
        .unwrap()
}

/// The set in force by the data path and by the records, and its counters.
fn in_force(bed: &Bed) -> (usize, Stats) {
    let stats = bed.stats(bed.lab.server());
    let sets = ["old", "new"].map(|name| stats.policies.iter().any(|policy| policy.name.starts_with(name)));
    assert!(sets[0] != sets[1], "one set is in force: {sets:?}");
    (usize::from(sets[1]), stats)
}

/// The same once the counters stand still: those of the core and of the policies are not read at one moment, and an
/// acknowledgement may come 40 ms late (`TCP_DELACK_MIN`), or later on a busy machine.
fn in_force_at_rest(bed: &Bed) -> (usize, Stats) {
    let mut last = in_force(bed);
    loop {
        std::thread::sleep(Duration::from_millis(45));
        let now = in_force(bed);
        if now.1.core["tracked"] == last.1.core["tracked"] {
            return now;
        }
        last = now;
    }
}

/// Sends bytes both ways.
fn exchange(ends: [&Connection; 2]) {
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        from.as_tcp().write_all(&[1; EXCHANGE]).unwrap();
        to.as_tcp().read_exact(&mut vec![0; EXCHANGE]).unwrap();
    }
}

/// Every packet of an exchange meets exactly one policy set, on each device the same.
fn assert_one_set(bed: &Bed, ends: [&Connection; 2], what: &str) -> usize {
    let (set, before) = in_force(bed);
    exchange(ends);
    let (after_set, after) = in_force_at_rest(bed);
    assert_eq!(set, after_set, "{what}");
    let tracked = after.core["tracked"] - before.core["tracked"];
    let mut matched = 0;
    for (policy, earlier) in after
        .policies
        .iter()
        .zip(&before.policies)
        .filter(|(policy, _)| policy.name != "slow")
    {
        let packets = policy.matched.packets - earlier.matched.packets;
        assert!(
            packets > 0 || policy.name.contains("path3"),
            "{what}: {} saw nothing",
            policy.name
        );
        matched += packets;
    }
    assert!(tracked > 0, "{what}");
    assert_eq!(
        matched, tracked,
        "{what}: packets of set {set}, and packets that there were"
    );
    assert_eq!(after.core["chain_broken"], 0, "{what}");
    set
}

/// The network of a host by `ip` and `tc`.
fn network(host: &Host) -> String {
    shell(host, "tc qdisc show") + &shell(host, "ip -details -json link show")
}

#[test]
fn apply_killed_a_hundred_times_leaves_the_old_set_or_the_new_one() {
    require!(is_root(), "this test makes network namespaces");
    // The core counts packets, policies count segments: without aggregates that is the same.
    let builder = (0..3).fold(Lab::builder(), |lab, _| lab.path(Path::direct()));
    let Some(bed) = Bed::new(builder) else { return };
    bed.forbid_aggregates();
    let server = bed.lab.server();
    // No subflow on path 3: while only the second set uses that device, its packets would be tracked, but not selected.
    bed.lab.client().flush_endpoints().unwrap();
    let second = bed.lab.client().address(1, IpVersion::V4).unwrap();
    bed.lab.client().add_endpoint(&Endpoint::subflow(second)).unwrap();
    let bare = network(server);
    let folder = tempfile::tempdir().unwrap();
    let files = [0, 1].map(|set| {
        let file = folder.path().join(format!("{set}.toml"));
        std::fs::write(&file, policies(set)).unwrap();
        file
    });
    // Kills fall between 0 and this. It starts with what an undisturbed apply takes, and grows or shrinks so that as
    // many fall before the switch as after it, however busy the machine is.
    let mut span = Duration::ZERO;
    for file in [&files[0], &files[1], &files[0]] {
        let begin = Instant::now();
        assert!(start(&bed, file).wait().unwrap().success());
        span = begin.elapsed();
    }
    let listener = server.listen(IpVersion::V4).unwrap();
    let remote = SocketAddr::new(server.address(0, IpVersion::V4).unwrap(), listener.port());
    let client = bed.lab.client().connect(remote, seconds(5.0)).unwrap();
    let accepted = listener.accept(seconds(5.0)).unwrap();
    let ends = [&client, &accepted];
    exchange(ends);
    let begin = Instant::now();
    while client.info().unwrap().subflows.len() < 2 {
        assert!(begin.elapsed() < seconds(30.0), "the second subflow does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
    in_force_at_rest(&bed);

    let mut random = SmallRng::seed_from_u64(7);
    let (mut set, mut killed, mut switched) = (0, 0, [0; 2]);
    for round in 0..KILLS {
        let wanted = 1 - set;
        let mut child = start(&bed, &files[wanted]);
        std::thread::sleep(span.mul_f64(random.random_range(0.0..1.0)));
        killed += usize::from(child.try_wait().unwrap().is_none());
        // It has ended already.
        let _ = child.kill();
        child.wait().unwrap();
        let now = assert_one_set(&bed, ends, &format!("round {round}, set {set} to {wanted}"));
        switched[usize::from(now == wanted)] += 1;
        span = span.mul_f64(if now == wanted { 1.0 / 1.15 } else { 1.15 });
        set = now;
    }
    eprintln!(
        "{killed} of {KILLS} were killed (within {span:?} in the end); {} left the old set, {} the new one",
        switched[0], switched[1]
    );
    assert!(
        switched.iter().all(|rounds| *rounds >= 20),
        "{switched:?}: the kills must meet both halves"
    );

    for file in [&files[1 - set], &files[set], &files[1 - set]] {
        assert!(
            start(&bed, file).wait().unwrap().success(),
            "a second apply completes the change"
        );
    }
    assert_eq!(assert_one_set(&bed, ends, "after the repair"), 1 - set);
    let shown = server.run(|| Instance::open(DEFAULT).unwrap().show().unwrap()).unwrap();
    assert!(
        shown.attachments.iter().all(|attachment| attachment.alive),
        "{:?}",
        shown.attachments
    );
    assert_eq!(shown.attachments.len(), if set == 0 { 6 } else { 4 });
    bed.remove(server);
    assert!(!shown.folder.exists(), "{} is gone", shown.folder.display());
    assert!(server.run(|| Instance::list().unwrap()).unwrap().is_empty());
    assert_eq!(network(server), bare, "qdiscs and XDP are as they were");
    bed.assert_clean("killing");
}
