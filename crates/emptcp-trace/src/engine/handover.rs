//! Hand-overs: the data leaves one subflow for another, for good.

use super::out::{At, Out, What};
use super::state::{Connection, Subflow};
use crate::record::{Detail, MarkKind};
use crate::{Direction, PacketNumber, Timestamp};

/// A hand-over.
#[derive(Clone, Copy, Debug)]
struct HandOver {
    from: usize,
    to: usize,
    kind: MarkKind,
}

impl Connection {
    /// The direction with the more data: a hand-over is judged by it.
    fn main_direction(&self) -> Direction {
        let [c2s, s2c] = &self.halves.0;
        if s2c.data >= c2s.data {
            Direction::ServerToClient
        } else {
            Direction::ClientToServer
        }
    }

    fn hand_overs(&self) -> Vec<HandOver> {
        let dir = self.main_direction();
        let mut carriers: Vec<usize> = (0..self.subflows.len())
            .filter(|index| self.subflows[*index].halves[dir].counters.payload > 0)
            .collect();
        carriers.sort_by_key(|index| self.subflows[*index].halves[dir].t_first_data);
        let mut found = Vec::new();
        for pair in carriers.windows(2) {
            let &[from, to] = pair else { continue };
            let (old, new) = (&self.subflows[from], &self.subflows[to]);
            if let Some(kind) = kind(old, new, dir) {
                found.push(HandOver { from, to, kind });
            }
        }
        found
    }

    pub(super) fn hand_over_count(&self) -> u32 {
        u32::try_from(self.hand_overs().len()).unwrap_or(u32::MAX)
    }

    /// Marks them; only the end of the connection shows that the data never came back.
    pub(super) fn mark_hand_overs(&mut self, packet: PacketNumber, out: &mut Out) {
        let dir = self.main_direction();
        for HandOver { from, to, kind } in self.hand_overs() {
            let (old, new) = (&self.subflows[from], &self.subflows[to]);
            let (left, arrived) = (old.halves[dir].t_last_new, new.halves[dir].t_first_data);
            let (Some(left), Some(arrived)) = (left, arrived) else {
                continue;
            };
            let at = At {
                conn_id: self.id,
                sf_id: Some(new.id),
                dir,
                packet,
                t: arrived,
            };
            let what = What {
                bytes: new.halves[dir].reinjected_early,
                other_sf: Some(old.id),
                detail: Some(Detail::Gap(arrived - left)),
            };
            self.happened.insert(kind);
            out.mark(at, kind, what);
        }
    }
}

/// Whether, and how, the data went from one subflow to another: all new data of the one lies before all data of the other.
fn kind(old: &Subflow, new: &Subflow, dir: Direction) -> Option<MarkKind> {
    let (left, arrived) = (old.halves[dir].t_last_new?, new.halves[dir].t_first_data?);
    if arrived <= left {
        return None;
    }
    let silent: Option<Timestamp> = old.halves[dir].t_last_ack;
    Some(match silent {
        Some(last) if last <= new.t_syn => MarkKind::BreakBeforeMake,
        _ => MarkKind::MakeBeforeBreak,
    })
}
