//! An instance of a namespace: policies go in force there, and what is in force is read.

use crate::{
    Applied, Apply, Begin, Catalog, Change, ErrorKind, Events, Namespace, Policies, Preview, Removed,
    error::Result,
    in_force::DeviceState,
    instance::{AttachmentInfo, Shown},
    model::{Connection, Flow, Generation, Stats},
};
use emptcp_packet::{Instance as Open, apply, memory, preview, remove};
use emptcp_plan::diff;
use std::fmt;

/// A set of policies of a network namespace, by name. Several can be in force on different devices.
///
/// The handle holds nothing open. Each method looks at what is there at that moment, so that a handle stays good while
/// policies are replaced or removed by others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    namespace: Namespace,
    name: String,
}

/// Whether an apply replaces what is there, since it cannot be read.
fn is_unreadable(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::OtherBuild | ErrorKind::Damaged)
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Instance {
    /// The name when a user gives none.
    pub const DEFAULT: &'static str = crate::instance::DEFAULT;

    pub(crate) fn new(namespace: Namespace, name: &str) -> Self {
        let name = name.to_owned();
        Self { namespace, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Puts policies in force, all of them or none. Those that are in force already and do not change keep their
    /// counters and their state.
    ///
    /// # Errors
    /// What was in force before stays in force.
    pub fn apply(&self, policies: &Policies, how: Apply) -> Result<Applied> {
        let (plan, text, elements) = (policies.plan(), policies.text(), policies.elements());
        let apply = || apply(&self.name, plan, text, elements, how.options());
        Ok(Applied {
            report: self.namespace.run(apply)??,
            instance: self.clone(),
        })
    }

    /// Loads and verifies everything as [`Instance::apply`] would, and attaches nothing.
    ///
    /// # Errors
    /// Those of [`Instance::apply`], but for what only attaching can show.
    pub fn preview(&self, policies: &Policies, how: Apply) -> Result<Preview> {
        let preview = || preview(&self.name, policies.plan(), policies.elements(), how.options());
        Ok(self.namespace.run(preview)??)
    }

    /// Takes the policies out of force, with everything that belongs to them.
    ///
    /// # Errors
    /// When there is no such instance, or it could not be taken away whole.
    pub fn remove(&self) -> Result<Removed> {
        Ok(self.namespace.run(|| remove(&self.name))??)
    }

    /// How `policies` differ from those in force. What cannot be read counts as nothing: it would be replaced.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn changes(&self, policies: &Policies) -> Result<Vec<Change>> {
        let shown = match self.show() {
            Ok(shown) => Some(shown),
            Err(error) if error.is_nothing_in_force() || is_unreadable(error.kind()) => None,
            Err(error) => return Err(error),
        };
        Ok(diff(shown.as_ref().map(|shown| &shown.plan), policies.plan()))
    }

    /// Bytes of kernel memory that the tables take which these policies add to those that are there.
    ///
    /// # Errors
    /// When the kernel cannot be asked, or an element is not there any more.
    pub fn memory_for(&self, policies: &Policies) -> Result<u64> {
        let (plan, elements) = (policies.plan(), policies.elements());
        let needed = self.namespace.run(|| match Open::open(&self.name) {
            Ok(open) => memory::needed_beside(plan, elements, &open),
            Err(emptcp_packet::Error::NoInstance { .. }) => memory::needed(plan, elements),
            Err(error) => Err(error),
        })??;
        Ok(needed)
    }

    /// Whether there is an instance of this name, also one whose policies are not in force.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn exists(&self) -> Result<bool> {
        self.namespace.run(|| match Open::open(&self.name) {
            Ok(_) => Ok(true),
            Err(emptcp_packet::Error::NoInstance { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        })?
    }

    /// Whether policies are in force.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn is_in_force(&self) -> Result<bool> {
        match self.with(|_| Ok(())) {
            Ok(()) => Ok(true),
            Err(error) if error.is_nothing_in_force() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The number of the policy set in force.
    ///
    /// # Errors
    /// When nothing is in force.
    pub fn generation(&self) -> Result<Generation> {
        self.with(|open| Ok(open.generation()))
    }

    /// What is in force: the text, the plan, where it is attached.
    ///
    /// # Errors
    /// When nothing is in force, or it cannot be read.
    pub fn show(&self) -> Result<Shown> {
        self.with(Open::show)
    }

    /// Where programs are attached.
    ///
    /// # Errors
    /// When nothing is in force, or the kernel cannot be asked.
    pub fn attached(&self) -> Result<Vec<AttachmentInfo>> {
        self.with(Open::attached)
    }

    /// Whether each device really runs its policies.
    ///
    /// # Errors
    /// When nothing is in force, or the kernel cannot be asked.
    pub fn devices(&self, elements: &Catalog) -> Result<Vec<DeviceState>> {
        self.with(|open| open.devices(elements))
    }

    /// All counters, summed over the CPUs. `elements` name those of the elements.
    ///
    /// # Errors
    /// When nothing is in force, or the kernel cannot be asked.
    pub fn stats(&self, elements: &Catalog) -> Result<Stats> {
        self.with(|open| open.stats(elements))
    }

    /// All subflows, half-open ones too, oldest first.
    ///
    /// # Errors
    /// When nothing is in force, or the tables cannot be read.
    pub fn flows(&self) -> Result<Vec<Flow>> {
        self.with(Open::flows)
    }

    /// All connections, oldest first.
    ///
    /// # Errors
    /// When nothing is in force, or the table cannot be read.
    pub fn connections(&self) -> Result<Vec<Connection>> {
        self.with(Open::connections)
    }

    /// How many subflows were seen or taken over since the instance was made, forgotten ones included.
    ///
    /// # Errors
    /// When nothing is in force, or the counters cannot be read.
    pub fn subflows_seen(&self) -> Result<u64> {
        self.with(Open::subflows_seen)
    }

    /// The events from now on. Any number of readers see every event.
    ///
    /// # Errors
    /// When nothing is in force, or the rings cannot be mapped.
    pub fn events(&self) -> Result<Events> {
        self.events_from(Begin::Now)
    }

    /// The events from the oldest one that is kept, or from now on.
    ///
    /// # Errors
    /// When nothing is in force, or the rings cannot be mapped.
    pub fn events_from(&self, begin: Begin) -> Result<Events> {
        Events::new(self.clone(), begin)
    }

    /// Reads what is in force, in its namespace.
    pub(crate) fn with<T: Send>(&self, read: impl FnOnce(&Open) -> emptcp_packet::Result<T> + Send) -> Result<T> {
        let read = || {
            let open = Open::open(&self.name)?;
            open.is_in_force()?;
            read(&open)
        };
        Ok(self.namespace.run(read)??)
    }

    /// Opens what is in force, to read from it for longer.
    pub(crate) fn open(&self) -> Result<Open> {
        let open = || {
            let open = Open::open(&self.name)?;
            open.is_in_force()?;
            Ok::<_, emptcp_packet::Error>(open)
        };
        Ok(self.namespace.run(open)??)
    }
}
