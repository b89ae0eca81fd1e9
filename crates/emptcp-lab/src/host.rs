//! A host of the lab: a namespace with one device per path.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::error::{LabError, Result};
use crate::netns::NetworkNamespace;
use mptcp_wire::IpVersion;

/// A device of a host and the addresses on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name of the device, e.g. `path1` for path 0.
    pub device: String,
    /// IPv4 address, if the path carries IPv4.
    pub v4: Option<Ipv4Addr>,
    /// IPv6 address, if the path carries IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Interface {
    /// The address of this version.
    pub fn address(&self, version: IpVersion) -> Option<IpAddr> {
        match version {
            IpVersion::V4 => self.v4.map(IpAddr::V4),
            IpVersion::V6 => self.v6.map(IpAddr::V6),
        }
    }
}

/// A host of the lab. Cheap to clone; removed with the lab.
#[derive(Clone, Debug)]
pub struct Host {
    role: &'static str,
    netns: NetworkNamespace,
    interfaces: Arc<[Interface]>,
    congestion_control: Arc<str>,
}

impl AsRef<NetworkNamespace> for Host {
    fn as_ref(&self) -> &NetworkNamespace {
        &self.netns
    }
}

impl Host {
    pub(crate) fn new(
        role: &'static str,
        netns: NetworkNamespace,
        interfaces: Vec<Interface>,
        congestion_control: &str,
    ) -> Self {
        Self {
            role,
            netns,
            interfaces: interfaces.into(),
            congestion_control: congestion_control.into(),
        }
    }

    /// Congestion control of the sockets that this crate opens on the host.
    pub fn congestion_control(&self) -> &str {
        &self.congestion_control
    }

    /// `client`, `server` or `gateway`.
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// The namespace of the host.
    pub fn netns(&self) -> &NetworkNamespace {
        &self.netns
    }

    /// Runs `body` in a new thread in the host's namespace: see [`NetworkNamespace::run`].
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> Result<T> {
        self.netns.run(body)
    }

    /// The devices of the host, one per path (in the order of the paths), then others.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The device on path `path` (from 0). A host with a single device, such as the server behind a
    /// gateway, has all paths there.
    ///
    /// # Panics
    /// If the lab has no such path.
    pub fn interface(&self, path: usize) -> &Interface {
        match &*self.interfaces {
            [only] => only,
            several => &several[path],
        }
    }

    /// Name of the device on path `path` (from 0).
    ///
    /// # Panics
    /// If the lab has no such path.
    pub fn device(&self, path: usize) -> &str {
        &self.interface(path).device
    }

    /// Address on path `path` (from 0).
    pub fn address(&self, path: usize, version: IpVersion) -> Result<IpAddr> {
        self.interface(path).address(version).ok_or_else(|| LabError::Invalid {
            what: format!("path {path} carries no IPv{version}"),
            advice: "describe the path with `IpVersions::Both`".to_owned(),
        })
    }

    /// Sets a kernel setting of the host's namespace, named as sysctl(8) does, e.g. `net.mptcp.checksum_enabled`.
    pub fn set_sysctl(&self, name: &str, value: impl ToString) -> Result<()> {
        let (path, value) = (sysctl_path(name), value.to_string());
        self.run(|| fs::write(&path, &value))?
            .map_err(|error| LabError::system(format!("setting {name} to {value} in {}", self.netns.name()), error))
    }

    /// Reads a kernel setting of the host's namespace.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        let path = sysctl_path(name);
        self.run(|| fs::read_to_string(&path))?
            .map(|text| text.trim().to_owned())
            .map_err(|error| LabError::system(format!("reading {name} in {}", self.netns.name()), error))
    }

    /// Sets offloads of one device; offloads that the device cannot change stay unchanged.
    pub fn set_offloads(&self, device: &str, offloads: Offloads) -> Result<()> {
        let mut arguments = vec!["-K", device];
        for (name, wanted) in offloads.named() {
            arguments.extend([name, if wanted { "on" } else { "off" }]);
        }
        self.netns.command("ethtool", &arguments).map(drop)
    }

    /// Sets offloads of every device of the host.
    pub fn set_all_offloads(&self, offloads: Offloads) -> Result<()> {
        self.interfaces
            .iter()
            .try_for_each(|interface| self.set_offloads(&interface.device, offloads))
    }
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// Offloads of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offloads {
    /// Checksums of sent packets are left to the device.
    pub tx_checksum: bool,
    /// Checksums of received packets count as verified by the device.
    pub rx_checksum: bool,
    /// TCP segmentation is left to the device: aggregates of 64 kB pass its egress hooks.
    pub tso: bool,
    /// Segmentation happens as late as possible.
    pub gso: bool,
    /// Received segments are joined to aggregates.
    pub gro: bool,
}

impl Offloads {
    /// Everything on.
    pub const ON: Self = Self {
        tx_checksum: true,
        rx_checksum: true,
        tso: true,
        gso: true,
        gro: true,
    };
    /// Everything off: no aggregates, and complete checksums.
    pub const OFF: Self = Self {
        tx_checksum: false,
        rx_checksum: false,
        tso: false,
        gso: false,
        gro: false,
    };

    fn named(self) -> [(&'static str, bool); 5] {
        [
            ("tx", self.tx_checksum),
            ("rx", self.rx_checksum),
            ("tso", self.tso),
            ("gso", self.gso),
            ("gro", self.gro),
        ]
    }
}
