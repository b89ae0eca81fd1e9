//! An instance of a namespace: puts policies in force, and reads what is in force.

use crate::{
    Apply, Catalog, Change, ErrorKind, Namespace, Policies, Preview, Removed, Report,
    error::Result,
    in_force::DeviceState,
    instance::{AttachmentInfo, Shown},
    model::{Connection, Flow, Generation, Stats},
};
use emptcp_packet::{Instance as Open, apply, memory, preview, preview_replace, remove, replace};
use emptcp_plan::diff;
use std::fmt;

/// A set of policies of a network namespace, by name. Several can be in force on different devices.
///
/// The handle keeps nothing open. Each method uses the present state, so that a handle stays valid while others replace
/// or remove policies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    namespace: Namespace,
    name: String,
}

/// Whether an apply replaces the existing tables, since they cannot be read.
fn is_unreadable(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::OtherBuild | ErrorKind::Damaged)
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Instance {
    /// The default name.
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
        let put = if how.may_replace() { replace } else { apply };
        let apply = || put(&self.name, plan, text, elements, how.options());
        Ok(Applied {
            report: self.namespace.run(apply)??,
            instance: self.clone(),
        })
    }

    /// Loads and verifies everything as [`Instance::apply`] would, and attaches nothing.
    ///
    /// # Errors
    /// Those of [`Instance::apply`], except those that only attaching can show.
    pub fn preview(&self, policies: &Policies, how: Apply) -> Result<Preview> {
        let look = if how.may_replace() { preview_replace } else { preview };
        let preview = || look(&self.name, policies.plan(), policies.elements(), how.options());
        Ok(self.namespace.run(preview)??)
    }

    /// Takes the policies out of force, with everything that belongs to them.
    ///
    /// # Errors
    /// When there is no such instance, or it could not be removed completely.
    pub fn remove(&self) -> Result<Removed> {
        Ok(self.namespace.run(|| remove(&self.name))??)
    }

    /// How `policies` differ from those in force. A policy set that cannot be read counts as empty: it would be
    /// replaced.
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

    /// Bytes of kernel memory of the tables that these policies add to existing ones. Tables of another version of
    /// emptcp are replaced, and count as missing.
    ///
    /// # Errors
    /// When the kernel cannot be asked, or an element is not there any more.
    pub fn memory_for(&self, policies: &Policies) -> Result<u64> {
        let (plan, elements) = (policies.plan(), policies.elements());
        let needed = self.namespace.run(|| match Open::open(&self.name) {
            Ok(open) => memory::needed_beside(plan, elements, &open),
            Err(error) if matches!(error.kind(), ErrorKind::NoInstance | ErrorKind::OtherBuild) => {
                memory::needed(plan, elements)
            }
            Err(error) => Err(error),
        })??;
        Ok(needed)
    }

    /// Whether there is an instance of this name, even if its policies are not in force.
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

    /// All counters, summed over the CPUs. `elements` has the names of element counters.
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

    /// How many subflows were seen or taken over since the instance was made, including evicted ones.
    ///
    /// # Errors
    /// When nothing is in force, or the counters cannot be read.
    pub fn subflows_seen(&self) -> Result<u64> {
        self.with(Open::subflows_seen)
    }

    /// Reads what is in force, in its namespace.
    pub(crate) fn with<T: Send>(&self, read: impl FnOnce(&Open) -> emptcp_packet::Result<T> + Send) -> Result<T> {
        let read = || read(&opened(&self.name)?);
        Ok(self.namespace.run(read)??)
    }

    /// Opens what is in force, to read from it for longer.
    pub(crate) fn open(&self) -> Result<Open> {
        Ok(self.namespace.run(|| opened(&self.name))??)
    }
}

/// The instance `name` of this thread's namespace, when its policies are in force.
fn opened(name: &str) -> emptcp_packet::Result<Open> {
    let open = Open::open(name)?;
    open.is_in_force()?;
    Ok(open)
}

/// Policies are in force.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Where.
    pub instance: Instance,
    /// What was done.
    pub report: Report,
}

impl Applied {
    /// The number of the policy set that is in force now.
    pub fn generation(&self) -> Generation {
        self.report.generation
    }
}

impl Namespace {
    /// The instance `name` of this namespace, whether there is one or not. Costs nothing.
    pub fn instance(&self, name: &str) -> Instance {
        Instance::new(self.clone(), name)
    }

    /// All instances of this namespace, by name.
    ///
    /// # Errors
    /// When bpffs cannot be read.
    pub fn instances(&self) -> Result<Vec<Instance>> {
        let names = self.run(emptcp_packet::Instance::list)??;
        Ok(names.iter().map(|name| self.instance(name)).collect())
    }
}
