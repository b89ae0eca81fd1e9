//! Handovers: the data moves from one subflow to another and does not return.

use super::out::{At, MarkFields, Out};
use super::state::Connection;
use crate::record::{Cause, Causes, Detail, Evidence, MarkKind};
use crate::{Direction, Span, Timestamp};

/// A sender that has data goes on within this time.
const AT_ONCE: Span = Span(200_000_000);

/// A handover.
#[derive(Clone, Copy, Debug)]
struct Handover {
    from: usize,
    to: usize,
    kind: MarkKind,
}

impl Connection {
    /// The direction with more data, which determines handovers.
    fn main_direction(&self) -> Direction {
        let [c2s, s2c] = &self.halves.0;
        if s2c.data >= c2s.data {
            Direction::ServerToClient
        } else {
            Direction::ClientToServer
        }
    }

    fn handovers(&self, least: Span) -> Vec<Handover> {
        let dir = self.main_direction();
        let carried = |index: &usize| self.subflows[*index].halves[dir].counters.new_dsn > 0;
        let mut carriers: Vec<usize> = (0..self.subflows.len()).filter(carried).collect();
        carriers.sort_by_key(|index| self.subflows[*index].halves[dir].t_first_data);
        let mut found = Vec::new();
        // All data of earlier subflows must precede the data of the new one, so the last of them is enough.
        let mut last: Option<usize> = None;
        for to in carriers {
            if let Some(from) = last
                && let Some(kind) = self.kind(from, to, dir, least)
            {
                found.push(Handover { from, to, kind });
            }
            let left = |index: usize| self.subflows[index].halves[dir].t_last_new;
            if last.is_none_or(|index| left(index) <= left(to)) {
                last = Some(to);
            }
        }
        found
    }

    /// Whether the data moved from one subflow to another, and how. All new data of the first must precede all data of
    /// the second, and the second must carry data for long enough that it is not just the end of the transfer.
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

    /// Why the data moved: the old subflow was closed or made backup, its data was not acknowledged, or neither. Then
    /// the sender chose, at once or after a time in which it had nothing to send.
    fn why_it_moved(&self, from: usize, to: usize, dir: Direction, left: Timestamp, arrived: Timestamp) -> Evidence {
        let (old, new) = (&self.subflows[from], &self.subflows[to]);
        let before = |time: Option<Timestamp>| time.is_some_and(|time| time <= arrived);
        let broke = old.halves[dir].in_flight() > 0 || new.halves[dir].reinjected_early > 0;
        let causes: &[Cause] = match () {
            () if before(old.t_closed) => &[Cause::HostClosed],
            () if before(old.t_backup) => &[Cause::Scheduler],
            () if broke => &[Cause::HostGone, Cause::PacketsLost, Cause::PathDead],
            () if arrived - left < AT_ONCE => &[Cause::Scheduler],
            () => &[Cause::Idle, Cause::Scheduler],
        };
        let proof = [old.halves[dir].last_new, new.halves[dir].first_data];
        Evidence::one_of(Causes::of(causes), proof)
    }

    pub(super) fn handover_count(&self, least: Span) -> u32 {
        u32::try_from(self.handovers(least).len()).unwrap_or(u32::MAX)
    }

    /// Emits the marks. Only at the end of the connection is it certain that the data did not return.
    pub(super) fn mark_handovers(&mut self, least: Span, out: &mut Out) {
        let dir = self.main_direction();
        for Handover { from, to, kind } in self.handovers(least) {
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
            let what = MarkFields {
                bytes: new.halves[dir].reinjected_early,
                other_sf: Some(old.id),
                detail: Some(Detail::Gap(arrived - left)),
                evidence: self.why_it_moved(from, to, dir, left, arrived),
            };
            self.event_kinds.insert(kind);
            out.mark(at, kind, what);
        }
    }
}
