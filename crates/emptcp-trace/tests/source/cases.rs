//! Captures of other people, in the shared test data.

use emptcp_trace::Direction;
use emptcp_trace::compare::{CompareSettings, compare};
use emptcp_trace::source::open;
use std::path::{Path, PathBuf};

/// A capture of the shared test data; none, with a message, when that is absent.
fn case(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/cases/trace")
        .join(name);
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var_os("EMPTCP_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{} is absent", path.display());
    println!(
        "SKIPPED: {} is absent (set EMPTCP_REQUIRE_SHARED=1 to fail instead)",
        path.display()
    );
    None
}

#[test]
fn of_a_join_whose_packets_pass_before_its_repeated_syn_one_packet_is_lost() {
    let (Some(a), Some(b)) = (case("17_A.pcap"), case("17_B.pcap")) else {
        return;
    };
    let comparison = compare(open([a]).unwrap(), open([b]).unwrap(), CompareSettings::default()).unwrap();
    let subflows = &comparison.connections[0].subflows;
    assert_eq!((comparison.connections.len(), subflows.len()), (1, 2));
    let up = &subflows[1].directions[Direction::ClientToServer];
    assert_eq!((up.packets, up.lost.packets, up.appeared.packets), ([5, 4], 1, 0));
    assert_eq!(up.lost.first_handshake.map(|number| number.0), Some(12));
}
