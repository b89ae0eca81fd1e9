//! The decoder vectors of tcpdump and ptcpdump, and three captures of Linux: what is in them, written down.

use crate::common::{Frame, contents, fixtures, frames, shared};
use mptcp_wire::mptcp::{AddAddrForm, MptcpOption, ResetReason};
use mptcp_wire::{Error, Segment, Version};
use std::collections::BTreeMap;
use std::path::Path;

fn vector(name: &str) -> Vec<Frame> {
    frames(&contents(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name),
    ))
}

/// Every MPTCP option of a capture with its frame's number.
fn options(frames: &[Frame]) -> Vec<(usize, Result<MptcpOption, Error>)> {
    let mut options = Vec::new();
    for frame in frames {
        let Some(link) = frame.link else {
            panic!("frame {}: link type not known", frame.number)
        };
        if let Ok(segment) = Segment::parse(&frame.bytes, link) {
            options.extend(segment.mptcp_options().map(|option| (frame.number, option)));
        }
    }
    options
}

fn count(name: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (number, option) in options(&vector(name)) {
        let option = option.unwrap_or_else(|error| panic!("{name}, frame {number}: {error}"));
        *count.entry(option.subtype().to_string()).or_default() += 1;
    }
    count
}

#[test]
fn the_vectors_hold_exactly_the_options_that_tshark_counts() {
    for (name, expected) in EXPECTED {
        let expected: BTreeMap<_, _> = expected
            .iter()
            .map(|(name, count)| (name.to_string(), *count))
            .collect();
        assert_eq!(count(name), expected, "{name}");
    }
}

#[test]
fn the_dss_whose_flags_name_more_than_its_length_is_malformed() {
    // tcpdump's "out of bounds read" vector; tshark calls it malformed too.
    let options = options(&vector("tcpdump/mptcp-dss-oobr.pcap"));
    assert!(
        matches!(options[..], [(1, Err(Error::OptionLength { option: "DSS", .. })), ..]),
        "{options:?}"
    );
}

#[test]
fn add_addr_of_version_1_has_an_hmac_and_its_echo_none() {
    let forms = |name| {
        let options = options(&vector(name)).into_iter();
        options.filter_map(|(_, option)| match option {
            Ok(MptcpOption::AddAddr(add_addr)) => Some(add_addr.form),
            _ => None,
        })
    };
    assert!(forms("tcpdump/mptcp-aa-echo.pcap").any(|form| form == AddAddrForm::Echo));
    assert!(forms("tcpdump/mptcp-aa-v1.pcap").any(|form| matches!(form, AddAddrForm::Announcement(_))));
    assert!(forms("tcpdump/mptcp-v0.pcap").all(|form| form == AddAddrForm::Version0));
}

#[test]
fn the_version_of_mp_capable_is_that_of_the_vector() {
    for (name, version) in [
        ("tcpdump/mptcp-v0.pcap", Version::V0),
        ("tcpdump/mptcp-v1.pcap", Version::V1),
    ] {
        let options = options(&vector(name));
        let mut versions = options.iter().filter_map(|(_, option)| match option {
            Ok(MptcpOption::MpCapable(capable)) => Some(capable.version),
            _ => None,
        });
        assert!(
            versions.clone().count() >= 3 && versions.all(|found| found == version),
            "{name}"
        );
    }
}

#[test]
fn mp_tcprst_tells_its_reason() {
    let options = options(&vector("tcpdump/mptcp-tcprst.pcap"));
    let reasons: Vec<_> = options
        .iter()
        .filter_map(|(_, option)| match option {
            Ok(MptcpOption::MpTcprst(reset)) => Some((reset.transient, reset.reason)),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, TCPRST);
}

#[test]
fn the_handshakes_of_every_vector_have_the_form_of_their_stage() {
    let mut checked = 0;
    for path in ["tcpdump", "ptcpdump", "v1"].map(fixtures).into_iter().flatten() {
        for frame in frames(&contents(&path)) {
            let Some(Ok(segment)) = frame.link.map(|link| Segment::parse(&frame.bytes, link)) else {
                continue;
            };
            let Some(stage) = segment.tcp().flags().stage() else {
                continue;
            };
            for option in segment.mptcp_options() {
                let result = match option {
                    Ok(MptcpOption::MpCapable(capable)) => capable.check_stage(stage),
                    Ok(MptcpOption::MpJoin(join)) => join.check_stage(stage),
                    _ => continue,
                };
                assert_eq!(result, Ok(()), "{} frame {}", path.display(), frame.number);
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} options checked");
}

#[test]
fn the_shared_vectors_are_the_ones_in_this_repository() {
    let Some(shared) = shared("traces/licensed") else {
        return;
    };
    let ours: Vec<_> = ["tcpdump", "ptcpdump"]
        .map(fixtures)
        .iter()
        .flatten()
        .map(|path| contents(path))
        .collect();
    for path in shared {
        assert!(
            ours.contains(&contents(&path)),
            "{} is not among the fixtures",
            path.display()
        );
    }
}

const TCPRST: &[(bool, ResetReason)] = &[(false, ResetReason::UNSPECIFIED), (true, ResetReason::MPTCP_ERROR)];

/// Options per capture: `tshark -T fields -e tcp.options.mptcp.subtype`, counted.
const EXPECTED: &[(&str, &[(&str, usize)])] = &[
    ("ptcpdump/mptcp.pcap", &[("MP_CAPABLE", 4), ("DSS", 10)]),
    ("ptcpdump/tfo.pcap", &[("MP_CAPABLE", 4)]),
    ("tcpdump/mptcp-aa-echo.pcap", &[("DSS", 2), ("ADD_ADDR", 2)]),
    (
        "tcpdump/mptcp-aa-v1.pcap",
        &[("MP_CAPABLE", 4), ("DSS", 18), ("ADD_ADDR", 1)],
    ),
    (
        "tcpdump/mptcp-fclose.pcap",
        &[("MP_CAPABLE", 3), ("DSS", 5), ("MP_FASTCLOSE", 1)],
    ),
    ("tcpdump/mptcp-tcprst.pcap", &[("MP_TCPRST", 2)]),
    (
        "tcpdump/mptcp-v0.pcap",
        &[
            ("MP_CAPABLE", 3),
            ("MP_JOIN", 3),
            ("DSS", 258),
            ("ADD_ADDR", 1),
            ("REMOVE_ADDR", 1),
        ],
    ),
    ("tcpdump/mptcp-v1.pcap", &[("MP_CAPABLE", 4), ("DSS", 16)]),
    (
        "v1/csum_corrupt_single.client.pcap.zst",
        &[("MP_CAPABLE", 4), ("DSS", 173), ("MP_FAIL", 2)],
    ),
    (
        "v1/signals.client.pcap.zst",
        &[
            ("MP_CAPABLE", 28),
            ("MP_JOIN", 27),
            ("DSS", 4),
            ("ADD_ADDR", 8),
            ("REMOVE_ADDR", 2),
            ("MP_PRIO", 2),
            ("MP_FASTCLOSE", 4),
            ("MP_TCPRST", 8),
        ],
    ),
    ("v1/empty.client.pcap.zst", &[("MP_CAPABLE", 60), ("DSS", 140)]),
];
