//! Differences between two copies of a packet.

use super::option::{OptionName, changes};
use super::packet::{Packet, PayloadMatch};
use super::pending::Pair;
use super::tally::{Tally, field};
use super::{Example, FieldChange, Point};
use mptcp_wire::tcp::Located;
use smallvec::SmallVec;
use std::collections::BTreeMap;

impl Tally {
    /// Two copies. `bases`: the bases of acknowledged sequence numbers at A and B.
    pub(super) fn pair(&mut self, pair: &Pair<'_>, bases: [u32; 2]) {
        let [a, b] = pair.items.map(|item| &item.packet);
        let [first, second] = pair.items;
        if pair.exact {
            self.exact += 1;
        } else {
            self.pieces += 1;
        }
        if first.start == second.start {
            self.samples.add(a.time, b.time - a.time);
        }
        self.order[Point::B.index()].note(first.order, second.order);
        self.order[Point::A.index()].note(second.order, first.order);
        let hops = i16::from(a.hops) - i16::from(b.hops);
        self.hops = Some(
            self.hops
                .map_or((hops, hops), |(least, most)| (least.min(hops), most.max(hops))),
        );
        let example = Example {
            a: a.number,
            b: b.number,
        };
        self.compare_options(a, b, pair.exact, bases, example);
        self.compare_fields(a, b, pair.exact, bases, example);
        if first.start == second.start && a.payload_length.min(b.payload_length) > 0 {
            let same_length = a.payload_length == b.payload_length;
            match a
                .payload
                .compare(&b.payload, a.payload_length.min(b.payload_length), same_length)
            {
                PayloadMatch::Unknown => {}
                PayloadMatch::Same => self.payload_compared += 1,
                different @ PayloadMatch::Different { .. } => {
                    self.payload_compared += 1;
                    self.payload_changed += 1;
                    self.first_changed.get_or_insert((example, different));
                }
            }
        }
    }

    fn compare_options(&mut self, a: &Packet, b: &Packet, exact: bool, bases: [u32; 2], example: Example) {
        let (stage, options) = (a.stage(), [named(a), named(b)]);
        let [mut left, mut right] = [options[0].iter().peekable(), options[1].iter().peekable()];
        loop {
            // Both lists are sorted by name: walk them in parallel.
            let (only, name) = match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some((name, own)), Some((other_name, other))) if name == other_name => {
                    // Offloads keep the options, except for fields that concern a single segment.
                    if exact {
                        let relative =
                            |at_b: bool, number: u32| number.wrapping_sub(if at_b { bases[1] } else { bases[0] });
                        let changes = changes(own, other, relative);
                        if !changes.is_empty() {
                            let tally = self.options.entry((*name, stage)).or_default();
                            tally.changed += 1;
                            for (field, from, to) in changes {
                                note(&mut tally.fields, field, example, || (from, to));
                            }
                        }
                    }
                    left.next();
                    right.next();
                    continue;
                }
                (Some((name, _)), Some((other_name, _))) if name < other_name => (Point::A, *name),
                (Some((name, _)), None) => (Point::A, *name),
                (_, Some((name, _))) => (Point::B, *name),
            };
            match only {
                Point::A => left.next(),
                Point::B => right.next(),
            };
            let tally = self.options.entry((name, stage)).or_default();
            tally.only[only.index()] += 1;
            tally.first_only[only.index()].get_or_insert(example);
        }
    }

    fn compare_fields(&mut self, a: &Packet, b: &Packet, exact: bool, bases: [u32; 2], example: Example) {
        let fields = &mut self.fields;
        let mut compare = |name, a: u32, b: u32| {
            if a != b {
                note(fields, name, example, || (a.to_string(), b.to_string()));
            }
        };
        compare(
            field::DSCP,
            (a.traffic_class >> 2).into(),
            (b.traffic_class >> 2).into(),
        );
        compare(field::ECN, (a.traffic_class & 3).into(), (b.traffic_class & 3).into());
        // An aggregate and its segments differ in these.
        if !exact {
            return;
        }
        compare(field::WINDOW, a.window.into(), b.window.into());
        compare(field::URGENT, a.urgent.into(), b.urgent.into());
        if let (Some(a), Some(b)) = (a.acknowledgement, b.acknowledgement) {
            compare(
                field::ACKNOWLEDGEMENT,
                a.wrapping_sub(bases[0]),
                b.wrapping_sub(bases[1]),
            );
        }
        if let (Some(a), Some(b)) = (a.identification, b.identification) {
            compare(field::IDENTIFICATION, a.into(), b.into());
        }
        if a.flags != b.flags {
            note(fields, field::FLAGS, example, || {
                (format!("{:#05x}", a.flags.bits()), format!("{:#05x}", b.flags.bits()))
            });
        }
    }
}

fn named(packet: &Packet) -> SmallVec<[(OptionName, Located<'_>); 6]> {
    let options = packet.options().map_while(Result::ok);
    let mut named: SmallVec<_> = options
        .filter_map(|option| Some((OptionName::of(&option)?, option)))
        .collect();
    named.sort_by_key(|(name, _)| *name);
    named
}

fn note(
    fields: &mut BTreeMap<&'static str, FieldChange>,
    name: &'static str,
    example: Example,
    values: impl FnOnce() -> (String, String),
) {
    fields
        .entry(name)
        .or_insert_with(|| {
            let (at_a, at_b) = values();
            FieldChange {
                field: name,
                packets: 0,
                first: example,
                at_a,
                at_b,
            }
        })
        .packets += 1;
}
