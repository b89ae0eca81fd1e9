//! Keeps what the pictures need, event by event.

use super::draw::{self, Scene};
use super::grid::Extent;
use super::lane::Lane;
use super::{Picture, Quantity, Section, moments};
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
    marks: Vec<(f64, String)>,
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
            marks: Vec::new(),
        }
    }

    /// Takes note of an event. Those of other connections are ignored.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Packet(packet) if packet.conn_id == self.watched => self.packet(packet),
            Event::Mark(mark) if mark.conn_id == self.watched => {
                let t = mark.t - *self.start.get_or_insert(mark.t);
                if self.section.contains(t)
                    && self.marks.len() < moments::MOST
                    && let Some(words) = moments::words(mark)
                {
                    self.marks.push((t.seconds(), words));
                }
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

    /// A picture; none when there is nothing to draw, for example no data in this direction.
    #[must_use]
    pub fn picture(&self, quantity: Quantity, direction: Direction) -> Option<Picture> {
        let scene = &self.scenes[direction];
        let chart = draw::chart(scene, quantity, direction, self.watched, &self.marks, self.section)?;
        Some(Picture {
            connection: self.watched,
            direction,
            quantity,
            chart,
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
