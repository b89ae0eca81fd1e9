//! `set_backup` on live MPTCP: the peer stops using a subflow, and resumes.

use emptcp_lab::Host;
use emptcp_packet::{require, testing::is_root};
use emptcp_tests::live::{Bed, at_server, seconds, two_paths, until};

fn policy(hook: &str, state: &str) -> String {
    format!("[[policy]]\nname = \"rest\"\ndevice = \"path2\"\nhook = \"{hook}\"\ndo = ['set_backup state={state}']\n")
}

fn becomes_backup_within_a_second_and_comes_back(bed: &Bed, host: &Host, hook: &str) {
    let transfer = bed.lab.bulk().duration(seconds(16.0)).start().unwrap();
    until(&transfer, 3.0);
    bed.apply(host, &policy(hook, "on"));
    let on = transfer.elapsed().as_secs_f64();
    until(&transfer, on + 3.0);
    let sent = bed.counted(host, "rest", "set_backup", "sent");
    bed.apply(host, &policy(hook, "off"));
    // No packet on an idle subflow could carry MP_PRIO; a backup subflow is used only when there is no other.
    bed.lab.path(0).set_carrier(false).unwrap();
    until(&transfer, transfer.elapsed().as_secs_f64() + 1.5);
    bed.lab.path(0).set_carrier(true).unwrap();
    let off = transfer.elapsed().as_secs_f64();
    until(&transfer, 15.5);
    let sent_again = bed.counted(host, "rest", "set_backup", "sent");
    bed.remove(host);
    let series = at_server(&transfer);
    let report = transfer.finish().unwrap();

    let (before, resting) = (bed.rates(&series, 1.5, 3.0), bed.rates(&series, on + 1.0, on + 3.0));
    let again = bed.rates(&series, off + 3.0, 15.4);
    eprintln!(
        "set_backup at the {}'s {hook}: before {before:.1?}, resting {resting:.2?}, again {again:.1?} Mbit/s; \
         MP_PRIO sent {sent} and {sent_again} times",
        host.role()
    );
    assert!((1..=3).contains(&sent), "{sent}");
    assert!(
        resting.0[1] < 0.01 * before.0[1],
        "below 1 % within 1 s: {resting:.2?} of {before:.1?}"
    );
    assert!(
        resting.0[0] > 0.95 * before.0[0],
        "the other path keeps its rate: {resting:.1?} of {before:.1?}"
    );
    assert!((1..=3).contains(&sent_again), "{sent_again}");
    assert!(
        again.0[1] > 0.5 * before.0[1],
        "the subflow is used again: {again:.1?} of {before:.1?}"
    );
    assert!(
        report.client.backup(&report.client.subflows()[1]).any(|backup| backup),
        "the sender received the signal"
    );
}

#[test]
fn a_subflow_becomes_backup_within_a_second_and_comes_back() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    becomes_backup_within_a_second_and_comes_back(&bed, bed.lab.server(), "egress");
    becomes_backup_within_a_second_and_comes_back(&bed, bed.lab.client(), "ingress");
    bed.assert_clean("set_backup");
}
