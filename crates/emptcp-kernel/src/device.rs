//! Network devices of this namespace, and their queueing disciplines and filters.

use crate::{
    error::{Error, OrKernel, Result},
    netlink,
};
use emptcp_plan::plan::Plan;
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage, Prop},
    tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::{collections::BTreeMap, io};

/// One device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Device {
    /// Interface index.
    pub(crate) index: u32,
    /// Bytes before the IP header: 14 for Ethernet, 0 for raw IP.
    pub(crate) link_header: u32,
    /// It stands for hardware: it has a parent on a bus and no software kind.
    pub(crate) physical: bool,
    /// Most bytes of an aggregate that TCP hands to it as one packet (`gso_max_size`).
    pub(crate) aggregate: u32,
    /// Devices directly on top of it, and below it, as it says itself: indices.
    pub(crate) upper: Option<u32>,
    /// See `upper`.
    pub(crate) lower: Option<u32>,
}

/// The devices of a network namespace, by name; and what other names they have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices(BTreeMap<String, Device>, BTreeMap<String, String>);

/// Aggregates that are forwarded may be this large whatever the device says of those of TCP.
const USUAL_AGGREGATE: u32 = 65_536;

impl Devices {
    /// Asks the kernel.
    pub(crate) fn read() -> Result<Self> {
        let (mut devices, mut others) = (BTreeMap::new(), BTreeMap::new());
        let answers = dump(RouteNetlinkMessage::GetLink(LinkMessage::default())).or_kernel("list the devices")?;
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
                    index: link.header.index,
                    link_header: if ethernet { 14 } else { 0 },
                    physical: parent && !kind,
                    aggregate,
                    upper,
                    lower: lower.filter(|_| on_link && !elsewhere),
                };
                others.extend(other_names.into_iter().map(|other| (other, name.clone())));
                devices.insert(name, device);
            }
        }
        Ok(Self(devices, others))
    }

    /// Devices that need not exist: for test runs.
    pub(crate) fn from_indices<'a>(devices: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let device = |index| Device {
            index,
            link_header: 14,
            physical: false,
            aggregate: USUAL_AGGREGATE,
            upper: None,
            lower: None,
        };
        Self(
            devices
                .into_iter()
                .map(|(name, index)| (name.to_owned(), device(index)))
                .collect(),
            BTreeMap::new(),
        )
    }

    /// These devices, with their indices as names.
    #[cfg(test)]
    pub(crate) fn of(devices: impl IntoIterator<Item = Device>) -> Self {
        Self(
            devices
                .into_iter()
                .map(|device| (device.index.to_string(), device))
                .collect(),
            BTreeMap::new(),
        )
    }

    /// All devices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Device> {
        self.0.values()
    }

    /// A device by name; `policy` wants it.
    pub(crate) fn get(&self, name: &str, policy: &str) -> Result<&Device> {
        self.0.get(name).ok_or_else(|| Error::UnknownDevice {
            policy: policy.to_owned(),
            device: name.to_owned(),
            present: self.0.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// The plan with the devices' own names in the place of alternative ones.
    pub(crate) fn with_real_names(&self, plan: &Plan) -> Result<Plan> {
        for policy in &plan.policies {
            let mut named: BTreeMap<&str, &str> = BTreeMap::new();
            for name in &policy.devices {
                let own = self.1.get(name).unwrap_or(name);
                if let Some(other) = named.insert(own, name).filter(|other| other != name) {
                    return Err(Error::SameDevice {
                        policy: policy.name.clone(),
                        device: own.clone(),
                        names: [other.to_owned(), name.clone()],
                    });
                }
            }
        }
        let mut plan = plan.clone();
        plan.rename_devices(|name| self.1.get(name).cloned());
        Ok(plan)
    }

    /// A device's index.
    pub(crate) fn index(&self, name: &str, policy: &str) -> Result<u32> {
        self.get(name, policy).map(|device| device.index)
    }

    /// Most bytes of an aggregate on a device.
    pub(crate) fn aggregate(&self, index: u32) -> u32 {
        let device = self.0.values().find(|device| device.index == index);
        device.map_or(USUAL_AGGREGATE, |device| device.aggregate)
    }

    /// The name of an index.
    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, device)| device.index == index)
            .map(|(name, _)| name.as_str())
    }
}

/// The plan with the names of the devices themselves where it has alternative ones (`ip link property add ... altname`), as
/// [`apply()`](crate::apply()) keeps it.
///
/// # Errors
/// When the kernel cannot be asked for its devices, and [`Error::SameDevice`] when a policy names one twice.
pub fn with_real_names(plan: &Plan) -> Result<Plan> {
    Devices::read()?.with_real_names(plan)
}

/// Whether a device of this kind shows the packets of the device that `IFLA_LINK` names: that of a veth is its peer, that
/// of a tunnel carries other packets.
fn shares_packets(kind: &InfoKind) -> bool {
    matches!(
        kind,
        InfoKind::Vlan | InfoKind::MacVlan | InfoKind::MacVtap | InfoKind::IpVlan | InfoKind::IpVtap
    )
}

/// One queueing discipline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Qdisc {
    /// Its kind: `clsact`, `htb`...
    pub(crate) kind: String,
    /// Major number of its handle, 0 for one that the kernel chose.
    pub(crate) major: u16,
    /// Where it hangs.
    pub(crate) parent: u32,
}

/// The queueing disciplines of a device.
pub(crate) fn qdiscs(ifindex: u32) -> io::Result<Vec<Qdisc>> {
    let mut request = TcMessage::default();
    request.header.index = ifindex as i32;
    let answers = dump(RouteNetlinkMessage::GetQueueDiscipline(request))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewQueueDiscipline(message) if message.header.index == ifindex as i32 => Some(Qdisc {
                kind: kind_of(&message),
                major: message.header.handle.major,
                parent: u32::from(message.header.parent),
            }),
            _ => None,
        })
        .collect())
}

fn kind_of(message: &TcMessage) -> String {
    let kind = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    });
    kind.unwrap_or_default()
}

/// One filter of clsact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Filter {
    /// Its kind: `bpf`, `u32`...
    pub(crate) kind: String,
    /// Its place.
    pub(crate) priority: u32,
    /// Its handle.
    pub(crate) handle: u32,
    /// The program's id, for `bpf`.
    pub(crate) program: Option<u32>,
    /// The program's name, for `bpf`.
    pub(crate) name: Option<String>,
}

/// `ffff:fff2` and `ffff:fff3`: where filters of clsact hang.
pub(crate) const CLSACT_INGRESS: u32 = 0xffff_fff2;
/// See [`CLSACT_INGRESS`].
pub(crate) const CLSACT_EGRESS: u32 = 0xffff_fff3;

/// The filters of a device under one parent.
pub(crate) fn filters(ifindex: u32, parent: u32) -> io::Result<Vec<Filter>> {
    let mut request = TcMessage::default();
    request.header.index = ifindex as i32;
    request.header.parent = TcHandle::from(parent);
    let answers = match dump(RouteNetlinkMessage::GetTrafficFilter(request)) {
        // Without clsact there is nothing to list.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EINVAL | libc::ENOENT | libc::EOPNOTSUPP)
            ) =>
        {
            return Ok(Vec::new());
        }
        answers => answers?,
    };
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewTrafficFilter(message) if message.header.index == ifindex as i32 => {
                let handle = u32::from(message.header.handle);
                // The kernel also lists each priority by itself, without a handle.
                (handle != 0).then(|| filter(&message, handle))
            }
            _ => None,
        })
        .collect())
}

fn filter(message: &TcMessage, handle: u32) -> Filter {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options.as_slice()),
        _ => None,
    });
    let mut filter = Filter {
        kind: kind_of(message),
        priority: message.header.info >> 16,
        handle,
        program: None,
        name: None,
    };
    for option in options.unwrap_or_default() {
        match option {
            TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => filter.program = Some(*id),
            TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => filter.name = Some(name.clone()),
            _ => {}
        }
    }
    filter
}

fn dump(request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    netlink::dump(NETLINK_ROUTE, request)
}
