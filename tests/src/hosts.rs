//! Packets of two hosts with one MPTCP connection: no timers and windows, only consistent numbers.

use mptcp_wire::{
    AddressId, JoinHmac, Key, Nonce, Token, Version,
    crypto::{Derived, add_addr_hmac, derive, join_ack_hmac, join_syn_ack_hmac},
    mptcp::{AddAddr, AddAddrForm, CapableFlags, CapableKeys, MpCapable, MpJoin},
};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// One of the two hosts. The client opens the connection and all its subflows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The host that sends the SYN.
    #[default]
    Client,
    /// The other one.
    Server,
}

impl Peer {
    /// The peer.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A subflow: addresses and the next numbers of both ends. Indexed by [`Peer`].
#[derive(Clone, Copy, Debug)]
pub struct Subflow {
    /// Addresses and ports.
    pub ends: [SocketAddr; 2],
    /// Initial sequence numbers.
    pub isn: [u32; 2],
    /// Next sequence number to send.
    pub next: [u32; 2],
    /// Last TSval sent.
    pub stamps: [u32; 2],
    /// Address ids.
    pub ids: [AddressId; 2],
    /// Nonces of MP_JOIN.
    pub nonces: [Nonce; 2],
    /// B bits of MP_JOIN.
    pub backup: [bool; 2],
}

impl Subflow {
    /// A subflow before its SYN.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let isn = [1_000_000, 0xffff_ff00];
        Self {
            ends: [client, server],
            isn,
            next: isn,
            stamps: [0; 2],
            ids: [AddressId(0); 2],
            nonces: [Nonce(0x0102_0304), Nonce(0xa1b2_c3d4)],
            backup: [false; 2],
        }
    }
}

/// The two hosts, their keys, and the subflows between them.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// MPTCP version.
    pub version: Version,
    /// Keys, by [`Peer`].
    pub keys: [Key; 2],
    /// Next data sequence number, by [`Peer`].
    pub data_next: [u64; 2],
    /// Flags of MP_CAPABLE.
    pub flags: CapableFlags,
    /// Subflows; the first is the initial one.
    pub subflows: Vec<Subflow>,
}

impl Hosts {
    /// Hosts with fixed keys and two subflows that are not open yet: the initial one and one to join.
    pub fn new(ip: u8, version: Version) -> Self {
        let keys = [
            Key([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]),
            Key([0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10]),
        ];
        Self::with_keys(ip, version, keys)
    }

    /// The same with other keys.
    pub fn with_keys(ip: u8, version: Version, keys: [Key; 2]) -> Self {
        let first = |key| derive(version, key).idsn.first_byte().0;
        let mut joined = Subflow::new(address(ip, 2, 1).into_port(40_001), address(ip, 2, 2).into_port(443));
        joined.isn = [77, 88];
        joined.next = joined.isn;
        joined.ids = [AddressId(3), AddressId(7)];
        Self {
            version,
            keys,
            data_next: [first(keys[0]), first(keys[1])],
            flags: CapableFlags::HMAC,
            subflows: vec![
                Subflow::new(address(ip, 1, 1).into_port(40_000), address(ip, 1, 2).into_port(443)),
                joined,
            ],
        }
    }

    /// Token and initial data sequence number of a host.
    pub fn derived(&self, who: Peer) -> Derived {
        derive(self.version, self.keys[who as usize])
    }

    /// The token that names the connection at a host.
    pub fn token(&self, who: Peer) -> Token {
        self.derived(who).token
    }

    /// MP_CAPABLE as this packet of the handshake carries it.
    pub fn capable(&self, stage: HandshakeStage) -> MpCapable {
        let [client, server] = self.keys;
        let keys = match (stage, self.version) {
            (HandshakeStage::Syn, Version::V0) => CapableKeys::Sender(client),
            (HandshakeStage::Syn, Version::V1) => CapableKeys::None,
            (HandshakeStage::SynAck, _) => CapableKeys::Sender(server),
            (HandshakeStage::ThirdAck, _) => CapableKeys::Both {
                sender: client,
                receiver: server,
            },
        };
        MpCapable {
            version: self.version,
            flags: self.flags,
            keys,
        }
    }

    /// MP_JOIN as this packet of the handshake carries it.
    pub fn join(&self, subflow: usize, stage: HandshakeStage) -> MpJoin {
        let Subflow {
            nonces: [client, server],
            ids,
            backup,
            ..
        } = self.subflows[subflow];
        let [own, peer] = self.keys;
        match stage {
            HandshakeStage::Syn => MpJoin::Syn {
                backup: backup[0],
                address_id: ids[0],
                token: self.token(Peer::Server),
                nonce: client,
            },
            HandshakeStage::SynAck => MpJoin::SynAck {
                backup: backup[1],
                address_id: ids[1],
                hmac: join_syn_ack_hmac(self.version, peer, own, server, client),
                nonce: server,
            },
            HandshakeStage::ThirdAck => {
                let hmac: JoinHmac = join_ack_hmac(self.version, own, peer, client, server);
                MpJoin::Ack { hmac }
            }
        }
    }

    /// ADD_ADDR from a host, with the HMAC of version 1.
    pub fn add_addr(&self, from: Peer, id: u8, address: IpAddr, port: Option<u16>) -> AddAddr {
        let (own, peer) = (self.keys[from as usize], self.keys[from.other() as usize]);
        let address_id = AddressId(id);
        let form = match self.version {
            Version::V0 => AddAddrForm::Version0,
            Version::V1 => AddAddrForm::Announcement(add_addr_hmac(own, peer, address_id, address, port)),
        };
        AddAddr {
            address_id,
            address,
            port,
            form,
        }
    }
}

/// The position of a packet in the three-way handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandshakeStage {
    /// SYN.
    Syn,
    /// SYN-ACK.
    SynAck,
    /// The opener's first ACK.
    ThirdAck,
}

/// Address `host` of network `network`, from the ranges for documentation.
pub fn address(ip: u8, network: u8, host: u8) -> IpAddr {
    let text = match ip {
        4 => format!("198.51.100.{}", network * 16 + host),
        _ => format!("2001:db8:{network}::{host}"),
    };
    text.parse().expect("an address")
}

trait WithPort {
    fn into_port(self, port: u16) -> SocketAddr;
}

impl WithPort for IpAddr {
    fn into_port(self, port: u16) -> SocketAddr {
        SocketAddr::new(self, port)
    }
}
