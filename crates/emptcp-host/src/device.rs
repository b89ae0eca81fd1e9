//! The network devices of this namespace.

use crate::{
    error::{Error, Result},
    netlink,
    rights::Capability,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage, Prop},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::collections::BTreeMap;

/// One device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Its own name.
    pub name: String,
    /// Interface index.
    pub index: u32,
    /// Bytes before the IP header: 14 for Ethernet, 0 for raw IP.
    pub link_header: u32,
    /// It stands for hardware: it has a parent on a bus and no software kind.
    pub physical: bool,
    /// Most bytes of an aggregate that TCP hands to it as one packet (`gso_max_size`).
    pub aggregate: u32,
    /// The device directly on top of it, as it says itself: its index.
    pub upper: Option<u32>,
    /// The device directly below it whose packets it shows, as it says itself: its index.
    pub lower: Option<u32>,
}

/// The devices of a network namespace.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    by_name: BTreeMap<String, Device>,
    /// A device's own name by each of its alternative ones.
    own_names: BTreeMap<String, String>,
}

/// Aggregates that are forwarded may be this large whatever the device says of those of TCP.
const USUAL_AGGREGATE: u32 = 65_536;

impl Devices {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn read() -> Result<Self> {
        let (mut by_name, mut own_names) = (BTreeMap::new(), BTreeMap::new());
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let answers = netlink::dump(NETLINK_ROUTE, request)
            .map_err(|error| Error::kernel(&[Capability::NetAdmin], "list the devices", error))?;
        for answer in answers {
            let RouteNetlinkMessage::NewLink(link) = answer else {
                continue;
            };
            let (mut name, mut other_names) = (None, Vec::new());
            let (mut parent, mut kind, mut on_link) = (false, false, false);
            let (mut upper, mut lower, mut elsewhere) = (None, None, false);
            let mut aggregate = USUAL_AGGREGATE;
            for attribute in &link.attributes {
                match attribute {
                    LinkAttribute::IfName(text) => name = Some(text.clone()),
                    LinkAttribute::PropList(properties) => {
                        other_names.extend(properties.iter().filter_map(|property| match property {
                            Prop::AltIfName(name) => Some(name.clone()),
                            _ => None,
                        }));
                    }
                    LinkAttribute::ParentDevName(_) => parent = true,
                    LinkAttribute::LinkInfo(infos) => {
                        for info in infos {
                            if let LinkInfo::Kind(named) = info {
                                kind = true;
                                on_link = shares_packets(named);
                            }
                        }
                    }
                    LinkAttribute::GsoMaxSize(bytes) => aggregate = aggregate.max(*bytes),
                    LinkAttribute::Controller(index) => upper = Some(*index),
                    LinkAttribute::Link(index) => lower = Some(*index),
                    // The device below is in another namespace: nothing of it is known here.
                    LinkAttribute::LinkNetNsId(_) => elsewhere = true,
                    _ => {}
                }
            }
            let ethernet = matches!(
                link.header.link_layer_type,
                LinkLayerType::Ether | LinkLayerType::Loopback
            );
            if let Some(name) = name {
                let device = Device {
                    name: name.clone(),
                    index: link.header.index,
                    link_header: if ethernet { 14 } else { 0 },
                    physical: parent && !kind,
                    aggregate,
                    upper,
                    lower: lower.filter(|_| on_link && !elsewhere),
                };
                own_names.extend(other_names.into_iter().map(|other| (other, name.clone())));
                by_name.insert(name, device);
            }
        }
        Ok(Self { by_name, own_names })
    }

    /// Ethernet devices that need not exist: for test runs.
    pub fn from_indices<'a>(devices: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let device = |(name, index): (&str, u32)| Device {
            name: name.to_owned(),
            index,
            link_header: 14,
            physical: false,
            aggregate: USUAL_AGGREGATE,
            upper: None,
            lower: None,
        };
        devices.into_iter().map(device).collect()
    }

    /// All devices.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.by_name.values()
    }

    /// A device by its own name.
    pub fn get(&self, name: &str) -> Option<&Device> {
        self.by_name.get(name)
    }

    /// The own name of a device by one of its alternative names (`ip link property add ... altname`).
    pub fn own_name(&self, alternative: &str) -> Option<&str> {
        self.own_names.get(alternative).map(String::as_str)
    }

    /// Most bytes of an aggregate on a device.
    pub fn aggregate(&self, index: u32) -> u32 {
        let device = self.iter().find(|device| device.index == index);
        device.map_or(USUAL_AGGREGATE, |device| device.aggregate)
    }

    /// The name of an index.
    pub fn name(&self, index: u32) -> Option<&str> {
        let device = self.iter().find(|device| device.index == index);
        device.map(|device| device.name.as_str())
    }
}

impl FromIterator<Device> for Devices {
    fn from_iter<I: IntoIterator<Item = Device>>(devices: I) -> Self {
        let named = |device: Device| (device.name.clone(), device);
        Self {
            by_name: devices.into_iter().map(named).collect(),
            own_names: BTreeMap::new(),
        }
    }
}

/// Whether a device of this kind shows the packets of the device that `IFLA_LINK` names: that of a veth is its peer,
/// that of a tunnel carries other packets.
fn shares_packets(kind: &InfoKind) -> bool {
    matches!(
        kind,
        InfoKind::Vlan | InfoKind::MacVlan | InfoKind::MacVtap | InfoKind::IpVlan | InfoKind::IpVtap
    )
}
