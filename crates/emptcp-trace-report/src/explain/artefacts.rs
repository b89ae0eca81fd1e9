//! What the packets show about the capture itself: order, and the clock.

use super::At;
use super::way::Run;
use emptcp_trace::{PacketEvent, Span};

/// A step back of the clock. Packets of several queues of a device come out of order by microseconds.
const STEP: Span = Span(10_000_000);

/// Packets of several sources, and a clock that was set.
#[derive(Clone, Debug, Default)]
pub(super) struct Artefacts {
    last: Option<At>,
    /// Packets that come in the order of time, but not in that of their numbers: the capture was not written in order.
    pub(super) disordered: Option<Run>,
    /// Where the time goes back.
    pub(super) set_back: Option<(At, At)>,
}

impl Artefacts {
    pub(super) fn observe(&mut self, packet: &PacketEvent, at: At) {
        if let Some(last) = self.last.replace(at) {
            if at.packet < last.packet {
                // What was held back until its connection was known has older times too.
                if at.t >= last.t {
                    Run::add(&mut self.disordered, at, packet.payload.into());
                }
            } else if last.t - at.t > STEP {
                self.set_back.get_or_insert((last, at));
            }
        }
    }
}
