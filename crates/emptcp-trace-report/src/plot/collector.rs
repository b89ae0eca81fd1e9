//! Keeps what the pictures need, event by event.

use super::draw::{self, Frame, Scene};
use super::grid::Extent;
use super::lane::Lane;
use super::{Picture, Quantity, Section, moments};
use emptcp_trace::record::Connection;
use emptcp_trace::{ConnectionId, Direction, Event, PacketEvent, PerDirection, Span, SubflowId, Timestamp};

/// Subflows with a separate colour; all others are drawn as one.
const LANES: usize = 32;

/// Reads the events of one connection and draws it. Memory does not grow with the capture.
#[derive(Clone, Debug)]
pub struct Collector {
    watched: ConnectionId,
    section: Section,
    start: Option<Timestamp>,
    scenes: PerDirection<Scene>,
    marks: moments::Marks,
    record: Option<Box<Connection>>,
}

impl Collector {
    /// For one connection, the one that is watched.
    #[must_use]
    pub fn new(watched: ConnectionId, section: Section) -> Self {
        Self {
            watched,
            section,
            start: None,
            scenes: PerDirection::default(),
            marks: moments::Marks::default(),
            record: None,
        }
    }

    /// Takes note of an event. Those of other connections are ignored.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Packet(packet) if packet.conn_id == self.watched => self.packet(packet),
            Event::Mark(mark) if mark.conn_id == self.watched => {
                let t = mark.t - *self.start.get_or_insert(mark.t);
                if self.section.contains(t)
                    && let Some(words) = moments::words(mark)
                {
                    self.marks.add(t.seconds(), words);
                }
            }
            Event::Connection(connection) if connection.conn_id == self.watched => {
                self.record = Some(connection.clone());
            }
            _ => {}
        }
    }

    fn packet(&mut self, packet: &PacketEvent) {
        let t = packet.t - *self.start.get_or_insert(packet.t);
        if !self.section.contains(t) {
            return;
        }
        let (there, back) = (packet.dir, packet.dir.reverse());
        if let Some(data_ack) = packet.data_ack {
            self.scenes[back].data_ack.add(t, Extent::of(data_ack as f64));
        }
        for scene in &mut self.scenes.0 {
            scene.last = scene.last.max(Some(t));
        }
        self.lane(there, packet.sf_id).data(t, packet);
        self.lane(back, packet.sf_id).acknowledgement(t, packet);
    }

    fn lane(&mut self, direction: Direction, subflow: SubflowId) -> &mut Lane {
        let lanes = &mut self.scenes[direction].lanes;
        let full = lanes.len() >= LANES && !lanes.contains_key(&Some(subflow));
        lanes.entry((!full).then_some(subflow)).or_default()
    }

    /// Whether there was a packet of the connection in the section.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Direction::BOTH
            .into_iter()
            .all(|direction| self.scenes[direction].lanes.is_empty())
    }

    /// The direction that carried more payload.
    #[must_use]
    pub fn main_direction(&self) -> Direction {
        let carried = |direction: Direction| {
            let lanes = self.scenes[direction].lanes.values();
            let cells = lanes.flat_map(|lane| lane.payload.cells());
            cells.map(|cell| cell.value).sum::<u64>()
        };
        let [up, down] = Direction::BOTH.map(carried);
        if up > down {
            Direction::ClientToServer
        } else {
            Direction::ServerToClient
        }
    }

    /// A picture of one direction; none when there is nothing to draw, for example no data in this direction. Hosts and
    /// file are in it once the record of the connection was observed.
    #[must_use]
    pub fn picture(&self, quantity: Quantity, direction: Direction) -> Option<Picture> {
        self.drawn(quantity, &[direction])
    }

    /// The round-trip times of both directions in one picture; none when there are none.
    #[must_use]
    pub fn round_trips(&self) -> Option<Picture> {
        let main = self.main_direction();
        self.drawn(Quantity::Rtt, &[main, main.reverse()])
    }

    fn drawn(&self, quantity: Quantity, directions: &[Direction]) -> Option<Picture> {
        let scenes: Vec<_> = directions
            .iter()
            .map(|direction| (*direction, &self.scenes[*direction]))
            .collect();
        let frame = Frame {
            connection: self.watched,
            record: self.record.as_deref(),
            marks: &self.marks,
            section: self.section,
        };
        Some(Picture {
            connection: self.watched,
            direction: match directions {
                [one] => Some(*one),
                _ => None,
            },
            quantity,
            chart: draw::chart(quantity, &scenes, &frame)?,
        })
    }
}

impl Scene {
    /// From the first to the last data.
    pub(super) fn duration(&self) -> Span {
        let cells = self.lanes.values().flat_map(|lane| lane.payload.cells());
        let (first, last) = cells.fold((i64::MAX, i64::MIN), |(first, last), cell| {
            (first.min(cell.t.0), last.max(cell.t.0))
        });
        Span(last.saturating_sub(first).max(0))
    }
}
