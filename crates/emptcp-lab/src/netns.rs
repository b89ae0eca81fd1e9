//! Network namespaces: created and removed by name, entered by separate threads.

use std::sync::Arc;

use emptcp_host::namespace::Namespace;

use crate::command::run_here;
use crate::error::Result;

/// The folder of iproute2 for named namespaces, so that `ip -n NAME` and `emptcp --netns NAME` find ours.
pub(crate) const NETNS_DIRECTORY: &str = "/run/netns";

/// A named network namespace. Cheap to clone; removed by the [`Lab`](crate::Lab) that created it, not by dropping.
#[derive(Clone, Debug)]
pub struct NetworkNamespace(Arc<Namespace>);

impl NetworkNamespace {
    /// Creates the namespace `name` and opens it.
    pub(crate) fn create(name: &str) -> Result<Self> {
        run_here("ip", &["netns", "add", name])?;
        Ok(Self(Arc::new(Namespace::open(name)?)))
    }

    /// Removes the name. The kernel frees the namespace, its devices and addresses when the last socket in it is
    /// closed.
    pub(crate) fn remove(name: &str) -> Result<()> {
        run_here("ip", &["netns", "del", name]).map(drop)
    }

    /// The name under which `ip netns` lists it.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Runs `body` in a new thread inside this namespace and returns its result.
    ///
    /// Sockets opened and processes started by `body` stay in the namespace; `/sys` is not remounted. A panic of `body`
    /// continues in the caller.
    pub fn run<T, F>(&self, body: F) -> Result<T>
    where
        T: Send,
        F: FnOnce() -> T + Send,
    {
        Ok(self.0.run(body)?)
    }
}

/// Runs `body` in a new thread inside `netns`: see [`NetworkNamespace::run`].
pub fn in_netns<T, F>(netns: &impl AsRef<NetworkNamespace>, body: F) -> Result<T>
where
    T: Send,
    F: FnOnce() -> T + Send,
{
    netns.as_ref().run(body)
}

impl AsRef<NetworkNamespace> for NetworkNamespace {
    fn as_ref(&self) -> &NetworkNamespace {
        self
    }
}
