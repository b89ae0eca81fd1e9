//! The MPTCP options of an honest host.

use super::traffic::{Sent, Traffic};
use mptcp_wire::{
    AddressId, DataSequenceNumber, JoinHmac, Nonce, SubflowSequenceNumber, Token, TruncatedHmac, Version,
    WireDataSequenceNumber,
    crypto::derive,
    mptcp::{
        AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, Mapping, MpCapable, MpFail, MpFastclose, MpJoin,
        MptcpOption, RemoveAddr,
    },
    tcp::TcpOption,
};
use rand::RngExt;

impl Traffic {
    pub(super) fn handshake_option(&mut self, index: usize, stage: usize) -> Option<TcpOption> {
        let subflow = &self.subflows[index];
        if subflow.plain {
            return None;
        }
        let [client, server] = self.keys;
        let option = if subflow.joined {
            let ids = subflow.ids;
            MptcpOption::MpJoin(match stage {
                0 => MpJoin::Syn {
                    backup: self.random.random(),
                    address_id: AddressId(ids[0]),
                    token: match self.random.random_range(0..12) {
                        0 => Token(self.random.random()),
                        _ => derive(self.version, server).token,
                    },
                    nonce: Nonce(1),
                },
                1 => MpJoin::SynAck {
                    backup: self.random.random(),
                    address_id: AddressId(ids[1]),
                    hmac: TruncatedHmac(3),
                    nonce: Nonce(2),
                },
                _ => MpJoin::Ack {
                    hmac: JoinHmac([7; 20]),
                },
            })
        } else {
            let keys = match (stage, self.version) {
                (0, Version::V0) => CapableKeys::Sender(client),
                (0, Version::V1) => CapableKeys::None,
                (1, _) => CapableKeys::Sender(server),
                _ => CapableKeys::Both {
                    sender: client,
                    receiver: server,
                },
            };
            let flags = match self.random.random_range(0..8) {
                0 => CapableFlags(CapableFlags::HMAC.0 | CapableFlags::CHECKSUM_REQUIRED.0),
                _ => CapableFlags::HMAC,
            };
            MptcpOption::MpCapable(MpCapable {
                version: self.version,
                flags,
                keys,
            })
        };
        Some(TcpOption::Mptcp(option))
    }

    pub(super) fn dss(&mut self, index: usize, from: usize, sent: Option<Sent>) -> Vec<TcpOption> {
        let long: [bool; 2] = self.random.random();
        let wire = |long: bool, number: u64| {
            if long {
                WireDataSequenceNumber::Long(number)
            } else {
                WireDataSequenceNumber::Short(number as u32)
            }
        };
        let relative = |sent: &Sent| sent.sequence.wrapping_sub(self.subflows[index].hosts[from].isn);
        let mapping = sent.as_ref().map(|sent| Mapping {
            data_sequence: wire(long[0], sent.dsn),
            subflow_sequence: SubflowSequenceNumber(relative(sent)),
            length: sent.length as u16,
            checksum: None,
        });
        let data_ack = self
            .random
            .random_ratio(9, 10)
            .then(|| wire(long[1], self.data_seen[1 - from]));
        let data_fin = mapping.is_some() && self.random.random_ratio(1, 50);
        vec![TcpOption::Mptcp(MptcpOption::Dss(Dss {
            data_ack,
            mapping,
            data_fin,
        }))]
    }

    pub(super) fn rare(&mut self) -> MptcpOption {
        let address_id = AddressId(self.random.random());
        match self.random.random_range(0..4) {
            0 => MptcpOption::AddAddr(AddAddr {
                address_id,
                address: "192.0.2.9".parse().expect("an address"),
                port: None,
                form: match self.version {
                    Version::V0 => AddAddrForm::Version0,
                    Version::V1 => AddAddrForm::Echo,
                },
            }),
            1 => MptcpOption::RemoveAddr(RemoveAddr::new(&[address_id]).expect("one id")),
            2 => MptcpOption::MpFail(MpFail {
                data_sequence: DataSequenceNumber(self.data_next[0]),
            }),
            _ => MptcpOption::MpFastclose(MpFastclose {
                receiver_key: self.keys[0],
            }),
        }
    }
}
