//! Takes over connections of this host that already run when a policy arrives: the kernel's own sockets tell what the
//! handshake would have told. Records are written by the core program `adopt` alone, which is run here: user space never
//! changes memory that the data path writes.

use crate::{
    core_programs,
    error::{OrKernel, Result},
    maps::Maps,
    program::{self, Who},
    sockets::{Subflow, subflow_flag, subflows},
};
use emptcp_abi::{Adoption, ConnectionId, TokenKey, adopted, flow_flag, side};
use emptcp_load::{
    grace,
    program::{self as bpf, TestRun},
};
use emptcp_plan::manifest::Hook;
use libbpf_rs::{MapCore, MapFlags};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
};
use zerocopy::{FromBytes, IntoBytes};

/// Ethernet header that BPF_PROG_TEST_RUN wants before the data.
const LINK_HEADER: usize = 14;

/// How often the program runs for each subflow.
const RUNS: u32 = 3;

/// The core program `adopt`, which takes over subflows of which a socket of the host tells.
#[derive(Debug)]
pub struct Adopter(OwnedFd);

impl Adopter {
    /// Loads it.
    pub(crate) fn load(maps: &Maps) -> Result<Self> {
        let hook = Hook::TcIngress;
        let who = Who {
            element: "adopt",
            policy: None,
            hook,
        };
        Ok(Self(
            program::load(core_programs::object("adopt", hook)?, who, &[], maps)?.program,
        ))
    }

    /// Takes over subflows: makes a record for each that the tables do not know, and completes those of which the data
    /// path saw only packets from mid-stream. Returns for how many it did something.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn adopt(&self, adoptions: &[Adoption]) -> Result<usize> {
        let mut made = BTreeSet::new();
        let mut touched = BTreeSet::new();
        // The data path may store a record at the very moment at which a run looks for it. When the programs of that moment have
        // ended, the next run finds what they have left: a record twice, or one that nobody has completed.
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

/// Takes over every MPTCP subflow of this host. Returns of how many the tables did not know all.
pub(crate) fn adopt(maps: &Maps) -> Result<usize> {
    let subflows = subflows()?;
    if subflows.is_empty() {
        return Ok(0);
    }
    let tokens = maps.get("emptcp_tokens")?;
    let mut adoptions = Vec::new();
    for subflow in &subflows {
        let index = TokenKey {
            token: subflow.local_token,
            side: side::LOCAL,
        };
        // A connection that was followed from its handshake is indexed already.
        let connection = match tokens
            .lookup(index.as_bytes(), MapFlags::ANY)
            .or_kernel("look for a token")?
        {
            Some(id) => ConnectionId::read_from_bytes(&id).unwrap_or_default(),
            None => ConnectionId(u64::from(subflow.local_token.0) << 32 | u64::from(subflow.remote_token.0)),
        };
        adoptions.push(subflow.adoption(connection));
    }
    Adopter::load(maps)?.adopt(&adoptions)
}

impl Subflow {
    fn adoption(&self, connection: ConnectionId) -> Adoption {
        let joined = self.flags & (subflow_flag::JOIN_LOCAL | subflow_flag::JOIN_REMOTE) != 0;
        let local_opened = self.flags & (subflow_flag::CAPABLE_LOCAL | subflow_flag::JOIN_LOCAL) != 0;
        let mut flags = flow_flag::PARTIAL;
        flags |= if joined { flow_flag::JOINED } else { flow_flag::INITIAL };
        flags |= if local_opened {
            flow_flag::LOCAL_OPENED
        } else {
            flow_flag::REMOTE_OPENED
        };
        for (theirs, ours) in [
            (subflow_flag::BACKUP_LOCAL, flow_flag::BACKUP_LOCAL),
            (subflow_flag::BACKUP_REMOTE, flow_flag::BACKUP_REMOTE),
        ] {
            flags |= if self.flags & theirs != 0 { ours } else { 0 };
        }
        flags |= if self.ids.is_some() { flow_flag::ADDRESS_IDS } else { 0 };
        Adoption {
            key: self.key,
            token: [self.local_token, self.remote_token],
            flags: flags as u16,
            // The only version that this kernel speaks itself.
            version: 1,
            made: 0,
            connection,
            address_id: self.ids.unwrap_or_default(),
            window_scale: self.scales,
            reserved: [0; 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_abi::{FlowKey, Token};

    #[test]
    fn a_joined_backup_subflow_keeps_its_role_ids_and_scales() {
        let subflow = Subflow {
            key: FlowKey::new("10.0.0.1:5000".parse().unwrap(), "10.0.0.2:80".parse().unwrap()),
            local_token: Token(0x1111_1111),
            remote_token: Token(0x2222_2222),
            flags: subflow_flag::JOIN_LOCAL | subflow_flag::JOIN_REMOTE | subflow_flag::BACKUP_REMOTE,
            ids: Some([2, 3]),
            scales: [7, 9],
        };
        let adoption = subflow.adoption(ConnectionId(7));
        let words = emptcp_abi::bit_names(flow_flag::ALL, u32::from(adoption.flags));
        assert_eq!(
            words,
            ["joined", "partial", "local_opened", "backup_remote", "address_ids"]
        );
        assert_eq!(adoption.token, [Token(0x1111_1111), Token(0x2222_2222)]);
        assert_eq!((adoption.window_scale, adoption.address_id), ([7, 9], [2, 3]));
    }
}
