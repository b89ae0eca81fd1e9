//! Handovers: the data moves from one subflow to another and does not return.

use super::out::{At, Out, What};
use super::state::Connection;
use crate::record::{Detail, MarkKind};
use crate::{Direction, Span};

/// A handover.
#[derive(Clone, Copy, Debug)]
struct HandOver {
    from: usize,
    to: usize,
    kind: MarkKind,
}

impl Connection {
    /// The direction with the more data: a handover is judged by it.
    fn main_direction(&self) -> Direction {
        let [c2s, s2c] = &self.halves.0;
        if s2c.data >= c2s.data {
            Direction::ServerToClient
        } else {
            Direction::ClientToServer
        }
    }

    fn hand_overs(&self, least: Span) -> Vec<HandOver> {
        let dir = self.main_direction();
        let carried = |index: &usize| self.subflows[*index].halves[dir].counters.new_dsn > 0;
        let mut carriers: Vec<usize> = (0..self.subflows.len()).filter(carried).collect();
        carriers.sort_by_key(|index| self.subflows[*index].halves[dir].t_first_data);
        let mut found = Vec::new();
        // All data of those before must lie before that of the new one: so it is enough to know the last of them.
        let mut last: Option<usize> = None;
        for to in carriers {
            if let Some(from) = last
                && let Some(kind) = self.kind(from, to, dir, least)
            {
                found.push(HandOver { from, to, kind });
            }
            let left = |index: usize| self.subflows[index].halves[dir].t_last_new;
            if last.is_none_or(|index| left(index) <= left(to)) {
                last = Some(to);
            }
        }
        found
    }

    /// Whether, and how, the data went from one subflow to another: all new data of the one lies before all data of the
    /// other, and the other carried on for long enough that it was no mere end on the other path.
    fn kind(&self, from: usize, to: usize, dir: Direction, least: Span) -> Option<MarkKind> {
        let (old, new) = (&self.subflows[from], &self.subflows[to]);
        let (left, arrived) = (old.halves[dir].t_last_new?, new.halves[dir].t_first_data?);
        if arrived <= left || new.halves[dir].t_last_new? - left < least {
            return None;
        }
        Some(match old.halves[dir].t_last_ack {
            Some(last) if last <= new.t_syn => MarkKind::BreakBeforeMake,
            _ => MarkKind::MakeBeforeBreak,
        })
    }

    pub(super) fn hand_over_count(&self, least: Span) -> u32 {
        u32::try_from(self.hand_overs(least).len()).unwrap_or(u32::MAX)
    }

    /// Marks them; only the end of the connection shows that the data never came back.
    pub(super) fn mark_hand_overs(&mut self, least: Span, out: &mut Out) {
        let dir = self.main_direction();
        for HandOver { from, to, kind } in self.hand_overs(least) {
            let (old, new) = (&self.subflows[from], &self.subflows[to]);
            let (left, arrived) = (old.halves[dir].t_last_new, new.halves[dir].t_first_data);
            let (Some(left), Some(arrived)) = (left, arrived) else {
                continue;
            };
            let at = At {
                conn_id: self.id,
                sf_id: Some(new.id),
                dir,
                packet: new.halves[dir].first_data,
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
