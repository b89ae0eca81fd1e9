//! Help for tests: faults at chosen points, and the core of another build.

pub use emptcp_host::testing::is_root;

/// Runs `work`, in which the points of these numbers fail: an apply passes one before and one after each of its steps.
/// Also returns the points that this thread has passed, in order. For tests of what an error leaves behind.
pub fn with_faults<T>(at: &[usize], work: impl FnOnce() -> T) -> (T, Vec<String>) {
    crate::fault::within(at, work)
}

/// Runs `work`, in this thread, as another build of emptcp with these core objects. For tests of one build with an
/// instance of another.
pub fn as_another_build<T>(core: &'static [emptcp_load::embedded::CoreObject], work: impl FnOnce() -> T) -> T {
    crate::core_objects::within(core, work)
}

#[cfg(test)]
pub(crate) mod plans {
    //! Small plans for tests.

    use emptcp_plan::{
        manifest::{Hook, Kind},
        plan::{Attach, DeviceDirection, Node, Plan, PolicyPlan, Target},
    };

    fn policy(name: &str, device: &str, nodes: usize, attach: Attach) -> PolicyPlan {
        let node = |position: usize| Node {
            element: "count".to_owned(),
            kind: Kind::Actor,
            arguments: Vec::new(),
            on_match: if position + 1 < nodes {
                Target::Node(position + 1)
            } else {
                Target::End
            },
            on_miss: if position + 1 < nodes {
                Target::Node(position + 1)
            } else {
                Target::End
            },
            first_actor: position == 0,
            source: "count".to_owned(),
        };
        PolicyPlan {
            name: name.to_owned(),
            direction: DeviceDirection::Ingress,
            devices: vec![device.to_owned()],
            attach,
            nodes: (0..nodes).map(node).collect(),
            longest_path: nodes,
            hooks: vec![Hook::Xdp, Hook::TcIngress],
            when: String::new(),
            actions: vec!["count".to_owned(); nodes],
        }
    }

    /// Policies with these names and numbers of nodes.
    pub(crate) fn named(names: &[&str], nodes: usize) -> Plan {
        let policies = names
            .iter()
            .map(|name| policy(name, "v0", nodes, Attach::Auto))
            .collect();
        Plan {
            policies,
            ..Plan::default()
        }
    }

    /// Policies `p0`, `p1`... on one device.
    pub(crate) fn on(device: &str, attach: &[Attach]) -> Plan {
        let policies = attach
            .iter()
            .enumerate()
            .map(|(i, attach)| policy(&format!("p{i}"), device, 1, *attach))
            .collect();
        Plan {
            policies,
            ..Plan::default()
        }
    }
}
