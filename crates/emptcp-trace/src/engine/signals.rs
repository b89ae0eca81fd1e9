//! Every MPTCP option that is neither a handshake nor a DSS.

use super::segment::{Context, Here};
use super::state::{Announced, Connection};
use crate::packet::Packet;
use crate::record::{Detail, End, Fallback, Hash, MarkKind};
use crate::{Direction, record::Kind};
use mptcp_wire::crypto;
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, MptcpOption};

/// Address identifiers are bytes: a host that announces more addresses than that repeats itself.
const ANNOUNCEMENTS: usize = 256;

impl Connection {
    pub(super) fn signals(&mut self, here: Here, packet: &Packet, context: &mut Context<'_>) {
        for option in &packet.options {
            let count = &mut self.options.0[usize::from(option.subtype().number() & 0xf)];
            *count = count.saturating_add(1);
            match option {
                MptcpOption::AddAddr(add_addr) => self.add_addr(here, add_addr, context),
                MptcpOption::RemoveAddr(remove) => {
                    let ids = remove.address_ids().to_vec();
                    self.halves[here.dir].remove_addr += ids.len() as u64;
                    self.happen(here, MarkKind::RemoveAddr, Detail::AddressIds(ids), context);
                }
                MptcpOption::MpPrio(prio) => {
                    self.halves[here.dir].mp_prio += 1;
                    self.subflows[here.index].backup = prio.backup;
                    self.happen(here, MarkKind::MpPrio, Detail::Backup(prio.backup), context);
                }
                MptcpOption::MpFail(_) => {
                    self.happen(here, MarkKind::MpFail, (), context);
                    self.subflows[here.index].infinite = true;
                    self.fall_back(here.at, Fallback::MpFail, context);
                }
                MptcpOption::MpFastclose(_) => {
                    self.happen(here, MarkKind::MpFastclose, (), context);
                    self.end_as(End::Fastclose, here.at, context);
                }
                MptcpOption::MpTcprst(reset) => {
                    self.subflows[here.index].reset_reason = Some(reset.reason);
                    self.happen(here, MarkKind::MpTcprst, Detail::Reason(reset.reason), context);
                }
                MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_) | MptcpOption::Dss(_) | MptcpOption::Unknown(_) => {}
            }
        }
    }

    fn happen(&mut self, here: Here, kind: MarkKind, what: impl Into<super::out::What>, context: &mut Context<'_>) {
        self.happened.insert(kind);
        context.out.mark(here.at, kind, what);
    }

    fn add_addr(&mut self, here: Here, option: &AddAddr, context: &mut Context<'_>) {
        let detail = Detail::Address {
            id: option.address_id,
            address: Some(option.address),
            port: option.port,
        };
        let same = |announced: &&mut Announced| {
            announced.id == option.address_id && announced.address == option.address && announced.port == option.port
        };
        if option.form == AddAddrForm::Echo {
            if let Some(announced) = self.halves[here.dir.reverse()].announced.iter_mut().find(same) {
                announced.echoed = true;
            }
            context.out.mark(here.at, MarkKind::AddAddrEcho, detail);
            return;
        }
        if let AddAddrForm::Announcement(hmac) = option.form
            && self.hash == Hash::Sha256
            && let (Some(local), Some(remote)) = (self.halves[here.dir].key, self.halves[here.dir.reverse()].key)
            && crypto::add_addr_hmac(local, remote, option.address_id, option.address, option.port) != hmac
        {
            self.happen(here, MarkKind::WrongHmac, detail.clone(), context);
        }
        let announced = &mut self.halves[here.dir].announced;
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
        self.happen(here, MarkKind::AddAddr, detail, context);
    }

    /// A join to an address that the other side had announced.
    pub(super) fn note_join(&mut self, here: Here, packet: &Packet) {
        if self.subflows[here.index].kind != Kind::Join {
            return;
        }
        let asked: Direction = here.dir.reverse();
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
