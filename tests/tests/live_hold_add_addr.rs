//! `hold_add_addr` on live MPTCP: no second subflow while it holds, and one afterwards.

use emptcp_lab::{EndpointPlan, RunningBulk};
use emptcp_packet::{require, testing::is_root};
use emptcp_tests::live::{Bed, two_paths, until, wait_for};
use std::time::Duration;

/// The latest time in seconds at which a server repeats an address that was not echoed. Since Linux 6.18 it goes by the
/// round trip: copies 0.2, 0.7 and 1.6 s after the first, and none later.
const REPEAT: u32 = 1;

/// Seconds after the begin of a transfer until which a copy surely comes: the announcement is no earlier than that.
const LAST_COPY: f64 = 1.5;

/// Limit of a transfer that is stopped earlier.
const LONGEST: Duration = Duration::from_secs(60);

fn announcing_bed() -> Option<Bed> {
    let bed = Bed::new(two_paths().endpoints(EndpointPlan::ServerSignals))?;
    bed.lab
        .server()
        .set_sysctl("net.mptcp.add_addr_timeout", REPEAT)
        .unwrap();
    Some(bed)
}

fn subflows(transfer: &RunningBulk) -> usize {
    emptcp_tests::live::at_server(transfer)
        .last()
        .map_or(0, |sample| sample.info.subflows.len())
}

/// Waits for a second subflow; returns its time in seconds after the beginning.
fn second_subflow(transfer: &RunningBulk, limit: f64) -> f64 {
    while subflows(transfer) < 2 {
        let now = transfer.elapsed().as_secs_f64();
        assert!(now < limit, "no second subflow after {now:.1} s");
        until(transfer, now + 0.1);
    }
    transfer.elapsed().as_secs_f64()
}

#[test]
fn an_address_is_held_back_until_the_policy_goes() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = announcing_bed() else { return };
    let client = bed.lab.client();
    let transfer = bed.lab.bulk().duration(LONGEST).start().unwrap();
    second_subflow(&transfer, 30.0);
    transfer.stop();
    transfer.finish().unwrap();

    for attach in ["tc", "xdp-generic"] {
        // Where the machine is so busy that the last copy was held too, there is nothing left to release: once more.
        let released = (0..10).any(|_| {
            bed.apply(
                client,
                &format!(
                    "[[policy]]\nname = \"hold\"\ndevice = \"path1\"\nhook = \"ingress\"\nattach = \"{attach}\"\n\
                     do = ['hold_add_addr']\n"
                ),
            );
            let transfer = bed.lab.bulk().duration(LONGEST).start().unwrap();
            let held = || bed.counted(client, "hold", "hold_add_addr", "held");
            wait_for("an announcement is held", || held() >= 1);
            until(&transfer, 0.8);
            assert_eq!(subflows(&transfer), 1, "{attach}");
            let held = held();
            bed.remove(client);
            let removed = transfer.elapsed().as_secs_f64();
            let in_time = removed < LAST_COPY;
            if in_time {
                let came = second_subflow(&transfer, removed + 30.0);
                eprintln!(
                    "{attach}: {held} announcements held; second subflow {:.1} s after the release",
                    came - removed
                );
            }
            transfer.stop();
            assert!(!transfer.finish().unwrap().fallback);
            in_time
        });
        assert!(
            released,
            "{attach}: the policy was never removed before the last copy came"
        );
    }
    bed.assert_clean("hold_add_addr");
}

#[test]
fn an_address_is_held_back_while_a_condition_on_bytes_holds() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = announcing_bed() else { return };
    let client = bed.lab.client();
    bed.apply(
        client,
        "[[policy]]\nname = \"hold\"\ndevice = \"path1\"\nhook = \"ingress\"\n\
         when = 'packet has add_addr and flow.bytes < 3MB'\ndo = ['hold_add_addr']\n",
    );
    let short = bed.lab.bulk().bytes(500_000).run().unwrap();
    assert_eq!(short.server.subflows().len(), 1, "short transfers stay on one path");
    // Where the machine is so busy that 3 MB take longer than the last copy, there is no copy left: once more.
    let transfer = (0..10).find_map(|_| {
        let transfer = bed.lab.bulk().duration(LONGEST).start().unwrap();
        until(&transfer, LAST_COPY);
        let series = emptcp_tests::live::at_server(&transfer);
        let carried = series.last().map_or(0, |sample| {
            sample
                .info
                .subflows
                .iter()
                .map(|subflow| subflow.tcp.bytes_received)
                .sum()
        });
        if carried > 3_000_000 {
            return Some(transfer);
        }
        transfer.stop();
        transfer.finish().unwrap();
        None
    });
    let transfer = transfer.expect("3 MB in the time of the announcements");
    let came = second_subflow(&transfer, 30.0);
    let series = emptcp_tests::live::at_server(&transfer);
    let before = series
        .samples()
        .iter()
        .rev()
        .find(|sample| sample.info.subflows.len() == 1)
        .unwrap();
    let bytes = before.info.subflows[0].tcp.bytes_received;
    eprintln!("second subflow after {came:.1} s and {:.1} MB", bytes as f64 * 1e-6);
    assert!(
        bytes > 2_900_000,
        "{bytes} bytes on the first subflow when the second came"
    );
    transfer.stop();
    assert!(!transfer.finish().unwrap().fallback);
    bed.assert_clean("hold_add_addr with a condition");
}
