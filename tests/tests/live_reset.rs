//! `reset` on live MPTCP: what is on the wire, what the kernels count, and what the application sees.

use emptcp::{require, testing::is_root};
use emptcp_lab::{End, Host};
use emptcp_tests::live::{Bed, at_server, seconds, two_paths, until};
use std::time::{Duration, Instant};

/// Waits until something holds, 10 seconds at most.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < seconds(10.0), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Host, hook and kind of attachment.
fn places(bed: &Bed) -> [(&Host, &'static str, &'static str); 3] {
    [
        (bed.lab.server(), "ingress", "tc"),
        (bed.lab.client(), "egress", "auto"),
        (bed.lab.server(), "ingress", "xdp-generic"),
    ]
}

fn policy(hook: &str, attach: &str, when: &str, action: &str) -> String {
    let attach = if hook == "ingress" {
        format!("attach = \"{attach}\"\n")
    } else {
        String::new()
    };
    format!(
        "[[policy]]\nname = \"end\"\ndevice = [\"path1\", \"path2\"]\nhook = \"{hook}\"\n{attach}when = '{when}'\n\
         do = ['{action}']\n"
    )
}

#[test]
fn resets_of_a_busy_subflow_carry_no_payload_and_have_right_checksums() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (host, hook, attach) in places(&bed) {
        let context = format!("{}'s {hook} ({attach})", host.role());
        bed.apply(host, &policy(hook, attach, "subflow is joined and flow.bytes > 500kB", "reset"));
        let captures = bed
            .hosts()
            .map(|host| host.capture("path2", folder.path().join(format!("{}.pcap", host.role()))).unwrap());
        let before = bed.hosts().map(|host| host.mib().unwrap());
        let transfer = bed.lab.bulk().duration(seconds(3.0)).start().unwrap();
        until(&transfer, 2.5);
        for (host, before) in bed.hosts().iter().zip(&before) {
            eprintln!("{} {:?}", host.role(), host.mib().unwrap().since(before));
        }
        for counter in ["reset_sent", "failed", "one_way", "not_established"] {
            eprintln!("{context}: {counter} {}", bed.counted(host, "end", "reset", counter));
        }
        for end in [End::Client, End::Server] {
            let info = transfer.series(end).last().unwrap().info.clone();
            eprintln!("{end:?} {:?}", info.subflows);
        }
        for capture in captures {
            let file = capture.stop().unwrap();
            for line in file.fields("tcp.flags.reset == 1", &["frame.number", "ip.src", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.checksum.status", "tcp.flags"]).unwrap() {
                eprintln!("{line}");
            }
            eprintln!("{:?}", file.judge().unwrap());
        }
        bed.remove(host);
        transfer.finish().unwrap();
    }
}
