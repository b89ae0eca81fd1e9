//! The network devices of this namespace.

use crate::{
    error::{Error, Result},
    netlink::{self, Attributes, Message},
    rights::Capability,
};
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
    /// It is a physical device: it has a parent on a bus and no software kind.
    pub physical: bool,
    /// Most bytes of an aggregate that TCP passes to it as one packet (`gso_max_size`).
    pub aggregate: u32,
    /// Index of the device directly on top of it, as the device reports it.
    pub upper: Option<u32>,
    /// Index of the device directly below it whose packets it passes, as the device reports it.
    pub lower: Option<u32>,
}

/// The devices of a network namespace.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    by_name: BTreeMap<String, Device>,
    /// A device's own name by each of its alternative ones.
    own_names: BTreeMap<String, String>,
}

/// `struct ifinfomsg`: its length, and the offsets of the device's type (`ARPHRD_...`) and index.
const IFINFOMSG: usize = 16;
const TYPE: usize = 2;
const INDEX: usize = 4;

/// Forwarded aggregates may be this large, even if the device's limit for TCP is lower.
const USUAL_AGGREGATE: u32 = 65_536;

impl Devices {
    /// Queries the kernel.
    ///
    /// # Errors
    /// When the query fails.
    pub fn read() -> Result<Self> {
        let (mut by_name, mut own_names) = (BTreeMap::new(), BTreeMap::new());
        let answers = netlink::dump(Message::new(libc::RTM_GETLINK, &[0; IFINFOMSG]))
            .map_err(|error| Error::kernel(&[Capability::NetAdmin], "list the devices", error))?;
        for link in answers.iter().filter(|answer| answer.kind == libc::RTM_NEWLINK) {
            let (mut name, mut other_names) = (None, Vec::new());
            let (mut parent, mut kind, mut on_link) = (false, false, false);
            let (mut upper, mut lower, mut elsewhere) = (None, None, false);
            let mut aggregate = USUAL_AGGREGATE;
            for (attribute, value) in link.attributes(IFINFOMSG).iter() {
                match attribute {
                    libc::IFLA_IFNAME => name = netlink::text(value),
                    libc::IFLA_PROP_LIST => {
                        let properties = Attributes::within(value).iter();
                        let names = properties.filter(|(property, _)| *property == libc::IFLA_ALT_IFNAME);
                        other_names.extend(names.filter_map(|(_, name)| netlink::text(name)));
                    }
                    libc::IFLA_PARENT_DEV_NAME => parent = true,
                    libc::IFLA_LINKINFO => {
                        let named = Attributes::within(value)
                            .get(libc::IFLA_INFO_KIND)
                            .and_then(netlink::text);
                        kind = named.is_some();
                        on_link = named.is_some_and(|named| shares_packets(&named));
                    }
                    libc::IFLA_GSO_MAX_SIZE => aggregate = aggregate.max(netlink::word(value, 0).unwrap_or_default()),
                    libc::IFLA_MASTER => upper = netlink::word(value, 0),
                    libc::IFLA_LINK => lower = netlink::word(value, 0),
                    // The device below is in another namespace and unknown here.
                    libc::IFLA_LINK_NETNSID => elsewhere = true,
                    _ => {}
                }
            }
            let ethernet = matches!(link.half_word(TYPE), libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK);
            // No policy can name a device whose name is no UTF-8.
            if let Some(name) = name {
                let device = Device {
                    name: name.clone(),
                    index: link.word(INDEX),
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

/// Whether a device of this kind passes the packets of the device that `IFLA_LINK` names: for a veth that is its peer,
/// for a tunnel it carries other packets.
fn shares_packets(kind: &str) -> bool {
    matches!(kind, "vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap")
}
