//! The in-kernel path manager of a host: endpoints and limits.

use std::net::IpAddr;

use crate::error::Result;
use crate::host::Host;

/// How further subflows are opened, set up by [`LabBuilder::endpoints`](crate::LabBuilder::endpoints).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EndpointPlan {
    /// The client opens a subflow from its address on every further path.
    #[default]
    ClientSubflows,
    /// The server announces its address on every further path (ADD_ADDR) and the client joins.
    ServerSignals,
    /// Neither; add endpoints with [`Host::add_endpoint`].
    None,
}

/// An MPTCP endpoint, as `ip mptcp endpoint add` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: IpAddr,
    words: Vec<String>,
}

impl Endpoint {
    /// The path manager opens a subflow from `address` on every connection.
    pub fn subflow(address: IpAddr) -> Self {
        Self {
            address,
            words: vec!["subflow".to_owned()],
        }
    }

    /// The path manager announces `address` on every connection (ADD_ADDR).
    pub fn signal(address: IpAddr) -> Self {
        Self {
            address,
            words: vec!["signal".to_owned()],
        }
    }

    /// Subflows from or to it carry the backup flag.
    pub fn backup(self) -> Self {
        self.word("backup")
    }

    /// Subflows to every known address of the peer.
    pub fn fullmesh(self) -> Self {
        self.word("fullmesh")
    }

    /// Binds its subflows to a device.
    pub fn device(mut self, name: &str) -> Self {
        self.words.extend(["dev".to_owned(), name.to_owned()]);
        self
    }

    /// Address id (1 to 255); by default the kernel chooses.
    pub fn id(mut self, id: u8) -> Self {
        self.words.extend(["id".to_owned(), id.to_string()]);
        self
    }

    /// Port to announce; the kernel listens there.
    pub fn port(mut self, port: u16) -> Self {
        self.words.extend(["port".to_owned(), port.to_string()]);
        self
    }

    fn word(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }
}

impl Host {
    /// Adds an endpoint; running connections use it immediately.
    pub fn add_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        let address = endpoint.address.to_string();
        let mut arguments = vec!["mptcp", "endpoint", "add", &address];
        arguments.extend(endpoint.words.iter().map(String::as_str));
        self.netns().command("ip", &arguments).map(drop)
    }

    /// Removes the endpoint with this id; its subflows end and the peer gets REMOVE_ADDR.
    pub fn remove_endpoint(&self, id: u8) -> Result<()> {
        self.netns()
            .command("ip", &["mptcp", "endpoint", "delete", "id", &id.to_string()])
            .map(drop)
    }

    /// Makes the endpoint with this id backup or regular; running subflows follow by MP_PRIO.
    pub fn set_endpoint_backup(&self, id: u8, backup: bool) -> Result<()> {
        let flag = if backup { "backup" } else { "nobackup" };
        self.netns()
            .command("ip", &["mptcp", "endpoint", "change", "id", &id.to_string(), flag])
            .map(drop)
    }

    /// Removes all endpoints.
    pub fn flush_endpoints(&self) -> Result<()> {
        self.netns().command("ip", &["mptcp", "endpoint", "flush"]).map(drop)
    }

    /// The endpoints as `ip mptcp endpoint show` prints them, one per line.
    pub fn endpoints(&self) -> Result<Vec<String>> {
        let text = self.netns().command("ip", &["mptcp", "endpoint", "show"])?;
        Ok(text
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect())
    }

    /// Sets how many further subflows a connection may have and how many announced addresses it takes (0 to 8 each).
    pub fn set_limits(&self, subflows: u8, add_addr_accepted: u8) -> Result<()> {
        let (subflows, accepted) = (subflows.to_string(), add_addr_accepted.to_string());
        let arguments = [
            "mptcp",
            "limits",
            "set",
            "subflow",
            &subflows,
            "add_addr_accepted",
            &accepted,
        ];
        self.netns().command("ip", &arguments).map(drop)
    }
}
