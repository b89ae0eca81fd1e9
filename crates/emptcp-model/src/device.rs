//! State of devices with policies.

use crate::DeviceDirection;
use serde::{Deserialize, Serialize};

/// State of a device that a policy names.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It runs the policies.
    Attached,
    /// It runs the policies, and has another name now.
    Renamed,
    /// There is no device of this name in this network namespace.
    Gone,
    /// It was moved to another network namespace, where its policies still act.
    Moved,
    /// It was moved to another network namespace and has another index there: the programs are attached, but no rule
    /// matches it.
    MovedIdle,
    /// The programs were detached.
    NotAttached,
    /// Another device has the name now: it was created again, or renamed.
    CreatedAgain,
    /// The programs run, but the root qdisc that `mode=shape` needs was replaced.
    QdiscReplaced,
    /// The programs run, but the class with the rate of a policy was removed or changed.
    ClassChanged,
}

impl Standing {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Renamed => "renamed",
            Self::Gone => "gone",
            Self::Moved => "moved to another network namespace, where its policies still act",
            Self::MovedIdle => "moved to another network namespace, where its programs are still attached",
            Self::NotAttached => "not attached",
            Self::CreatedAgain => "created again, not attached",
            Self::QdiscReplaced => "qdisc replaced, not shaped",
            Self::ClassChanged => "class removed or changed, not shaped as the policy says",
        }
    }

    /// Whether the device runs its policies in this network namespace.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Attached | Self::Renamed)
    }
}

/// A device and direction of the policy set in force.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeviceState {
    /// The device, as the policy file names it.
    pub device: String,
    /// The direction.
    pub direction: DeviceDirection,
    /// Its state.
    pub state: Standing,
    /// The present name of the device that runs the policies, if it was renamed.
    pub renamed_to: Option<String>,
    /// The device to which the policies were applied is in another network namespace, with the programs.
    pub moved: bool,
    /// The device was moved away and came back with another index: the programs are still attached to it, and pass
    /// every packet, since no rule matches the index.
    pub came_back: bool,
    /// The root qdisc that emptcp made for `mode=shape`, kind and handle; at egress.
    pub qdisc: Option<String>,
}

impl DeviceState {
    /// Its state, in words.
    pub fn words(&self) -> String {
        let name = self.state.name();
        match (&self.renamed_to, self.state) {
            (Some(now), Standing::Renamed) => format!("renamed to {now}"),
            (Some(now), Standing::CreatedAgain) => format!("{name}; the former one is {now} now and runs the policies"),
            (Some(now), _) => format!("renamed to {now}, {name}"),
            (None, Standing::CreatedAgain) if self.came_back => {
                "came back with another index: its programs are still attached, but pass every packet".to_owned()
            }
            (None, Standing::CreatedAgain) if self.moved => {
                format!("{name}; the former one is in another network namespace, with its programs")
            }
            (None, _) => name.to_owned(),
        }
    }
}
