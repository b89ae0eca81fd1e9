//! Takes over connections of this host that already run when a policy arrives: the kernel's own sockets report what the
//! handshake would have shown. Records are written by the core program `adopt` alone, which is run here: user space
//! never changes memory that the data path writes.

use crate::{
    core_objects::CoreObjects,
    error::{OrKernel, Result},
    maps::Maps,
    program::{self, Subject},
    sockets,
};
use emptcp_abi::{Adoption, ConnectionId, SCALE_UNKNOWN, TokenKey, adopted, flow_flag, side};
use emptcp_load::{
    grace,
    program::{self as bpf, TestRun},
};
use emptcp_plan::manifest::Hook;
use libbpf_rs::{MapCore, MapFlags};
use mptcp_netlink::{Subflow, SubflowFlags};
use mptcp_socket::TcpInfo;
use mptcp_wire::{Token, Version};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
};
use zerocopy::{FromBytes, IntoBytes};

/// Ethernet header that BPF_PROG_TEST_RUN requires before the data.
const LINK_HEADER: usize = 14;

/// How often the program runs for each subflow.
const RUNS: u32 = 3;

/// The core program `adopt`, which takes over subflows that a socket of the host reports.
#[derive(Debug)]
pub struct Adopter(OwnedFd);

impl Adopter {
    /// Loads it.
    pub(crate) fn load(maps: &Maps) -> Result<Self> {
        let hook = Hook::TcIngress;
        let subject = Subject {
            element: "adopt",
            policy: None,
            hook,
        };
        Ok(Self(
            program::load(CoreObjects::current().object("adopt", hook)?, subject, &[], maps)?.program,
        ))
    }

    /// Takes over subflows: makes a record for each that the tables do not know, and completes those of which the data
    /// path saw only packets from mid-stream. Returns how many it made or completed.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn adopt(&self, adoptions: &[Adoption]) -> Result<usize> {
        let mut made = BTreeSet::new();
        let mut touched = BTreeSet::new();
        // The data path may store a record at the same moment as a run looks for it. After the programs of that moment
        // have ended, the next run finds their result: a record that exists twice, or one that is not completed.
        for run in 1..=RUNS {
            if run > 1 {
                grace::wait();
            }
            for (position, adoption) in adoptions.iter().enumerate() {
                let done = self.run(&Adoption {
                    made: u8::from(run == RUNS && made.contains(&adoption.connection)),
                    ..*adoption
                })?;
                if done & adopted::CONNECTION != 0 {
                    made.insert(adoption.connection);
                }
                if done & (adopted::STORED | adopted::COMPLETED) != 0 {
                    touched.insert(position);
                }
            }
        }
        Ok(touched.len())
    }

    /// Runs the program for one subflow. Returns bits of [`adopted`].
    fn run(&self, adoption: &Adoption) -> Result<u32> {
        let mut packet = vec![0_u8; LINK_HEADER];
        packet.extend_from_slice(adoption.as_bytes());
        let run = TestRun {
            packet: &packet,
            context: &mut [],
            repeat: 1,
        };
        let answer = bpf::test_run(self.0.as_fd(), run).or_kernel("take over a connection")?;
        Ok(answer.returned)
    }
}

/// Takes over every MPTCP subflow of this host. Returns how many were unknown or incomplete in the tables.
pub(crate) fn adopt(maps: &Maps) -> Result<usize> {
    let subflows = sockets::subflows()?;
    if subflows.is_empty() {
        return Ok(0);
    }
    let tokens = maps.get("emptcp_tokens")?;
    let mut adoptions = Vec::new();
    for subflow in &subflows {
        let [local, remote] = tokens_of(subflow);
        let index = TokenKey {
            token: local,
            side: side::LOCAL,
        };
        // A connection that was followed from its handshake is indexed already.
        let connection = match tokens
            .lookup(index.as_bytes(), MapFlags::ANY)
            .or_kernel("look for a token")?
        {
            Some(id) => ConnectionId::read_from_bytes(&id).unwrap_or_default(),
            None => ConnectionId(u64::from(local.0) << 32 | u64::from(remote.0)),
        };
        adoptions.push(adoption(subflow, connection));
    }
    Adopter::load(maps)?.adopt(&adoptions)
}

/// Tokens by [`side`]; 0 unknown.
fn tokens_of(subflow: &Subflow) -> [Token; 2] {
    [subflow.local_token, subflow.remote_token].map(Option::unwrap_or_default)
}

fn adoption(subflow: &Subflow, connection: ConnectionId) -> Adoption {
    let flags_of_socket = subflow.flags;
    let mut flags = flow_flag::PARTIAL;
    flags |= if flags_of_socket.is_joined() {
        flow_flag::JOINED
    } else {
        flow_flag::INITIAL
    };
    flags |= if flags_of_socket.is_opened_here() {
        flow_flag::LOCAL_OPENED
    } else {
        flow_flag::REMOTE_OPENED
    };
    for (theirs, ours) in [
        (SubflowFlags::BACKUP_LOCAL, flow_flag::BACKUP_LOCAL),
        (SubflowFlags::BACKUP_REMOTE, flow_flag::BACKUP_REMOTE),
    ] {
        flags |= if flags_of_socket.intersects(theirs) { ours } else { 0 };
    }
    flags |= if subflow.address_ids.is_some() {
        flow_flag::ADDRESS_IDS
    } else {
        0
    };
    Adoption {
        key: subflow.addresses.into(),
        token: tokens_of(subflow),
        flags: flags as u16,
        // The only version that this kernel speaks itself.
        version: Version::V1.number(),
        made: 0,
        connection,
        address_id: subflow.address_ids.unwrap_or_default(),
        window_scale: scales(&subflow.tcp_info),
        reserved: [0; 4],
    }
}

/// Window scales that the local and the remote host announced.
fn scales(tcp_info: &[u8]) -> [u8; 2] {
    if tcp_info.is_empty() {
        return [SCALE_UNKNOWN; 2];
    }
    let scales = TcpInfo::parse(tcp_info).window_scales;
    [scales.local, scales.remote]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mptcp_wire::{AddressId, SequenceNumber, tcp::State};

    #[test]
    fn a_joined_backup_subflow_keeps_its_role_ids_and_scales() {
        let subflow = Subflow {
            addresses: "10.0.0.1:5000 <-> 10.0.0.2:80".parse().unwrap(),
            state: State::Established,
            local_token: Some(Token(0x1111_1111)),
            remote_token: Some(Token(0x2222_2222)),
            remote_initial: SequenceNumber(0),
            flags: SubflowFlags::JOIN_LOCAL | SubflowFlags::JOIN_REMOTE | SubflowFlags::BACKUP_REMOTE,
            address_ids: Some([AddressId(2), AddressId(3)]),
            // State, four bytes, options (window scale), both scales.
            tcp_info: vec![1, 0, 0, 0, 0, 4, 0x79],
        };
        let adoption = adoption(&subflow, ConnectionId(7));
        let words = emptcp_abi::bit_names(flow_flag::ALL, u32::from(adoption.flags));
        assert_eq!(
            words,
            ["joined", "partial", "local_opened", "backup_remote", "address_ids"]
        );
        assert_eq!(adoption.token, [Token(0x1111_1111), Token(0x2222_2222)]);
        assert_eq!(adoption.window_scale, [7, 9]);
        assert_eq!(adoption.address_id, [AddressId(2), AddressId(3)]);
        assert_eq!(scales(&[]), [SCALE_UNKNOWN; 2]);
    }
}
