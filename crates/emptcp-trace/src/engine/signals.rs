//! MPTCP options other than handshakes and DSS.

use super::segment::{Context, Location};
use super::state::{Announced, Connection};
use crate::packet::Packet;
use crate::record::{Detail, End, Fallback, Hash, MarkKind};
use crate::{Direction, record::Kind};
use mptcp_wire::crypto;
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, MptcpOption};

/// Address identifiers are bytes, so more announcements than this are repetitions.
const ANNOUNCEMENTS: usize = 256;

impl Connection {
    pub(super) fn signals(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        for option in &packet.options {
            let count = &mut self.options.0[usize::from(option.subtype().number() & 0xf)];
            *count = count.saturating_add(1);
            match option {
                MptcpOption::AddAddr(add_addr) => self.add_addr(location, add_addr, context),
                MptcpOption::RemoveAddr(remove) => {
                    let ids = remove.address_ids().to_vec();
                    self.halves[location.dir].remove_addr += ids.len() as u64;
                    self.record_event(location, MarkKind::RemoveAddr, Detail::AddressIds(ids), context);
                }
                MptcpOption::MpPrio(prio) => {
                    self.halves[location.dir].mp_prio += 1;
                    self.subflows[location.index].backup = prio.backup;
                    let detail = Detail::Priority {
                        backup: prio.backup,
                        address_id: prio.address_id,
                    };
                    self.record_event(location, MarkKind::MpPrio, detail, context);
                }
                MptcpOption::MpFail(_) => {
                    self.record_event(location, MarkKind::MpFail, (), context);
                    self.subflows[location.index].infinite = true;
                    self.fall_back(location.at, Fallback::MpFail, context);
                }
                MptcpOption::MpFastclose(_) => {
                    self.record_event(location, MarkKind::MpFastclose, (), context);
                    self.end_as(End::Fastclose, location.at, context);
                }
                MptcpOption::MpTcprst(reset) => {
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
            self.record_event(location, MarkKind::WrongHmac, detail.clone(), context);
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
