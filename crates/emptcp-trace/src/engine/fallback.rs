//! Fallback to TCP (RFC 8684, 3.7).

use super::out::At;
use super::segment::Context;
use super::state::Connection;
use crate::record::{Detail, Fallback, MarkKind};

impl Connection {
    pub(super) fn fall_back(&mut self, at: At, class: Fallback, context: &mut Context<'_>) {
        if self.fallback.insert(class) {
            context.out.mark(at, MarkKind::Fallback, Detail::Fallback(class));
        }
    }

    /// Handles payload that has no mapping and will get none.
    pub(super) fn no_mapping(&mut self, index: usize, at: At, context: &mut Context<'_>) {
        if let Some(class) = self.class_without_mapping(index, at) {
            self.fall_back(at, class, context);
        }
        self.note_one_sided(at, context);
    }

    /// The class of fallback that payload without a mapping shows; none when the handshake failed already.
    pub(super) fn class_without_mapping(&self, index: usize, at: At) -> Option<Fallback> {
        let told = [
            Fallback::SynAckWithoutOption,
            Fallback::SynAgainWithoutOption,
            Fallback::AckWithoutOption,
            Fallback::MpFail,
            Fallback::InfiniteMapping,
        ];
        if told.iter().any(|class| self.fallback.contains(class)) {
            return None;
        }
        let mapped = self.subflows.get(index)?.halves[at.dir].mapped_to.is_some();
        Some(if mapped {
            Fallback::DssDisappeared
        } else {
            Fallback::AckWithoutOption
        })
    }

    /// Notes a one-sided fallback: one side still sends mappings although the other has stopped.
    fn note_one_sided(&mut self, at: At, context: &mut Context<'_>) {
        let other = self.halves[at.dir.reverse()].last_dss;
        if other.is_some_and(|last| last > at.t + context.settings.stall) {
            self.fall_back(at, Fallback::OneSided, context);
        }
    }

    /// Notes repeated bytes at new sequence numbers after a one-sided fallback: the receiver may take them for new
    /// data.
    pub(super) fn suspect_corruption(&mut self, at: At, context: &mut Context<'_>) {
        let lost = [Fallback::DssDisappeared, Fallback::OneSided];
        if lost.iter().any(|class| self.fallback.contains(class)) {
            self.event_kinds.insert(MarkKind::StreamCorruptionSuspected);
            context.out.mark(at, MarkKind::StreamCorruptionSuspected, ());
        }
    }
}
