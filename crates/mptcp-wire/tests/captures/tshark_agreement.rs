//! Every field of TCP and MPTCP that tshark shows, against ours, for every packet of every capture.
//!
//! Where both differ by intent, the row is made as tshark makes it, and a comment there explains which is right.

use crate::common::{contents, fixtures, frames, shared, skip};
use mptcp_wire::mptcp::{AddAddrForm, CapableKeys, DssFlags, MpJoin, MptcpOption, View};
use mptcp_wire::tcp::{TcpOption, option::kind};
use mptcp_wire::{Error, Segment, Version};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The fields compared; a packet's values of one field are joined by commas, in the order of its options.
const FIELDS: &[&str] = &[
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.window_size_value",
    "tcp.hdr_len",
    "tcp.len",
    "tcp.urgent_pointer",
    "tcp.checksum.status",
    "tcp.option_kind",
    "tcp.options.mss_val",
    "tcp.options.wscale.shift",
    "tcp.options.sack_le",
    "tcp.options.sack_re",
    "tcp.options.timestamp.tsval",
    "tcp.options.timestamp.tsecr",
    "tcp.options.mptcp.subtype",
    "tcp.options.mptcp.version",
    "tcp.options.mptcp.flags",
    "tcp.options.mptcp.checksumreq.flags",
    "tcp.options.mptcp.extensibility.flag",
    "tcp.options.mptcp.nomoresubflows.flag",
    "tcp.options.mptcp.backup.flag",
    "tcp.options.mptcp.datafin.flag",
    "tcp.options.mptcp.dseqn8.flag",
    "tcp.options.mptcp.dseqnpresent.flag",
    "tcp.options.mptcp.dataack8.flag",
    "tcp.options.mptcp.dataackpresent.flag",
    "tcp.options.mptcp.sha1.flag",
    "tcp.options.mptcp.sha256.flag",
    "tcp.options.mptcp.reserved",
    "tcp.options.mptcp.flag_T.flag",
    "tcp.options.mptcp.rst_reason",
    "tcp.options.mptcp.addrid",
    "tcp.options.mptcp.sendkey",
    "tcp.options.mptcp.recvkey",
    "tcp.options.mptcp.recvtok",
    "tcp.options.mptcp.sendrand",
    "tcp.options.mptcp.sendtrunchmac",
    "tcp.options.mptcp.sendhmac",
    "tcp.options.mptcp.addaddrtrunchmac",
    "tcp.options.mptcp.rawdataack",
    "tcp.options.mptcp.rawdataseqno",
    "tcp.options.mptcp.subflowseqno",
    "tcp.options.mptcp.datalvllen",
    "tcp.options.mptcp.checksum",
    "tcp.options.mptcp.ipver",
    "tcp.options.mptcp.echo",
    "tcp.options.mptcp.ipv4",
    "tcp.options.mptcp.ipv6",
    "tcp.options.mptcp.port",
];

/// One packet's values by field; a field without a value is not there.
type Row = BTreeMap<&'static str, String>;

#[derive(Default)]
struct Values(BTreeMap<&'static str, Vec<String>>);

impl Values {
    fn add(&mut self, field: &'static str, value: impl ToString) {
        self.0.entry(field).or_default().push(value.to_string());
    }

    fn row(self) -> Row {
        self.0
            .into_iter()
            .map(|(field, values)| (field, values.join(",")))
            .collect()
    }
}

/// Our values, or `None` when an option is malformed.
fn ours(segment: &Segment<'_>) -> Option<Row> {
    let tcp = segment.tcp();
    let mut values = Values::default();
    values.add("tcp.srcport", tcp.source_port());
    values.add("tcp.dstport", tcp.destination_port());
    values.add("tcp.seq_raw", tcp.sequence().0);
    values.add("tcp.ack_raw", tcp.acknowledgement().0);
    values.add("tcp.flags", format!("{:#06x}", tcp.flags().bits()));
    values.add("tcp.window_size_value", tcp.window());
    values.add("tcp.hdr_len", tcp.header_length());
    values.add("tcp.len", segment.payload_length());
    values.add("tcp.urgent_pointer", tcp.urgent());
    // 0 bad, 1 good, 2 not verified: the capture has not all of it.
    let status = match (segment.is_truncated(), segment.checksum_is_valid()) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    };
    values.add("tcp.checksum.status", status);
    for option in segment.options() {
        add_option(&mut values, option.ok()?).ok()?;
    }
    // tshark shows one end-of-list, where the walk ends; ours ends there without showing it.
    let shown: usize = segment.options().flatten().map(|option| option.bytes().len()).sum();
    if shown < tcp.option_bytes().len() {
        values.add("tcp.option_kind", kind::END_OF_LIST);
    }
    Some(values.row())
}

fn add_option(values: &mut Values, located: mptcp_wire::tcp::Located<'_>) -> Result<(), Error> {
    values.add("tcp.option_kind", located.kind());
    match located.parse()? {
        TcpOption::MaximumSegmentSize(size) => values.add("tcp.options.mss_val", size),
        TcpOption::WindowScale(shift) => values.add("tcp.options.wscale.shift", shift),
        TcpOption::Sack(blocks) => {
            for block in blocks.iter() {
                values.add("tcp.options.sack_le", block.left.0);
                values.add("tcp.options.sack_re", block.right.0);
            }
        }
        TcpOption::Timestamps { value, echo_reply } => {
            values.add("tcp.options.timestamp.tsval", value);
            values.add("tcp.options.timestamp.tsecr", echo_reply);
        }
        TcpOption::Mptcp(option) => {
            let view = View::new_checked(located.bytes())?;
            values.add("tcp.options.mptcp.subtype", option.subtype().number());
            add_mptcp(values, &view, &option);
        }
        _ => {}
    }
    Ok(())
}

fn add_mptcp(values: &mut Values, view: &View<'_>, option: &MptcpOption) {
    // tshark shows as flags of MP_JOIN, MP_PRIO and MP_TCPRST the byte that holds the subtype too.
    let whole_byte = format!("{:#04x}", view.bytes()[2]);
    let twelve_bits = [view.nibble(), view.bytes().get(3).copied().unwrap_or(0)];
    if let MptcpOption::MpJoin(MpJoin::Ack { .. }) | MptcpOption::MpFail(_) | MptcpOption::MpFastclose(_) = option {
        values.add(
            "tcp.options.mptcp.reserved",
            format!("{:#06x}", u16::from_be_bytes(twelve_bits)),
        );
    }
    match option {
        MptcpOption::MpCapable(capable) => {
            let flags = capable.flags.0;
            values.add("tcp.options.mptcp.version", capable.version.number());
            values.add("tcp.options.mptcp.flags", format!("{flags:#04x}"));
            values.add("tcp.options.mptcp.checksumreq.flags", flags >> 7);
            values.add("tcp.options.mptcp.extensibility.flag", flags >> 6 & 1);
            // C is a flag of version 1 only, and H another hash.
            match capable.version {
                Version::V0 => values.add("tcp.options.mptcp.sha1.flag", flags & 1),
                Version::V1 => {
                    values.add("tcp.options.mptcp.nomoresubflows.flag", flags >> 5 & 1);
                    values.add("tcp.options.mptcp.sha256.flag", flags & 1);
                }
            }
            let keys = [
                ("tcp.options.mptcp.sendkey", capable.sender_key()),
                ("tcp.options.mptcp.recvkey", capable.receiver_key()),
            ];
            for (field, key) in keys {
                key.into_iter()
                    .for_each(|key| values.add(field, u64::from_be_bytes(key.0)));
            }
            if let CapableKeys::BothWithData {
                data_length, checksum, ..
            } = capable.keys
            {
                values.add("tcp.options.mptcp.datalvllen", data_length);
                checksum
                    .into_iter()
                    .for_each(|sum| values.add("tcp.options.mptcp.checksum", format!("{sum:#06x}")));
            }
        }
        MptcpOption::MpJoin(join) => add_join(values, whole_byte, join),
        MptcpOption::Dss(dss) => {
            let flags = DssFlags::of(view).0;
            values.add("tcp.options.mptcp.flags", format!("{flags:#04x}"));
            values.add("tcp.options.mptcp.datafin.flag", flags >> 4 & 1);
            values.add("tcp.options.mptcp.dseqn8.flag", flags >> 3 & 1);
            values.add("tcp.options.mptcp.dseqnpresent.flag", flags >> 2 & 1);
            values.add("tcp.options.mptcp.dataack8.flag", flags >> 1 & 1);
            values.add("tcp.options.mptcp.dataackpresent.flag", flags & 1);
            dss.data_ack
                .into_iter()
                .for_each(|ack| values.add("tcp.options.mptcp.rawdataack", ack.raw()));
            if let Some(mapping) = dss.mapping {
                values.add("tcp.options.mptcp.rawdataseqno", mapping.data_sequence.raw());
                values.add("tcp.options.mptcp.subflowseqno", mapping.subflow_sequence.0);
                values.add("tcp.options.mptcp.datalvllen", mapping.length);
                // Not compared: tshark 4.0 asks for 4 bytes more where 2 are left, and so never shows the checksum of
                // a DSS. Ours is right: `keys_in_captures` computes these checksums again from the payload.
            }
        }
        MptcpOption::AddAddr(add_addr) => {
            match add_addr.form {
                AddAddrForm::Version0 => values.add("tcp.options.mptcp.ipver", view.nibble()),
                AddAddrForm::Announcement(hmac) => {
                    // Drafts of RFC 8684 had IP version and HMAC. By the RFC these bits are reserved: ignored by us.
                    match view.nibble() {
                        version @ (4 | 6) => values.add("tcp.options.mptcp.ipver", version),
                        _ => values.add("tcp.options.mptcp.echo", 0),
                    }
                    values.add("tcp.options.mptcp.addaddrtrunchmac", hmac.0);
                }
                AddAddrForm::Echo => values.add("tcp.options.mptcp.echo", 1),
            }
            values.add("tcp.options.mptcp.addrid", add_addr.address_id.0);
            let field = if add_addr.address.is_ipv4() {
                "tcp.options.mptcp.ipv4"
            } else {
                "tcp.options.mptcp.ipv6"
            };
            values.add(field, add_addr.address);
            add_addr
                .port
                .into_iter()
                .for_each(|port| values.add("tcp.options.mptcp.port", port));
        }
        MptcpOption::RemoveAddr(remove_addr) => {
            remove_addr
                .address_ids()
                .iter()
                .for_each(|id| values.add("tcp.options.mptcp.addrid", id.0));
        }
        MptcpOption::MpPrio(prio) => {
            values.add("tcp.options.mptcp.flags", whole_byte);
            values.add("tcp.options.mptcp.backup.flag", u8::from(prio.backup));
            prio.address_id
                .into_iter()
                .for_each(|id| values.add("tcp.options.mptcp.addrid", id.0));
        }
        MptcpOption::MpFail(fail) => values.add("tcp.options.mptcp.rawdataseqno", fail.data_sequence.0),
        MptcpOption::MpFastclose(close) => {
            values.add("tcp.options.mptcp.recvkey", u64::from_be_bytes(close.receiver_key.0));
        }
        MptcpOption::MpTcprst(reset) => {
            values.add("tcp.options.mptcp.flags", whole_byte);
            values.add("tcp.options.mptcp.flag_T.flag", u8::from(reset.transient));
            values.add("tcp.options.mptcp.rst_reason", format!("{:#04x}", reset.reason.0));
        }
        MptcpOption::Unknown(_) => {}
    }
}

fn add_join(values: &mut Values, whole_byte: String, join: &MpJoin) {
    let (backup, address_id, nonce) = match *join {
        MpJoin::Syn {
            backup,
            address_id,
            token,
            nonce,
        } => {
            values.add("tcp.options.mptcp.recvtok", token.0);
            (backup, address_id, nonce)
        }
        MpJoin::SynAck {
            backup,
            address_id,
            hmac,
            nonce,
        } => {
            values.add("tcp.options.mptcp.sendtrunchmac", hmac.0);
            (backup, address_id, nonce)
        }
        MpJoin::Ack { hmac } => {
            let hmac: String = hmac.0.iter().map(|byte| format!("{byte:02x}")).collect();
            values.add("tcp.options.mptcp.sendhmac", hmac);
            return;
        }
    };
    values.add("tcp.options.mptcp.flags", whole_byte);
    values.add("tcp.options.mptcp.backup.flag", u8::from(backup));
    values.add("tcp.options.mptcp.addrid", address_id.0);
    values.add("tcp.options.mptcp.sendrand", nonce.0);
}

/// tshark's row and whether it calls the packet malformed, by frame number; only packets with TCP.
fn tshark(capture: &Path) -> BTreeMap<usize, (Row, bool)> {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(capture)
        .args(["-n", "-Y", "tcp", "-T", "fields", "-E", "separator=|"]);
    // Nothing that needs a connection's history: each packet alone. No reassembly, no dissector above TCP that could
    // fail in a payload.
    for preference in [
        "mptcp.analyze_mptcp:FALSE",
        "tcp.relative_sequence_numbers:FALSE",
        "tcp.analyze_sequence_numbers:FALSE",
        "tcp.desegment_tcp_streams:FALSE",
        "tcp.check_checksum:TRUE",
    ] {
        command.args(["-o", preference]);
    }
    // The label of the one pseudowire in these tests: nothing in a packet tells what is behind a label.
    command.args(["-d", "mpls.label==103,pwethcw"]);
    command.args(["-e", "frame.number", "-e", "_ws.malformed"]);
    FIELDS.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "tshark failed on {}", capture.display());
    let mut rows = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut columns = line.split('|');
        let number = columns.next().unwrap().parse().unwrap();
        let malformed = !columns.next().unwrap().is_empty();
        let filled = FIELDS
            .iter()
            .copied()
            .zip(columns)
            .filter(|(_, value)| !value.is_empty());
        rows.insert(
            number,
            (
                filled.map(|(field, value)| (field, value.to_owned())).collect(),
                malformed,
            ),
        );
    }
    rows
}

/// Compares one capture; returns how many packets were compared.
fn compare(path: &Path) -> usize {
    let contents = contents(path);
    // A plain copy: not every tshark reads compressed captures.
    let mut plain = tempfile::NamedTempFile::new().unwrap();
    plain.write_all(&contents).unwrap();
    let mut theirs = tshark(plain.path());
    let mut compared = 0;
    for frame in frames(&contents) {
        let place = format!("{} frame {}", path.display(), frame.number);
        let Some(link) = frame.link else {
            panic!("{place}: link type not known")
        };
        let segment = match Segment::parse_innermost(&frame.bytes, link) {
            Ok(segment) => segment,
            Err(error) => {
                assert!(
                    !theirs.contains_key(&frame.number),
                    "{place}: tshark sees TCP, we say: {error}"
                );
                continue;
            }
        };
        let Some((mut row, malformed)) = theirs.remove(&frame.number) else {
            panic!("{place}: tshark sees no TCP")
        };
        match ours(&segment) {
            Some(mut ours) => {
                // An IP length longer than the packet on the wire (forged by hand in some captures): tshark takes the
                // wire's, which only the capture file knows; a frame alone looks cut off.
                if segment.is_truncated() && frame.bytes.len() == frame.wire_length {
                    for row in [&mut ours, &mut row] {
                        row.retain(|field, _| !matches!(*field, "tcp.len" | "tcp.checksum.status"));
                    }
                }
                assert!(!malformed, "{place}: tshark says malformed, we do not");
                assert_eq!(ours, row, "{place}: ours is on the left");
            }
            None => assert!(malformed, "{place}: we say malformed, tshark does not: {row:?}"),
        }
        compared += 1;
    }
    assert!(
        theirs.is_empty(),
        "{}: TCP for tshark alone: {:?}",
        path.display(),
        theirs.keys()
    );
    compared
}

pub(crate) fn compare_all(captures: &[PathBuf], at_least: usize) {
    if Command::new("tshark")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        return skip("tshark is not installed");
    }
    // Two at a time: one waits for tshark while the other computes.
    let (first, second) = captures.split_at(captures.len() / 2);
    let compared: usize = std::thread::scope(|scope| {
        let other = scope.spawn(|| second.iter().map(|path| compare(path)).sum::<usize>());
        first.iter().map(|path| compare(path)).sum::<usize>() + other.join().unwrap()
    });
    println!("{compared} packets of {} captures agree", captures.len());
    assert!(compared >= at_least, "only {compared} packets compared");
}

#[test]
fn every_packet_of_the_fixtures_agrees_with_tshark() {
    let captures: Vec<_> = ["tcpdump", "ptcpdump", "v1"].map(fixtures).concat();
    compare_all(&captures, 1000);
}

#[test]
fn every_packet_of_the_shared_captures_agrees_with_tshark() {
    let Some(captures) = shared("traces/v1") else { return };
    compare_all(&captures, 250_000);
}

#[test]
fn every_packet_of_the_shared_version_0_captures_agrees_with_tshark() {
    let Some(captures) = shared("traces/v0-public") else {
        return;
    };
    compare_all(&captures, 10_000);
}
