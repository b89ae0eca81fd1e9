//! Builds a test bed from its description.

use nix::unistd::geteuid;

use crate::emulator::socket::PacketSocket;
use crate::emulator::{self, EmulatedPath};
use crate::error::{LabError, Result};
use crate::host::{Host, Offloads};
use crate::lab::Lab;
use crate::live_path::LivePath;
use crate::mptcp::{Endpoint, EndpointPlan};
use crate::names::{self, NamespaceGuard};
use crate::netns::NetworkNamespace;
use crate::path::Path;
use crate::topology::{self, End};
use mptcp_wire::IpVersion;

/// The kernel's own limit of endpoints (`MPTCP_PM_ADDR_MAX`), and so of paths with both versions of IP.
const ENDPOINT_LIMIT: usize = 8;

/// The ends of the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Topology {
    /// Every path leads from the client to the server.
    #[default]
    TwoHosts,
    /// Every path leads from the client to a gateway that forwards to the server, which has a single address. The
    /// gateway is like a hybrid access gateway: policies there act on traffic that it does not terminate.
    Gateway,
}

/// The description of a test bed; [`LabBuilder::build`] builds it.
#[derive(Clone, Debug)]
pub struct LabBuilder {
    paths: Vec<Path>,
    topology: Topology,
    endpoints: EndpointPlan,
    congestion_control: String,
    dss_checksum: bool,
    timestamps: bool,
    offloads: Option<Offloads>,
    seed: u64,
}

impl Lab {
    /// Begins the description of a test bed.
    pub fn builder() -> LabBuilder {
        LabBuilder {
            paths: Vec::new(),
            topology: Topology::TwoHosts,
            endpoints: EndpointPlan::ClientSubflows,
            congestion_control: "cubic".to_owned(),
            dss_checksum: false,
            timestamps: true,
            offloads: None,
            seed: 1,
        }
    }
}

impl LabBuilder {
    /// Adds a path. Its device is `path1` on both hosts if it is the first, and so on.
    pub fn path(mut self, path: Path) -> Self {
        self.paths.push(path);
        self
    }

    /// The ends of the paths.
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// How further subflows are opened. Default: by the client.
    pub fn endpoints(mut self, plan: EndpointPlan) -> Self {
        self.endpoints = plan;
        self
    }

    /// Congestion control of the sockets that this crate opens on both hosts. Default: `cubic`. It is set per
    /// socket: root's sockets can use all modules, but a namespace only those that the initial namespace allows.
    pub fn congestion_control(mut self, name: &str) -> Self {
        self.congestion_control = name.to_owned();
        self
    }

    /// Whether mappings carry the DSS checksum (`net.mptcp.checksum_enabled`). Default: no, as in Linux.
    pub fn dss_checksum(mut self, enabled: bool) -> Self {
        self.dss_checksum = enabled;
        self
    }

    /// Whether segments carry TCP timestamps. Default: yes, as in Linux.
    pub fn timestamps(mut self, enabled: bool) -> Self {
        self.timestamps = enabled;
        self
    }

    /// Offloads of all devices of the hosts. Default: those of veth (all on but GRO).
    pub fn offloads(mut self, offloads: Offloads) -> Self {
        self.offloads = Some(offloads);
        self
    }

    /// Seed of loss and jitter. Default: 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Builds the test bed. On an error, everything is removed again.
    ///
    /// # Errors
    /// [`LabError::Unsupported`] without root, without MPTCP in the kernel, or without `ip` or `ethtool`.
    pub fn build(self) -> Result<Lab> {
        self.check()?;
        let stem = names::unique_stem();
        let mut namespaces = NamespaceGuard::default();
        let mut namespace = |role: &str| namespaces.create(format!("{stem}-{role}"));
        let (client, server, middle) = (namespace("client")?, namespace("server")?, namespace("middle")?);
        let gateway = (self.topology == Topology::Gateway)
            .then(|| namespace("gateway"))
            .transpose()?;
        let hosts = Hosts::new(&self, client, server, gateway);

        prepare_middle(&middle)?;
        for host in hosts.all() {
            self.prepare_host(host)?;
        }
        self.connect(&hosts, &middle)?;

        let emulator_thread = stem
            .rsplit('-')
            .next()
            .map(|number| format!("lab {number}"))
            .unwrap_or_default();
        let runtime = emulator::runtime(&emulator_thread)?;
        let mut paths = Vec::new();
        for (index, path) in self.paths.iter().enumerate() {
            let emulated = if path.is_emulated() {
                let open = |end| middle.run(|| PacketSocket::open(&topology::emulator_device(index, end), false))?;
                let (to_client, to_server) = (open(End::Client)?, open(End::Server)?);
                let seed = self.seed.wrapping_mul(1_000).wrapping_add(index as u64 * 2);
                Some(EmulatedPath::start(&runtime, index, path, seed, to_client, to_server)?)
            } else {
                None
            };
            paths.push(LivePath::new(index, path.clone(), middle.clone(), emulated));
        }
        self.add_endpoints(&hosts)?;
        let Hosts {
            client,
            server,
            gateway,
        } = hosts;
        Ok(Lab {
            paths,
            client,
            server,
            gateway,
            middle,
            emulator_thread,
            _runtime: runtime,
            _namespaces: namespaces,
        })
    }

    fn check(&self) -> Result<()> {
        if !geteuid().is_root() {
            return Err(LabError::Unsupported {
                feature: "network namespaces",
                reason: "creating them needs root".to_owned(),
            });
        }
        if !std::path::Path::new("/proc/sys/net/mptcp").exists() {
            return Err(LabError::Unsupported {
                feature: "MPTCP",
                reason: "this kernel has no net.mptcp settings (CONFIG_MPTCP)".to_owned(),
            });
        }
        let addresses = |path: &Path| usize::from(path.ip.v4()) + usize::from(path.ip.v6());
        let endpoints: usize = self.paths.iter().skip(1).map(addresses).sum();
        if self.paths.is_empty() || endpoints > ENDPOINT_LIMIT {
            return Err(LabError::Invalid {
                what: format!("{} paths with {endpoints} addresses to join", self.paths.len()),
                advice: format!(
                    "describe at least one path, and at most {ENDPOINT_LIMIT} addresses beyond the first path"
                ),
            });
        }
        self.paths.iter().try_for_each(Path::check)
    }

    fn prepare_host(&self, host: &Host) -> Result<()> {
        let on_or_off = |enabled| if enabled { "1" } else { "0" };
        let mut settings = vec![
            // Hosts have addresses in several networks: replies may leave by another device than requests arrived on.
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.default.rp_filter", "0"),
            ("net.ipv6.conf.default.accept_ra", "0"),
            ("net.ipv6.conf.default.router_solicitations", "0"),
            ("net.ipv6.conf.default.accept_dad", "0"),
            // A transfer must not inherit the slow start threshold of the previous one.
            ("net.ipv4.tcp_no_metrics_save", "1"),
            ("net.ipv4.tcp_timestamps", on_or_off(self.timestamps)),
            ("net.mptcp.enabled", "1"),
            ("net.mptcp.checksum_enabled", on_or_off(self.dss_checksum)),
        ];
        if host.role() == "gateway" {
            settings.extend([("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.forwarding", "1")]);
        }
        settings
            .iter()
            .try_for_each(|(name, value)| host.set_sysctl(name, value))?;
        host.netns().ip_batch(&["link set dev lo up".to_owned()])?;
        host.set_limits(ENDPOINT_LIMIT as u8, ENDPOINT_LIMIT as u8)
    }

    /// Devices, addresses and routes.
    fn connect(&self, hosts: &Hosts, middle: &NetworkNamespace) -> Result<()> {
        let (client, far) = (hosts.client.netns(), hosts.far_end().netns());
        let (mut links, mut at_client, mut at_far, mut at_middle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut rules_v4, mut rules_v6) = (Vec::new(), Vec::new());
        for (index, path) in self.paths.iter().enumerate() {
            links.extend(topology::links(index, path, client.name(), far.name(), middle.name()));
            at_client.extend(topology::addresses(index, End::Client, path));
            rules_v4.extend(topology::source_routes(index, path, IpVersion::V4));
            rules_v6.extend(topology::source_routes(index, path, IpVersion::V6));
            at_far.extend(topology::addresses(index, End::Server, path));
            if path.is_emulated() {
                at_middle.extend(topology::emulator_up(index));
            }
        }
        if let Some(gateway) = &hosts.gateway {
            links.push(topology::gateway_link(
                gateway.netns().name(),
                hosts.server.netns().name(),
            ));
            at_far.extend(topology::gateway_addresses(End::Client));
        }
        middle.ip_batch(&links)?;
        middle.ip_batch(&at_middle)?;
        client.ip_batch(&at_client)?;
        client.ip_batch(&rules_v4)?;
        client.ip_batch_v6(&rules_v6)?;
        far.ip_batch(&at_far)?;
        if hosts.gateway.is_some() {
            hosts
                .server
                .netns()
                .ip_batch(&topology::gateway_addresses(End::Server))?;
        }
        match self.offloads {
            Some(offloads) => hosts.all().try_for_each(|host| host.set_all_offloads(offloads)),
            None => Ok(()),
        }
    }

    fn add_endpoints(&self, hosts: &Hosts) -> Result<()> {
        let host = match self.endpoints {
            EndpointPlan::None => return Ok(()),
            EndpointPlan::ClientSubflows => &hosts.client,
            EndpointPlan::ServerSignals => &hosts.server,
        };
        for (path, interface) in self.paths.iter().zip(host.interfaces()).skip(1) {
            let addresses = interface
                .v4
                .map(Into::into)
                .into_iter()
                .chain(interface.v6.map(Into::into));
            for address in addresses {
                let endpoint = match self.endpoints {
                    EndpointPlan::ClientSubflows => Endpoint::subflow(address),
                    _ => Endpoint::signal(address),
                };
                host.add_endpoint(&if path.backup { endpoint.backup() } else { endpoint })?;
            }
        }
        Ok(())
    }
}

/// The hosts during set-up.
struct Hosts {
    client: Host,
    server: Host,
    gateway: Option<Host>,
}

impl Hosts {
    fn new(
        lab: &LabBuilder,
        client: NetworkNamespace,
        server: NetworkNamespace,
        gateway: Option<NetworkNamespace>,
    ) -> Self {
        let host = |role, netns, interfaces| Host::new(role, netns, interfaces, &lab.congestion_control);
        let ends = |end| -> Vec<_> {
            lab.paths
                .iter()
                .enumerate()
                .map(|(index, path)| topology::interface(index, end, path))
                .collect()
        };
        let client = host("client", client, ends(End::Client));
        match gateway {
            None => Self {
                client,
                server: host("server", server, ends(End::Server)),
                gateway: None,
            },
            Some(gateway) => {
                let [to_server, to_gateway] = topology::gateway_interfaces();
                let mut interfaces = ends(End::Server);
                interfaces.push(to_server);
                let gateway = Some(host("gateway", gateway, interfaces));
                Self {
                    client,
                    server: host("server", server, vec![to_gateway]),
                    gateway,
                }
            }
        }
    }

    /// Where the paths from the client end.
    fn far_end(&self) -> &Host {
        self.gateway.as_ref().unwrap_or(&self.server)
    }

    fn all(&self) -> impl Iterator<Item = &Host> {
        [&self.client, &self.server].into_iter().chain(&self.gateway)
    }
}

/// The emulator's namespace has no addresses: the kernel must not answer packets that the emulator does not forward.
fn prepare_middle(middle: &NetworkNamespace) -> Result<()> {
    middle
        .run(|| std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"))?
        .map_err(|error| LabError::system(format!("switching IPv6 off in {}", middle.name()), error))
}
