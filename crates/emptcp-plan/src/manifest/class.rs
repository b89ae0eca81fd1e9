//! The table `[class]` of an `element.toml`, with `needs = ["class"]`: an element that requests a class of its own in
//! the queue of the device.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Arguments of type `choice`, and words of them. It holds when each argument has one of its words.
pub type ClassWords = BTreeMap<String, Vec<String>>;

/// The table `[class]` of an `element.toml`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClassNeed {
    /// The argument with the rate of the class: of type `rate`, without which the element cannot be used.
    pub rate: String,
    /// When a use needs the class: it is refused where there can be none. Without the key: always, unless `if_free`
    /// says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<ClassWords>,
    /// When a use takes what needs no set-up: departure times, if all devices of the policy have `fq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_free: Option<ClassWords>,
    /// When subflows on several devices share the rate. A class of HTB belongs to one device: `check` warns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<ClassWords>,
    /// The arguments that need no class, for messages: `mode=police`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}
