//! Acceptable segments, resets, and the run of segments that are not acceptable.

use crate::packet::{Packet, after, distance};
use crate::record::{Fin, Numbers, RUN, Record, Run, Sender, WINDOW_LARGEST, WINDOW_LEAST};

/// The window of a segment in bytes.
#[must_use]
pub fn window(sender: &Sender, packet: &Packet) -> u32 {
    let shift = if packet.syn {
        0
    } else {
        sender.window_scale.unwrap_or(0)
    };
    u32::from(packet.window) << shift
}

/// Conditions 1 and 2.
#[must_use]
pub fn sequence_possible(sender: &Sender, peer: &Sender, packet: &Packet) -> bool {
    let allowed = peer.window_max;
    if let Some((acknowledgement, _)) = peer.acknowledged
        && after(packet.sequence, acknowledgement.wrapping_add(allowed))
    {
        return false;
    }
    let Some(numbers) = &sender.numbers else { return true };
    if distance(packet.end(), numbers.end.wrapping_sub(allowed)) < 0 {
        return false;
    }
    peer.acknowledged.is_some() || !after(packet.sequence, numbers.end.wrapping_add(allowed))
}

/// Conditions 3 and 4.
fn acknowledgement_possible(sender: &Sender, peer: &Sender, packet: &Packet, ack: u32) -> bool {
    if let Some(numbers) = &peer.numbers {
        let mut lag = sender.window_max.max(WINDOW_LEAST);
        if sender.numbers.is_none() {
            lag = lag.max(window(sender, packet));
        }
        let highest = sender.acknowledged.map(|(highest, _)| highest);
        let oldest = highest
            .filter(|&highest| after(numbers.end, highest))
            .unwrap_or(numbers.end);
        return !after(ack, numbers.end) && !after(oldest.wrapping_sub(lag), ack);
    }
    let Some((acknowledgement, _)) = sender.acknowledged else {
        return true;
    };
    distance(ack, acknowledgement).unsigned_abs() <= WINDOW_LARGEST
}

/// Whether a segment other than SYN, SYN-ACK and RST is acceptable.
#[must_use]
pub fn acceptable(sender: &Sender, peer: &Sender, packet: &Packet) -> bool {
    packet.acknowledgement.is_some_and(|ack| {
        sequence_possible(sender, peer, packet) && acknowledgement_possible(sender, peer, packet, ack)
    })
}

/// For a segment that was just accepted: whether everything before its end was seen, if R's window is unknown.
#[must_use]
pub fn sure_place(sender: &Sender, peer: &Sender, packet: &Packet) -> bool {
    let contiguous = sender.numbers.as_ref().map(|numbers| numbers.contiguous);
    peer.window_max < WINDOW_LARGEST || contiguous == Some(packet.end())
}

/// Whether a reset has one of the exact numbers.
#[must_use]
pub fn reset_exact(sender: &Sender, peer: &Sender, packet: &Packet) -> bool {
    let sequence = Some(packet.sequence);
    sequence == sender.numbers.as_ref().map(|numbers| numbers.contiguous)
        || sequence == peer.acknowledged.map(|(acknowledgement, _)| acknowledgement)
        || sequence == peer.acknowledged.map(|(_, sack_edge)| sack_edge)
}

/// Counts an unacceptable segment.
pub fn extend_run(sender: &mut Sender, packet: &Packet) {
    let run = &mut sender.run;
    if run.count == 0 || run.end != packet.sequence {
        *run = Run {
            begin: packet.sequence,
            ..Run::default()
        };
    }
    run.end = packet.end();
    run.count = (run.count + 1).min(RUN);
}

/// Whether an acknowledgement of the other side confirms the run.
fn confirmed(run: &Run, ack: u32) -> bool {
    if run.count < RUN {
        return false;
    }
    if run.begin == run.end {
        return ack == run.end;
    }
    let length = run.end.wrapping_sub(run.begin);
    (1..=length).contains(&ack.wrapping_sub(run.begin))
}

/// Whether an unacceptable segment shows that the record is out of sync with the other side.
pub fn is_found_again(record: &mut Record, packet: &Packet) -> bool {
    let peer = record.pair(packet.side).1;
    packet.acknowledgement.is_some_and(|ack| confirmed(&peer.run, ack))
}

/// An unacceptable segment of `side`: resynchronises the record if both sides show that it is out of sync.
pub fn find_again(record: &mut Record, packet: &Packet) -> bool {
    let (sender, peer) = record.pair(packet.side);
    let Some(ack) = packet.acknowledgement.filter(|&ack| confirmed(&peer.run, ack)) else {
        return false;
    };
    peer.numbers = Some(Numbers {
        end: peer.run.end,
        contiguous: peer.run.end,
        base: peer.run.begin,
        ranges: Vec::new(),
    });
    peer.sample = None;
    peer.run.count = 0;
    peer.fin = Fin::None;
    peer.reanchored += 1;
    peer.dsn = None;
    sender.acknowledged = Some((ack, ack));
    true
}
