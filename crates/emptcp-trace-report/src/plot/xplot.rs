//! Files for xplot (and jPlot): written packet by packet, so they are exact and need no memory.
//!
//! Each direction of data has up to three files: data sequence numbers, round-trip times, bytes in flight with the
//! window.

use super::{Quantity, Section, moments, stem};
use emptcp_trace::record::Mark;
use emptcp_trace::{ConnectionId, Direction, Event, PacketEvent, PerDirection, Piece, SubflowId, Timestamp};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Colours of xplot that are distinguishable on black, in the order of subflows. White is for items without a subflow.
const COLOURS: [&str; 7] = ["green", "red", "yellow", "blue", "purple", "orange", "magenta"];

/// Creates a file of this name.
type Create<'a, W> = Box<dyn FnMut(&str) -> io::Result<W> + 'a>;

/// Reads the events of one connection and writes xplot files. A file is created when there is something to write.
pub struct Xplot<'a, W> {
    watched: ConnectionId,
    section: Section,
    directions: Vec<Direction>,
    what: Vec<Quantity>,
    create: Create<'a, W>,
    files: BTreeMap<(Quantity, bool), W>,
    start: Option<Timestamp>,
    /// The last point drawn, to draw a line from it.
    acknowledged: PerDirection<Option<(Timestamp, u64)>>,
    windows: PerDirection<BTreeMap<SubflowId, (Timestamp, u64)>>,
    /// The highest data sequence number, where marks are put.
    highest: PerDirection<u64>,
}

impl<W> std::fmt::Debug for Xplot<'_, W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Xplot")
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}

impl<'a, W: Write> Xplot<'a, W> {
    /// For one connection, the one that is watched. `create` makes a file of a name such as `connection-0-dsn-s2c.xpl`.
    /// [`Quantity::Throughput`] has no exact form and is skipped.
    pub fn new(
        watched: ConnectionId,
        section: Section,
        directions: &[Direction],
        what: &[Quantity],
        create: impl FnMut(&str) -> io::Result<W> + 'a,
    ) -> Self {
        Self {
            watched,
            section,
            directions: directions.to_vec(),
            what: what.to_vec(),
            create: Box::new(create),
            files: BTreeMap::new(),
            start: None,
            acknowledged: PerDirection::default(),
            windows: PerDirection::default(),
            highest: PerDirection::default(),
        }
    }

    /// Writes what an event adds. Those of other connections are ignored.
    ///
    /// # Errors
    /// Those of the files.
    pub fn observe(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Packet(packet) if packet.conn_id == self.watched => {
                let start = *self.start.get_or_insert(packet.t);
                if !self.section.contains(packet.t - start) {
                    return Ok(());
                }
                self.data(packet)?;
                self.data_ack(packet)?;
                self.round_trip(packet)?;
                self.flight(packet)
            }
            Event::Mark(mark) if mark.conn_id == self.watched => {
                let start = *self.start.get_or_insert(mark.t);
                if !self.section.contains(mark.t - start) {
                    return Ok(());
                }
                self.mark(mark)
            }
            _ => Ok(()),
        }
    }

    /// Completes the files and returns them.
    ///
    /// # Errors
    /// Those of the files.
    pub fn finish(self) -> io::Result<Vec<W>> {
        let end = |mut file: W| {
            file.write_all(b"go\n")?;
            file.flush()?;
            Ok(file)
        };
        self.files.into_values().map(end).collect()
    }

    fn file(&mut self, what: Quantity, direction: Direction) -> io::Result<Option<&mut W>> {
        if !self.what.contains(&what) || !self.directions.contains(&direction) {
            return Ok(None);
        }
        let key = (what, direction == Direction::ServerToClient);
        if !self.files.contains_key(&key) {
            let mut file = (self.create)(&format!("{}.xpl", stem(self.watched, what, direction)))?;
            let (kind, label) = match what {
                Quantity::Dsn => ("unsigned", "data sequence number"),
                Quantity::Throughput => ("double", "throughput (bit/s)"),
                Quantity::Rtt => ("double", "round-trip time (ms)"),
                Quantity::Window => ("double", "bytes"),
            };
            writeln!(file, "timeval {kind}")?;
            let (from, to) = (direction.sender(), direction.reverse().sender());
            writeln!(
                file,
                "title\nconnection {}: {from} ==> {to} ({})",
                self.watched,
                what.name()
            )?;
            writeln!(file, "xlabel\ntime\nylabel\n{label}")?;
            self.files.insert(key, file);
        }
        Ok(self.files.get_mut(&key))
    }

    fn data(&mut self, packet: &PacketEvent) -> io::Result<()> {
        let t = time(packet.t);
        let mine = colour(packet.sf_id);
        for run in &packet.runs {
            let Some(from) = run.dsn else { continue };
            let to = from.saturating_add(run.length.into());
            let highest = &mut self.highest[packet.dir];
            *highest = to.max(*highest);
            let Some(file) = self.file(Quantity::Dsn, packet.dir)? else {
                return Ok(());
            };
            writeln!(file, "{mine}\nline {t} {from} {t} {to}")?;
            match run.piece {
                Piece::New | Piece::Unmapped => writeln!(file, "dtick {t} {from}\nutick {t} {to}")?,
                Piece::Retransmission => writeln!(file, "darrow {t} {from}\nuarrow {t} {to}\natext {t} {to}\nR")?,
                Piece::SameSubflow => writeln!(file, "box {t} {from}\natext {t} {to}\nM")?,
                // The diamond shows the subflow that carried it first.
                Piece::Reinjection { of } => {
                    writeln!(file, "atext {t} {to}\nreinjected\n{}\ndiamond {t} {from}", colour(of))?;
                }
            }
        }
        Ok(())
    }

    fn data_ack(&mut self, packet: &PacketEvent) -> io::Result<()> {
        let direction = packet.dir.reverse();
        let Some(data_ack) = packet.data_ack else { return Ok(()) };
        let before = self.acknowledged[direction];
        if before.is_some_and(|(_, highest)| data_ack <= highest) {
            return Ok(());
        }
        self.acknowledged[direction] = Some((packet.t, data_ack));
        let Some(file) = self.file(Quantity::Dsn, direction)? else {
            return Ok(());
        };
        if let Some((from, highest)) = before {
            let (from, t) = (time(from), time(packet.t));
            writeln!(
                file,
                "white\nline {from} {highest} {t} {highest}\nline {t} {highest} {t} {data_ack}"
            )?;
        }
        Ok(())
    }

    fn round_trip(&mut self, packet: &PacketEvent) -> io::Result<()> {
        let Some(rtt) = packet.rtt else { return Ok(()) };
        let Some(file) = self.file(Quantity::Rtt, packet.dir.reverse())? else {
            return Ok(());
        };
        let (t, milliseconds) = (time(packet.t), rtt.milliseconds());
        writeln!(file, "{}\ndot {t} {milliseconds:.3}", colour(packet.sf_id))
    }

    fn flight(&mut self, packet: &PacketEvent) -> io::Result<()> {
        let (t, colour) = (time(packet.t), colour(packet.sf_id));
        if packet.payload > 0
            && let Some(file) = self.file(Quantity::Window, packet.dir)?
        {
            writeln!(file, "{colour}\ndot {t} {}.0", packet.in_flight)?;
        }
        let direction = packet.dir.reverse();
        let before = self.windows[direction].insert(packet.sf_id, (packet.t, packet.window));
        if let (Some((from, window)), Some(file)) = (before, self.file(Quantity::Window, direction)?) {
            let from = time(from);
            writeln!(
                file,
                "{colour}\nline {from} {window}.0 {t} {window}.0\nline {t} {window}.0 {t} {}.0",
                packet.window
            )?;
        }
        Ok(())
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        let Some(words) = moments::words(mark) else {
            return Ok(());
        };
        let t = time(mark.t);
        for direction in Direction::BOTH {
            let highest = self.highest[direction];
            // Events alone do not make a picture for a direction without data.
            let exists = self
                .files
                .contains_key(&(Quantity::Dsn, direction == Direction::ServerToClient));
            if exists && let Some(file) = self.file(Quantity::Dsn, direction)? {
                writeln!(file, "white\nuarrow {t} {highest}\nrtext {t} {highest}\n{words}")?;
            }
        }
        Ok(())
    }
}

fn colour(subflow: SubflowId) -> &'static str {
    COLOURS.get(subflow.0 as usize % COLOURS.len()).unwrap_or(&"white")
}

/// Seconds with six digits: xplot reads a time as two integers, and microseconds are its finest unit.
fn time(t: Timestamp) -> String {
    let microseconds = t.0.max(0) / 1000;
    format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000)
}
