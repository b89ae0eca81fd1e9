//! What a test says about the kind of a segment: its flags, and whether it has payload.

use crate::expression::Primary;
use emptcp_abi::packet_type as bits;

const SYN: u32 = 1 << 0;
const ACK: u32 = 1 << 1;
const FIN: u32 = 1 << 2;
const RST: u32 = 1 << 3;
const DATA: u32 = 1 << 4;
/// The number of combinations of these; each is a bit of [`Segments`].
const COMBINATIONS: u32 = 1 << 5;

/// A set of kinds of segments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Segments(u32);

impl Segments {
    const ALL: Self = Self(u32::MAX);

    fn whose(holds: impl Fn(u32) -> bool) -> Self {
        let members = (0..COMBINATIONS).filter(|segment| holds(*segment));
        Self(members.fold(0, |set, segment| set | 1 << segment))
    }

    /// Whether one segment can be in both.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Whether a segment is of a kind that its flags and its payload decide alone, as `parse.h` of the core does; `None`
/// for others.
fn decided(kind: u32, segment: u32) -> Option<bool> {
    let has = |what: u32| segment & what == what;
    Some(match kind {
        bits::SYN => has(SYN) && !has(ACK),
        bits::SYNACK => has(SYN | ACK),
        bits::PURE_ACK => segment == ACK,
        bits::ACK => has(ACK),
        bits::DATA => has(DATA),
        bits::FIN => has(FIN),
        bits::RST => has(RST),
        _ => return None,
    })
}

fn kinds(types: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).map(|bit| 1 << bit).filter(move |kind| types & kind != 0)
}

/// The segments that can fulfil a test.
pub(super) fn of(primary: &Primary) -> Segments {
    match primary {
        Primary::PacketIs(types) => Segments::whose(|segment| {
            kinds(*types).any(|kind| match kind {
                bits::THIRD_ACK => segment & (SYN | ACK | RST) == ACK,
                kind => decided(kind, segment).unwrap_or(true),
            })
        }),
        Primary::Field(field, _) => match field.segments() {
            Some(types) => Segments::whose(|segment| kinds(types).any(|kind| decided(kind, segment).unwrap_or(true))),
            None => Segments::ALL,
        },
        _ => Segments::ALL,
    }
}

/// The segments that can fulfil its negation.
pub(super) fn without(primary: &Primary) -> Segments {
    match primary {
        Primary::PacketIs(types) => {
            Segments::whose(|segment| !kinds(*types).any(|kind| decided(kind, segment) == Some(true)))
        }
        _ => Segments::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Wanted;

    fn is(types: u32) -> Primary {
        Primary::PacketIs(types)
    }

    /// A test of a field that SYN and SYN-ACK have.
    fn only_in_syn() -> Primary {
        let text = "name = 'a'\nkind = 'selector'\nsummary = 's'\nhooks = ['xdp']\n\
                    [[argument]]\nname = 'b'\ntype = 'boolean'\nhelp = 'h'\n\
                    [[field]]\nname = 'a.b'\nform = 'flag'\narguments = ['b']\nsegments = 'syn|synack'\n";
        let catalog: crate::Catalog = [crate::manifest::Manifest::parse("element.toml", text).unwrap()]
            .into_iter()
            .collect();
        Primary::Field(catalog.fields().get("a.b").unwrap().clone(), Wanted::Flag(true))
    }

    #[test]
    fn kinds_that_their_flags_exclude_do_not_meet() {
        for (a, b) in [
            (bits::SYN, bits::SYNACK),
            (bits::SYN, bits::ACK),
            (bits::PURE_ACK, bits::DATA),
            (bits::PURE_ACK, bits::FIN | bits::RST),
            (bits::THIRD_ACK, bits::SYN | bits::SYNACK),
        ] {
            assert!(!of(&is(a)).meet(of(&is(b))), "{a} {b}");
            assert!(of(&is(a)).meet(without(&is(b))), "{a} {b}");
        }
        assert!(!of(&only_in_syn()).meet(of(&is(bits::THIRD_ACK))));
        assert!(!of(&is(bits::SYNACK)).meet(without(&is(bits::ACK))));
    }

    #[test]
    fn kinds_that_one_segment_can_have_meet() {
        for (a, b) in [
            // TCP Fast Open; MP_CAPABLE with data (RFC 8684 section 3.1).
            (bits::SYN, bits::DATA),
            (bits::THIRD_ACK, bits::DATA),
            (bits::DATA, bits::FIN),
            (bits::SYNACK, bits::ACK),
            (bits::UNACCEPTABLE, bits::PURE_ACK),
        ] {
            assert!(of(&is(a)).meet(of(&is(b))), "{a} {b}");
        }
        // RFC 8684 forbids it, but any host can send it, and a policy may look for it.
        assert!(of(&only_in_syn()).meet(of(&is(bits::DATA))));
        assert!(without(&is(bits::UNACCEPTABLE)) == Segments::ALL);
    }
}
