//! MPTCP options other than handshakes and DSS.

use super::out::{At, MarkFields};
use super::segment::{Context, Location};
use super::state::{Announced, Connection, Subflow};
use crate::packet::Packet;
use crate::record::{Detail, End, Fallback, Hash, MarkKind};
use crate::{Direction, record::Kind};
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, MpPrio, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{Version, crypto};

/// Address identifiers are bytes, so more announcements than this are repetitions.
const ANNOUNCEMENTS: usize = 256;

impl Connection {
    #[inline(never)]
    pub(super) fn signals(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        for option in &packet.options {
            self.options.count(option.subtype());
            match option {
                MptcpOption::AddAddr(add_addr) => self.add_addr(location, add_addr, context),
                MptcpOption::RemoveAddr(remove) => {
                    let ids = remove.address_ids().to_vec();
                    self.halves[location.dir].remove_addr += ids.len() as u64;
                    self.record_event(location, MarkKind::RemoveAddr, Detail::AddressIds(ids), context);
                }
                MptcpOption::MpPrio(prio) => {
                    self.halves[location.dir].mp_prio += 1;
                    self.priority(location, prio, context);
                }
                MptcpOption::MpFail(_) => {
                    self.record_event(location, MarkKind::MpFail, (), context);
                    self.subflows[location.index].infinite = true;
                    let evidence = super::evidence::mp_fail(packet.number);
                    self.fall_back(location.at, Fallback::MpFail, evidence, context);
                }
                MptcpOption::MpFastclose(_) => {
                    self.record_event(location, MarkKind::MpFastclose, (), context);
                    self.end_as(End::Fastclose, location.at, context);
                }
                MptcpOption::MpTcprst(reset) => {
                    if !packet.flags.contains(Flags::RST) {
                        continue;
                    }
                    self.subflows[location.index].reset = Some(*reset);
                    let detail = Detail::Reset {
                        transient: reset.transient,
                        reason: reset.reason,
                    };
                    self.record_event(location, MarkKind::MpTcprst, detail, context);
                }
                MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_) | MptcpOption::Dss(_) | MptcpOption::Unknown(_) => {}
            }
        }
    }

    fn record_event(
        &mut self,
        location: Location,
        kind: MarkKind,
        what: impl Into<super::out::MarkFields>,
        context: &mut Context<'_>,
    ) {
        self.event_kinds.insert(kind);
        context.out.mark(location.at, kind, what);
    }

    /// MP_PRIO is about its subflow; with an address identifier (version 0), about those of that address of its sender
    /// (RFC 6824, 3.3.8).
    fn priority(&mut self, location: Location, prio: &MpPrio, context: &mut Context<'_>) {
        let named = prio.address_id.filter(|_| self.version == Version::V0);
        let carrier = self.subflows[location.index].id;
        let side = usize::from(location.dir == Direction::ServerToClient);
        let mut is_about = |subflow: &mut Subflow| {
            let is_meant = match named {
                // The address of the initial subflow has identifier 0 on both sides (RFC 6824, 3.2).
                Some(id) if subflow.kind == Kind::Initial => id.0 == 0,
                Some(id) => subflow.address_ids[side] == Some(id),
                // The receiver of version 1 ignores the option with an identifier, which that version does not have.
                None => subflow.id == carrier && prio.address_id.is_none(),
            };
            if is_meant {
                subflow.backup = prio.backup;
                subflow.t_backup = prio.backup.then_some(location.at.t);
            }
            is_meant.then_some(subflow.id)
        };
        let about: Vec<_> = self.subflows.iter_mut().filter_map(&mut is_about).collect();
        let detail = Detail::Priority {
            backup: prio.backup,
            address_id: prio.address_id,
        };
        self.event_kinds.insert(MarkKind::MpPrio);
        for id in &about {
            let what = MarkFields {
                detail: Some(detail.clone()),
                other_sf: (*id != carrier).then_some(carrier),
                ..MarkFields::default()
            };
            let at = At {
                sf_id: Some(*id),
                ..location.at
            };
            context.out.mark(at, MarkKind::MpPrio, what);
        }
        if about.is_empty() {
            // It changes no subflow of the capture.
            let what = MarkFields {
                detail: Some(detail),
                other_sf: Some(carrier),
                ..MarkFields::default()
            };
            context.out.mark(
                At {
                    sf_id: None,
                    ..location.at
                },
                MarkKind::MpPrio,
                what,
            );
        }
    }

    fn add_addr(&mut self, location: Location, option: &AddAddr, context: &mut Context<'_>) {
        let detail = Detail::Address {
            id: option.address_id,
            address: Some(option.address),
            port: option.port,
        };
        let same = |announced: &&mut Announced| {
            announced.id == option.address_id && announced.address == option.address && announced.port == option.port
        };
        if option.form == AddAddrForm::Echo {
            if let Some(announced) = self.halves[location.dir.reverse()].announced.iter_mut().find(same) {
                announced.echoed = true;
            }
            context.out.mark(location.at, MarkKind::AddAddrEcho, detail);
            return;
        }
        if let AddAddrForm::Announcement(hmac) = option.form
            && self.hash == Hash::Sha256
            && let (Some(local), Some(remote)) =
                (self.halves[location.dir].key, self.halves[location.dir.reverse()].key)
            && crypto::add_addr_hmac(local, remote, option.address_id, option.address, option.port) != hmac
        {
            let what = MarkFields {
                evidence: super::evidence::wrong_add_addr_hmac(location.at.packet),
                ..MarkFields::from(detail.clone())
            };
            self.record_event(location, MarkKind::WrongHmac, what, context);
        }
        let announced = &mut self.halves[location.dir].announced;
        let known = announced.iter_mut().any(|announced| same(&announced));
        if !known && announced.len() < ANNOUNCEMENTS {
            announced.push(Announced {
                id: option.address_id,
                address: option.address,
                port: option.port,
                echoed: false,
                joined: false,
            });
        }
        self.record_event(location, MarkKind::AddAddr, detail, context);
    }

    /// Notes a join to an address that the other side announced.
    pub(super) fn note_join(&mut self, location: Location, packet: &Packet) {
        if self.subflows[location.index].kind != Kind::Join {
            return;
        }
        let asked: Direction = location.dir.reverse();
        let initial_port = self.subflows[0].server.port();
        let to = packet.destination;
        let announced = self.halves[asked].announced.iter_mut();
        for one in announced {
            if one.address == to.ip() && one.port.unwrap_or(initial_port) == to.port() {
                one.joined = true;
            }
        }
    }
}
