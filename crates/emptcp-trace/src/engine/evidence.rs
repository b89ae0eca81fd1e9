//! What the events rest on: the causes that remain, and the packets that show it.
//!
//! Each function is one statement. A cause that the packets exclude is not named; more than three would say nothing.

use crate::PacketNumber;
use crate::packet::Packet;
use crate::record::{Cause, Causes, Evidence};

/// More no-operation options in a row than a host writes: something overwrote an option.
pub(super) const ERASED: u8 = 4;

/// A RST answers the first SYN.
pub(super) fn refused(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::Refused, Cause::ResetInjected]), [packet])
}

/// The SYN+ACK has the option as the SYN had it. Nothing that knows the option does that: a server has a key of its
/// own.
pub(super) fn mirrored(packet: PacketNumber) -> Evidence {
    Evidence::certain(Cause::OptionMirrored, [packet])
}

/// The SYN+ACK has no option.
pub(super) fn syn_ack_without_option(packet: &Packet) -> Evidence {
    removed_or(Cause::NotSupported, packet.padding >= ERASED, [packet.number])
}

/// The SYN was repeated without the option, as hosts do after some SYNs without an answer.
pub(super) fn syn_again_without_option(packet: PacketNumber) -> Evidence {
    Evidence::one_of(
        Causes::of(&[Cause::PacketsLost, Cause::OptionBlocked, Cause::NotCaptured]),
        [packet],
    )
}

/// A side sends no option where it should.
pub(super) fn option_missing(is_erased: bool, proof: impl IntoIterator<Item = PacketNumber>) -> Evidence {
    removed_or(Cause::HostFellBack, is_erased, proof)
}

fn removed_or(host: Cause, is_erased: bool, proof: impl IntoIterator<Item = PacketNumber>) -> Evidence {
    let evidence = Evidence::one_of(Causes::of(&[host, Cause::OptionRemoved]), proof);
    if is_erased {
        return Evidence {
            certainty: crate::record::Certainty::Certain,
            ..evidence.excluding(Causes::of(&[host]))
        };
    }
    evidence
}

/// Data goes on without mappings, while other options of its sender arrive.
pub(super) fn mappings_missing(proof: impl IntoIterator<Item = PacketNumber>) -> Evidence {
    Evidence::one_of(
        Causes::of(&[Cause::HostFellBack, Cause::Violation, Cause::Resegmented]),
        proof,
    )
    .excluding(Causes::of(&[Cause::OptionRemoved]))
}

/// One side goes on with DSS, the other does not.
pub(super) fn one_sided(is_erased: bool, proof: impl IntoIterator<Item = PacketNumber>) -> Evidence {
    removed_or(Cause::HostFellBack, is_erased, proof)
}

/// The checksum of data is wrong where it was captured.
pub(super) fn wrong_checksum(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::Violation, Cause::PayloadChanged]), [packet])
}

/// The receiver of data says that its checksum is wrong.
pub(super) fn mp_fail(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::Violation, Cause::PayloadChanged]), [packet])
}

/// The HMAC of a join does not fit the keys.
pub(super) fn wrong_hmac(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::Violation, Cause::OptionChanged]), [packet])
}

/// The HMAC of an announcement does not fit the keys and the address.
pub(super) fn wrong_add_addr_hmac(packet: PacketNumber) -> Evidence {
    Evidence::one_of(
        Causes::of(&[Cause::Violation, Cause::OptionChanged, Cause::AddressTranslated]),
        [packet],
    )
}

/// A second, different key of a host.
pub(super) fn key_changed(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::Violation, Cause::OptionChanged]), [packet])
}

/// Bytes of a packet came again, and nothing tells a retransmission from a copy.
pub(super) fn same_bytes_again(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::CapturedTwice, Cause::PacketsLost]), [packet])
}

/// The same bytes at new sequence numbers after one side fell back.
pub(super) fn corruption(packet: PacketNumber) -> Evidence {
    Evidence::one_of(
        Causes::of(&[Cause::HostFellBack, Cause::Violation, Cause::OptionRemoved]),
        [packet],
    )
}

/// Data waited long for its DATA_ACK, which then came.
pub(super) fn stall(was_lost: bool, packet: PacketNumber) -> Evidence {
    let network = Causes::of(&[Cause::PacketsLost, Cause::PathDead]);
    if was_lost {
        return Evidence::one_of(network.with(Causes::of(&[Cause::HostGone])), [packet]);
    }
    Evidence::one_of(network.with(Causes::of(&[Cause::NotCaptured])), [packet])
}

/// An acknowledgement covers payload that the capture does not have.
pub(super) fn not_captured(packet: PacketNumber) -> Evidence {
    Evidence::certain(Cause::NotCaptured, [packet])
}

/// An option is malformed: its sender wrote it so, or something on the path changed it.
pub(super) fn malformed(packet: PacketNumber) -> Evidence {
    Evidence::one_of(Causes::of(&[Cause::Violation, Cause::OptionChanged]), [packet])
}
