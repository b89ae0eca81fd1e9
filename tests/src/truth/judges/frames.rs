//! Frames after the hook, by tshark.

use crate::truth::{
    case::Moment,
    seen::{Finding, Seen},
};
use emptcp_lab::End;
use std::collections::HashMap;

fn dscp(seen: &Seen<'_>) -> &'static str {
    if seen.case.ipv6 {
        "ipv6.tclass.dscp"
    } else {
        "ip.dsfield.dscp"
    }
}

/// Frames, and how many of them have the code point 46.
fn marked(seen: &Seen<'_>, in_direction: bool, only: &str) -> (f64, f64) {
    let frames = seen.frames(in_direction, only, &[dscp(seen)]);
    let marked = frames.iter().filter(|fields| fields[0] == "46").count();
    (frames.len() as f64, marked as f64)
}

/// Each frame after the hook has the code point, none of the other direction.
pub fn every_frame_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    let (frames, with) = marked(seen, true, "tcp");
    let (others, strange) = marked(seen, false, "tcp");
    vec![
        Finding::new("frames of the direction that tshark sees", frames, 100.0, 1e9),
        Finding::new("share of them with DSCP 46", with / frames.max(1.0), 1.0, 1.0),
        Finding::new(
            "frames of the other direction with DSCP 46",
            strange.min(others),
            0.0,
            0.0,
        ),
    ]
}

/// A tenth of the data frames has it.
pub fn one_in_ten_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    let (frames, with) = marked(seen, true, "tcp.len > 0");
    let (_, without_data) = marked(seen, true, "tcp.len == 0");
    // Five standard deviations of the binomial distribution.
    let margin = 5.0 * (0.09 / frames.max(1.0)).sqrt();
    vec![
        Finding::new("data frames that tshark sees", frames, 100.0, 1e9),
        Finding::new(
            "share of them with DSCP 46",
            with / frames.max(1.0),
            0.1 - margin,
            0.1 + margin,
        ),
        Finding::new("frames without data with DSCP 46", without_data, 0.0, 0.0),
    ]
}

/// Exactly the frames whose mapping overlaps the range have it.
pub fn a_range_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    // The first DSN of each connection, from the receiver's kernel.
    let end = if seen.case.place.sees_uploads() {
        End::Server
    } else {
        End::Client
    };
    let begins: Vec<u64> = seen
        .transfers
        .iter()
        .filter_map(|(report, _)| report.series(end).last())
        .map(|sample| sample.info.data_next.0.wrapping_sub(sample.info.bytes_received))
        .collect();
    let fields = [
        "tcp.options.mptcp.rawdataseqno",
        "tcp.options.mptcp.datalvllen",
        dscp(seen),
    ];
    let frames = seen.frames(true, "tcp.len > 0 && tcp.options.mptcp.rawdataseqno", &fields);
    let (mut inside, mut wrong) = (0.0, 0.0);
    for fields in &frames {
        let [Ok(number), Ok(length)] = [0, 1].map(|at| fields[at].split(',').next().unwrap_or_default().parse::<u64>())
        else {
            continue;
        };
        // Numbers of 32 and of 64 bits; the distance identifies the connection.
        let offset = |begin: &u64| {
            if number > u64::from(u32::MAX) {
                number.wrapping_sub(*begin)
            } else {
                u64::from((number as u32).wrapping_sub(*begin as u32))
            }
        };
        let from = begins.iter().map(offset).min().unwrap_or(u64::MAX);
        let within = from < 2_000_000 && from.saturating_add(length) > 1_000_000;
        inside += f64::from(u8::from(within));
        wrong += f64::from(u8::from(within != (fields[2] == "46")));
    }
    vec![
        Finding::new("data frames with a mapping, by tshark", frames.len() as f64, 100.0, 1e9),
        Finding::new("of them within the range", inside, 10.0, 1e9),
        Finding::new(
            "marked frames outside the range, or unmarked ones inside",
            wrong,
            0.0,
            0.0,
        ),
    ]
}

/// Exactly the frames with a byte in the range of the subflow's numbers have it.
pub fn bytes_are_marked(seen: &Seen<'_>) -> Vec<Finding> {
    // tshark counts from the SYN, so the first byte of data has number 1.
    let frames = seen.frames(true, "tcp.len > 0", &["tcp.seq", "tcp.len", dscp(seen)]);
    let (mut inside, mut wrong) = (0.0, 0.0);
    for fields in &frames {
        let [Ok(number), Ok(length)] = [0, 1].map(|at| fields[at].parse::<u64>()) else {
            wrong += 1.0;
            continue;
        };
        let within = number <= 200_000 && number + length > 100_001;
        inside += f64::from(u8::from(within));
        wrong += f64::from(u8::from(within != (fields[2] == "46")));
    }
    vec![
        Finding::new("data frames that tshark sees", frames.len() as f64, 100.0, 1e9),
        Finding::new("of them within the range", inside, 10.0, 1e9),
        Finding::new(
            "marked frames outside the range, or unmarked ones inside",
            wrong,
            0.0,
            0.0,
        ),
    ]
}

/// Exactly the frames that tshark finds by the equivalent display filter have it.
pub fn what_the_filter_says_is_marked(seen: &Seen<'_>) -> Vec<Finding> {
    let filter = seen.actor.filter;
    let (inside, marked_inside) = marked(seen, true, filter);
    let (outside, marked_outside) = marked(seen, true, &format!("!({filter})"));
    vec![
        Finding::new("frames that tshark sees", inside + outside, 100.0, 1e9),
        Finding::new(
            "of them selected by tshark's filter, unmarked",
            inside - marked_inside,
            0.0,
            0.0,
        ),
        Finding::new("not selected, and marked", marked_outside, 0.0, 0.0),
    ]
}

/// The bytes of the subflow in both directions decide; simultaneous bytes in the other direction are uncertain.
pub fn early_frames_are_marked(seen: &Seen<'_>) -> Vec<Finding> {
    const LIMIT: u64 = 200_000;
    const UNCERTAIN: u64 = 100_000;
    let ip = if seen.case.ipv6 { "ipv6" } else { "ip" };
    let fields = ["tcp.stream", "tcp.len", dscp(seen), &format!("{ip}.src")];
    let from = seen.case.place.sees_uploads();
    let address = seen.address().to_string();
    let mut carried: HashMap<String, u64> = HashMap::new();
    let (mut early, mut late, mut wrong) = (0.0, 0.0, 0.0);
    for frame in seen.frames_of_both("tcp", &fields) {
        let sum = carried.entry(frame[0].clone()).or_default();
        *sum += frame[1].parse::<u64>().unwrap_or_default();
        if (frame[3] == address) != from {
            continue;
        }
        let with = frame[2] == "46";
        if *sum < LIMIT - UNCERTAIN {
            early += 1.0;
            wrong += f64::from(u8::from(!with));
        } else if *sum > LIMIT + UNCERTAIN {
            late += 1.0;
            wrong += f64::from(u8::from(with));
        }
    }
    vec![
        Finding::new("frames of the first 100 kB of a subflow", early, 10.0, 1e9),
        Finding::new("frames beyond 300 kB", late, 10.0, 1e9),
        Finding::new("late frames marked, or early ones unmarked", wrong, 0.0, 0.0),
    ]
}

/// After a reset of a subflow there is no data of it, except packets that another CPU passed just before.
pub fn no_data_follows_a_reset(seen: &Seen<'_>) -> Vec<Finding> {
    if seen.capture.is_none() {
        return Vec::new();
    }
    let fields = ["tcp.stream", "frame.time_epoch", "tcp.len", "tcp.flags.reset"];
    let mut resets: HashMap<String, f64> = HashMap::new();
    let (mut after, mut with_payload) = (0.0, 0.0);
    for frame in seen.frames_ever(&seen.direction(true), &fields) {
        let time: f64 = frame[1].parse().unwrap_or_default();
        let data = frame[2] != "0";
        let reset = matches!(frame[3].as_str(), "1" | "True");
        with_payload += f64::from(u8::from(reset && data));
        match resets.get(&frame[0]) {
            Some(reset) if data && time > reset + 0.1 => after += 1.0,
            None if reset => drop(resets.insert(frame[0].clone(), time)),
            _ => {}
        }
    }
    // The answer to a refused SYN goes back, so there is no frame after the hook.
    let refused = seen.case.moment == Moment::Before && !seen.actor.ends && seen.case.place.sees_uploads();
    let least = if refused { 0.0 } else { 1.0 };
    vec![
        Finding::new("subflows whose reset tshark sees", resets.len() as f64, least, 1e9),
        Finding::new("resets with payload", with_payload, 0.0, 0.0),
        Finding::new(
            "data frames of a subflow later than 0.1 s after its reset",
            after,
            0.0,
            0.0,
        ),
    ]
}
