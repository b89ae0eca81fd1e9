//! Subflows of which the device sees only one side's packets.

use crate::numbers::acceptable;
use crate::packet::Packet;
use crate::record::{Fin, Record, Sender, State};
use mptcp_wire::Side;

/// Whether a segment of this side was seen.
#[must_use]
pub fn is_known(sender: &Sender) -> bool {
    sender.numbers.is_some() || sender.acknowledged.is_some()
}

/// Eight segments of one side in a second and none of the other: the other side's packets do not pass here.
#[must_use]
pub fn one_sided(record: &Record, side: Side, now: u64) -> bool {
    matches!(record.state, State::Adopting | State::Syn)
        && !is_known(&record.sender[side.other() as usize])
        && record.sender[side as usize].packets >= 8
        && now.saturating_sub(record.first_ns) >= 1_000_000_000
}

/// A FIN or a suspected reset, and a minute of silence.
#[must_use]
pub fn ended_by_silence(record: &Record, now: u64) -> bool {
    let silent = |sender: &Sender| {
        (sender.fin == Fin::Sent || sender.reset_suspected) && now.saturating_sub(sender.last_ns) >= 60_000_000_000
    };
    record.sender.iter().any(silent)
}

/// Whether this segment, which the record rejects, belongs to a later subflow on the same ports.
#[must_use]
pub fn succeeds(record: &Record, opening: &Record, packet: &Packet, now: u64) -> bool {
    let [local, remote] = &opening.sender;
    let fits = match packet.side {
        Side::Local => acceptable(local, remote, packet),
        Side::Remote => acceptable(remote, local, packet),
    };
    record.one_direction
        && opening.state == State::Syn
        && opening.opener == Some(packet.side)
        && record.last_ns <= opening.first_ns
        && now.saturating_sub(opening.first_ns) >= 3_000_000_000
        && fits
}
