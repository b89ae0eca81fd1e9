//! Analyses a capture repeatedly as one stream and reports the memory: `emptcp-test-trace-memory FILE TIMES` prints the
//! maximum resident size in KiB, then the number of connections and of joins without a connection.

use emptcp_trace::{Analyzer, Event, Frame, Next, PacketNumber, Settings, Source, Span, Timestamp, source};
use mptcp_wire::{LinkType, UnknownLink};
use std::error::Error;
use std::sync::Arc;

/// A packet of the capture.
#[derive(Debug)]
struct Kept {
    time: Timestamp,
    link: Result<LinkType, UnknownLink>,
    original_length: u32,
    bytes: Vec<u8>,
}

/// The repeated capture; each repetition is later than the one before.
#[derive(Debug)]
struct Repeated {
    packets: Vec<Kept>,
    /// From one repetition to the next: the capture, and a pause after which all connections and orphans have ended.
    period: Span,
    times: usize,
    at: usize,
}

/// Longer than the analysis waits for anything but an idle connection.
const PAUSE: Span = Span::from_seconds(120);

impl Repeated {
    fn open(path: &str, times: usize) -> Result<Self, Box<dyn Error>> {
        let mut files = source::open([path])?;
        let mut packets = Vec::new();
        while let Next::Frame(frame) = files.next()? {
            packets.push(Kept {
                time: frame.time,
                link: frame.link,
                original_length: frame.original_length,
                bytes: frame.bytes.to_vec(),
            });
        }
        packets.sort_by_key(|packet| packet.time);
        let (Some(first), Some(last)) = (packets.first(), packets.last()) else {
            return Err("no packets".into());
        };
        let period = (last.time - first.time).0.saturating_add(PAUSE.0);
        Ok(Self {
            packets,
            period: Span(period),
            times,
            at: 0,
        })
    }
}

impl Source for Repeated {
    fn next(&mut self) -> emptcp_trace::Result<Next<'_>> {
        let (round, index) = (self.at / self.packets.len(), self.at % self.packets.len());
        let Some(packet) = self.packets.get(index).filter(|_| round < self.times) else {
            return Ok(Next::End);
        };
        self.at += 1;
        Ok(Next::Frame(Frame {
            number: PacketNumber(self.at as u64),
            time: packet.time + Span(self.period.0.saturating_mul(round as i64)),
            link: packet.link,
            original_length: packet.original_length,
            bytes: &packet.bytes,
        }))
    }

    fn name(&self) -> Arc<str> {
        "repeated".into()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(times)) = (arguments.next(), arguments.next()) else {
        return Err("usage: emptcp-test-trace-memory FILE TIMES".into());
    };
    let settings = Settings::default();
    let (mut connections, mut orphans) = (0_u64, 0);
    for event in Analyzer::with_settings(Repeated::open(&file, times.parse()?)?, settings) {
        match event? {
            Event::Connection(_) => connections += 1,
            Event::End(totals) => orphans = totals.orphan_joins,
            _ => {}
        }
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let highest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let highest = highest
        .and_then(|words| words.split_whitespace().next())
        .ok_or("no VmHWM")?;
    println!("{highest} {connections} connections, {orphans} orphans");
    Ok(())
}
