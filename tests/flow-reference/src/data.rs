//! Data sequence numbers, and the connection that they belong to.

use crate::packet::{Capable, Packet};
use crate::record::{Connection, Record, WINDOW_LARGEST, WINDOW_LEAST};
use mptcp_wire::Side;
use mptcp_wire::{Version, WireDataSequenceNumber, crypto::derive};

/// Within 2^31 of the known number.
fn near(number: u64, known: u64) -> bool {
    let distance = number.wrapping_sub(known) as i64;
    (-(1 << 31)..1 << 31).contains(&distance)
}

/// The 64-bit number of a wire form, nearest to the known number.
fn widen(number: WireDataSequenceNumber, known: Option<u64>) -> Option<u64> {
    match number {
        WireDataSequenceNumber::Long(number) => Some(number),
        WireDataSequenceNumber::Short(short) => {
            known.map(|known| known.wrapping_add_signed(i64::from(short.wrapping_sub(known as u32) as i32)))
        }
    }
}

/// Whether `a` is the later of two.
fn after(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) as i64 > 0
}

/// Changes in lower bits do not update the connection.
const STEP: u32 = 24;

/// A mapping of `side`.
pub fn map(
    record: &mut Record,
    connection: Option<&mut Connection>,
    side: Side,
    dsn: WireDataSequenceNumber,
    length: u16,
    implicit: bool,
) {
    let jump = &mut record.jump;
    let sender = &mut record.sender[side as usize];
    let own = sender.dsn.map(|(_, next)| next);
    let shared = connection
        .as_ref()
        .and_then(|connection| connection.dsn_next[side as usize]);
    let fits = |known: Option<u64>| {
        let known = known?;
        widen(dsn, Some(known)).filter(|&wide| near(wide, known))
    };
    let believed = match (own, shared) {
        (None, None) => match sender.idsn.filter(|_| sender.reanchored == 0) {
            Some(idsn) => fits(Some(idsn.wrapping_add(1))),
            None => widen(dsn, None),
        },
        _ => fits(own).or_else(|| fits(shared)),
    };
    let Some(dsn) = believed else {
        let first = sender.idsn.map(|idsn| idsn.wrapping_add(1));
        if let (WireDataSequenceNumber::Long(dsn), Some(known)) = (dsn, shared.or(own).or(first))
            && !near(dsn, known)
            && !jump.is_some_and(|(who, next)| who == side && near(dsn, next))
        {
            *jump = Some((side, dsn.wrapping_add(u64::from(length))));
        }
        return;
    };
    jump.take_if(|(who, _)| *who == side);
    let next = dsn.wrapping_add(u64::from(length));
    sender.dsn = Some(sender.dsn.map_or((dsn, next), |(first, highest)| {
        (
            if after(first, dsn) { dsn } else { first },
            if after(next, highest) { next } else { highest },
        )
    }));
    let highest = sender.dsn.expect("just set").1;
    let tells = implicit || own.is_none_or(|own| !near(dsn, own) || next >> STEP != own >> STEP);
    if let Some(connection) = connection.filter(|_| tells) {
        connection.hears(side, highest);
    }
}

/// A DATA_ACK of `side`: a distant DSN is accepted once a DATA_ACK covers it.
pub fn cover(record: &mut Record, connection: Option<&mut Connection>, side: Side, data_ack: WireDataSequenceNumber) {
    let (other, WireDataSequenceNumber::Long(data_ack)) = (side.other(), data_ack) else {
        return;
    };
    let covered = |(who, next): &mut (Side, u64)| *who == other && data_ack.wrapping_sub(*next) < 1 << 31;
    let Some((_, next)) = record.jump.take_if(covered) else {
        return;
    };
    let dsn = &mut record.sender[other as usize].dsn;
    let first = dsn
        .filter(|&(_, highest)| !after(highest, next))
        .map(|(first, _)| first);
    *dsn = Some((first.unwrap_or(next), next));
    if let Some(connection) = connection {
        connection.dsn_next[other as usize].take_if(|known| !near(*known, next));
        connection.hears(other, next);
    }
}

impl Connection {
    /// A connection that the keys of MP_CAPABLE name.
    #[must_use]
    pub fn new(record: &Record, packet: &Packet, capable: &Capable) -> Option<Self> {
        let keys = capable.keys?;
        let version = if capable.version == 0 { Version::V0 } else { Version::V1 };
        let [own, other] = keys.map(|key| derive(version, key));
        let (local, remote) = match packet.side {
            Side::Local => (own, other),
            Side::Remote => (other, own),
        };
        Some(Self {
            id: u64::from(local.token.0) << 32 | u64::from(remote.token.0),
            first_ns: record.first_ns,
            idsn: [local.idsn.0, remote.idsn.0],
            token: [local.token.0, remote.token.0],
            version: capable.version,
            ..Self::default()
        })
    }

    /// Updates `dsn_next` of a side from a subflow.
    fn hears(&mut self, side: Side, next: u64) {
        let known = &mut self.dsn_next[side as usize];
        if known.is_none_or(|known| after(next, known)) {
            *known = Some(next);
        }
    }

    /// The data that a record takes over from its connection.
    pub fn introduce(&self, record: &mut Record) {
        record.connection = Some(self.id);
        record.version = Some(self.version);
        for side in Side::BOTH {
            record.token[side as usize] = Some(self.token[side as usize]);
            record.sender[side as usize].idsn = Some(self.idsn[side as usize]);
        }
    }

    /// A DATA_ACK of `side`.
    pub fn acknowledge(&mut self, side: Side, data_ack: WireDataSequenceNumber) {
        let known = self.data_ack[side as usize];
        let sent = self.dsn_next[side.other() as usize];
        let first = self.idsn[side.other() as usize];
        let best = known.or(sent).or((first != 0).then_some(first));
        let Some(data_ack) = widen(data_ack, best) else { return };
        let fits = |known: Option<u64>| known.is_some_and(|known| near(data_ack, known));
        if best.is_some() && !fits(best) && !fits(sent) {
            return;
        }
        if known.is_none_or(|known| after(data_ack, known)) {
            self.data_ack[side as usize] = Some(data_ack);
        }
    }
}

/// The windows that count once the handshake is complete: those of the connection.
pub fn windows(record: &mut Record, connection: Option<&mut Connection>) {
    let mut connection = connection;
    for (side, sender) in record.sender.iter_mut().enumerate() {
        let Some(connection) = connection.as_deref_mut().filter(|_| sender.window_scale.is_some()) else {
            sender.window_max = WINDOW_LARGEST;
            continue;
        };
        let largest = &mut connection.window_max[side];
        *largest = sender.window.max(*largest);
        sender.window_max = WINDOW_LEAST.max(*largest);
    }
}

/// Fetches what other subflows of the connection have shown; true when a window became larger.
pub fn widen_windows(record: &mut Record, connection: Option<&Connection>) -> bool {
    let Some(connection) = connection else { return false };
    let mut wider = false;
    for (sender, largest) in record.sender.iter_mut().zip(connection.window_max) {
        wider |= largest > sender.window_max;
        sender.window_max = sender.window_max.max(largest);
    }
    wider
}
