//! tshark: which frames match which display filters, all filters in one run.

use crate::{captures::Frame, command::output_of};
use std::{collections::BTreeSet, fs, io::Write, path::Path, process::Command};

/// Writes frames to a capture file, one a second: frame `n` (from 0) has time `n`. One more follows, which tshark
/// needs.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path, frames: &[Frame]) {
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    let mut put = |bytes: &[u8]| file.write_all(bytes).expect("written");
    // Magic number, version 2.4, zone, accuracy, snap length, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        put(&word.to_le_bytes());
    }
    // The last frame twice: the last row of the statistics is cut off.
    for (number, frame) in frames.iter().chain(frames.last()).enumerate() {
        for word in [1_000_000 + number, 0, frame.bytes.len(), frame.bytes.len()] {
            put(&(word as u32).to_le_bytes());
        }
        put(&frame.bytes);
    }
}

/// tshark on a capture, segment by segment.
fn tshark(capture: &Path) -> Command {
    let mut command = Command::new("tshark");
    command
        .args(["-o", "tcp.desegment_tcp_streams:FALSE", "-n", "-r"])
        .arg(capture);
    command
}

/// What tshark finds wrong in a packet.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The checksum of TCP is wrong.
    pub wrong_tcp_checksum: bool,
    /// The checksum of IPv4 is wrong.
    pub wrong_ip_checksum: bool,
    /// It cannot be dissected.
    pub malformed: bool,
    /// Messages of its experts.
    pub messages: String,
}

/// What tshark finds wrong in each packet of a capture.
///
/// # Panics
/// When tshark is missing or fails.
pub fn faults(capture: &Path) -> Vec<Faults> {
    let fields = [
        "tcp.checksum.status",
        "ip.checksum.status",
        "_ws.malformed",
        "_ws.expert.message",
    ];
    let mut command = tshark(capture);
    command
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"])
        // Payload that looks like theirs has nothing to do with the packets.
        .args([
            "--disable-protocol",
            "http",
            "--disable-protocol",
            "tls",
            "-T",
            "fields",
        ])
        .args(fields.iter().flat_map(|field| ["-e", field]));
    let faults = |line: &str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [tcp, ip, malformed, messages] = fields[..] else {
            panic!("{}: {line}", capture.display())
        };
        let is_wrong = |status: &str| status == "0" || status == "Bad";
        Faults {
            wrong_tcp_checksum: is_wrong(tcp),
            wrong_ip_checksum: is_wrong(ip),
            malformed: !malformed.is_empty(),
            messages: messages.to_owned(),
        }
    };
    output_of(&mut command).lines().map(faults).collect()
}

/// The numbers (from 0) of the frames that match each filter. Each frame has a separate second, so statistics by the
/// second have a result for each frame and each filter. A filter must not contain a comma.
///
/// # Panics
/// When tshark is missing, refuses a filter, or answers something else.
pub fn matching(capture: &Path, filters: &[String]) -> Vec<BTreeSet<usize>> {
    let mut sets = vec![BTreeSet::new(); filters.len()];
    for (chunk, sets) in filters.chunks(24).zip(sets.chunks_mut(24)) {
        assert!(
            chunk.iter().all(|filter| !filter.contains(',')),
            "a filter must not contain a comma"
        );
        // The first column has all frames, so that no row is left out.
        let statistics = format!("io,stat,1,frame,{}", chunk.join(","));
        let text = output_of(tshark(capture).args(["-q", "-z", &statistics]));
        let mut rows = 0;
        for line in text
            .lines()
            .filter(|line| line.contains("<>") && !line.contains("Interval"))
        {
            // A table narrower than its heading is padded by a blank column.
            let line = line.trim_matches(|c: char| c == '|' || c.is_whitespace());
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let number: usize = cells[0]
                .split("<>")
                .next()
                .and_then(|text| text.trim().parse().ok())
                .expect("a second");
            rows += 1;
            assert_eq!(cells.len(), 1 + 2 * (chunk.len() + 1), "{line}");
            assert_eq!(cells[1], "1", "one frame a second: {line}");
            for (set, cell) in sets.iter_mut().zip(cells[3..].iter().step_by(2)) {
                if *cell == "1" {
                    set.insert(number);
                }
            }
        }
        assert!(rows > 0, "tshark gave no table: {text}");
    }
    sets
}

/// One line for each frame that matches a filter: the fields, separated by tabs.
///
/// # Panics
/// When tshark is missing or refuses.
pub fn fields(capture: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    fields_with(capture, &[], filter, fields)
}

/// The same, with preferences of tshark (`-o`).
///
/// # Panics
/// As [`fields`].
pub fn fields_with(capture: &Path, preferences: &[&str], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = tshark(capture);
    for preference in preferences {
        command.args(["-o", preference]);
    }
    command.args(["-T", "fields", "-Y", filter]);
    for field in fields {
        command.args(["-e", field]);
    }
    let text = output_of(&mut command);
    text.lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}
