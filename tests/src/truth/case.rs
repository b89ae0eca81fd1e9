//! The parameters of a case, and the selection of cases that contains every pair of values.

use emptcp_lab::{IpVersion, TransferDirection};
use rand::{SeedableRng, rngs::SmallRng, seq::SliceRandom};
use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// The place of the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At the client, for packets that it sends.
    ClientEgress,
    /// At the client, packets that arrive.
    ClientIngress,
    /// At the server, packets that arrive.
    ServerIngress,
    /// At the server, packets that it sends.
    ServerEgress,
    /// On a router's devices towards the client, packets from the client.
    RouterIngress,
    /// On a router's devices towards the client, packets to the client.
    RouterEgress,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ClientEgress,
        Self::ClientIngress,
        Self::ServerIngress,
        Self::ServerEgress,
        Self::RouterIngress,
        Self::RouterEgress,
    ];

    /// Whether packets from the client to the server pass here; otherwise those of the other direction.
    pub fn sees_uploads(self) -> bool {
        matches!(self, Self::ClientEgress | Self::ServerIngress | Self::RouterIngress)
    }

    /// Whether packets leave the machine here.
    pub fn is_egress(self) -> bool {
        matches!(self, Self::ClientEgress | Self::ServerEgress | Self::RouterEgress)
    }

    /// Whether it is on a router.
    pub fn is_router(self) -> bool {
        matches!(self, Self::RouterIngress | Self::RouterEgress)
    }
}

/// How the policy is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attach {
    /// At tc: ingress and egress.
    Tc,
    /// At XDP in the driver: ingress only.
    XdpNative,
    /// At XDP in the stack: ingress only.
    XdpGeneric,
}

impl Attach {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tc, Self::XdpNative, Self::XdpGeneric];
}

/// The direction of the application's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// From the client to the server.
    Upload,
    /// From the server to the client.
    Download,
    /// Both at once.
    Both,
}

impl Traffic {
    const ALL: [Self; 3] = [Self::Upload, Self::Download, Self::Both];

    /// For the lab.
    pub fn direction(self) -> TransferDirection {
        match self {
            Self::Upload => TransferDirection::Upload,
            Self::Download => TransferDirection::Download,
            Self::Both => TransferDirection::Both,
        }
    }

    /// Whether bytes go up, and down.
    pub fn goes(self, up: bool) -> bool {
        match self {
            Self::Upload => up,
            Self::Download => !up,
            Self::Both => true,
        }
    }
}

/// When the policy starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the connections.
    Before,
    /// While they run.
    MidTransfer,
}

/// The window scale that the hosts choose, by the largest buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// No window is scaled: the option is not sent, and no window is above 64 kB.
    None,
    /// The kernel's choice.
    Usual,
    /// Buffers of 400 MB: a scale of 13.
    Large,
}

impl Scale {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::Usual, Self::Large];

    /// Settings of a host.
    pub fn sysctls(self) -> [(&'static str, &'static str); 2] {
        let scaling = if self == Self::None { "0" } else { "1" };
        let buffers = match self {
            Self::None | Self::Usual => "4096 131072 6291456",
            Self::Large => "4096 131072 419430400",
        };
        [("net.ipv4.tcp_window_scaling", scaling), ("net.ipv4.tcp_rmem", buffers)]
    }
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Case {
    /// Number of the actor in the table.
    #[serde(skip)]
    pub actor: usize,
    /// The place.
    pub place: Place,
    /// How the policy is attached there.
    pub attach: Attach,
    /// The direction of the bytes.
    pub traffic: Traffic,
    /// IPv6 in place of IPv4.
    pub ipv6: bool,
    /// The window scale.
    pub scale: Scale,
    /// When the policy starts.
    pub moment: Moment,
}

impl Case {
    /// The version of IP.
    pub fn version(&self) -> IpVersion {
        if self.ipv6 { IpVersion::V6 } else { IpVersion::V4 }
    }

    /// The values as numbers, one per axis.
    fn values(&self) -> [(usize, usize); 7] {
        [
            (0, self.actor),
            (1, self.place as usize),
            (2, self.traffic as usize),
            (3, usize::from(self.ipv6)),
            (4, self.scale as usize),
            (5, self.moment as usize),
            (6, self.attach as usize),
        ]
    }
}

/// A name without spaces, after that of the actor: for lists and `--case`.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/scale-{}/{}",
            word(&self.place),
            word(&self.attach),
            word(&self.traffic),
            if self.ipv6 { "ipv6" } else { "ipv4" },
            word(&self.scale),
            word(&self.moment)
        )
    }
}

/// A value as `serde` writes it.
pub(super) fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Every case that `valid` allows. XDP has no egress.
pub fn all(actors: usize, valid: impl Fn(&Case) -> bool) -> Vec<Case> {
    let places = Place::ALL
        .into_iter()
        .flat_map(|place| Attach::ALL.map(|attach| (place, attach)))
        .filter(|(place, attach)| *attach == Attach::Tc || !place.is_egress());
    let places: Vec<_> = places.collect();
    let mut cases = Vec::new();
    for actor in 0..actors {
        for (place, attach) in &places {
            for traffic in Traffic::ALL {
                for (ipv6, scale) in [false, true]
                    .into_iter()
                    .flat_map(|ipv6| Scale::ALL.map(|scale| (ipv6, scale)))
                {
                    for moment in [Moment::Before, Moment::MidTransfer] {
                        let case = Case {
                            actor,
                            place: *place,
                            attach: *attach,
                            traffic,
                            ipv6,
                            scale,
                            moment,
                        };
                        cases.extend(Some(case).filter(&valid));
                    }
                }
            }
        }
    }
    cases
}

type Pair = ((usize, usize), (usize, usize));

fn pairs(case: &Case) -> impl Iterator<Item = Pair> {
    let values = case.values();
    (0..values.len())
        .flat_map(move |first| (first + 1..values.len()).map(move |second| (values[first], values[second])))
}

/// A greedy selection of few cases in which every pair of values of `cases` occurs. Cases with the most new pairs come
/// first, so any prefix is a fair sample.
pub fn pairwise(mut cases: Vec<Case>, seed: u64) -> Vec<Case> {
    cases.shuffle(&mut SmallRng::seed_from_u64(seed));
    let mut open: BTreeSet<Pair> = cases.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let new = |case: &Case| pairs(case).filter(|pair| open.contains(pair)).count();
        let Some(best) = cases.iter().max_by_key(|case| new(case)).copied() else {
            break;
        };
        open.retain(|pair| !pairs(&best).any(|covered| covered == *pair));
        chosen.push(best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_values_is_in_the_choice_and_the_seed_decides_which() {
        let cases = all(3, |case| case.actor != 1 || case.place.is_egress());
        let chosen = pairwise(cases.clone(), 7);
        let wanted: BTreeSet<Pair> = cases.iter().flat_map(pairs).collect();
        let found: BTreeSet<Pair> = chosen.iter().flat_map(pairs).collect();
        assert_eq!(wanted, found);
        assert!(chosen.len() < cases.len() / 8, "{} of {}", chosen.len(), cases.len());
        assert_eq!(chosen, pairwise(cases.clone(), 7));
        assert_ne!(chosen, pairwise(cases, 8));
    }
}
