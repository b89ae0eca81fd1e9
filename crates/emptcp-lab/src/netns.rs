//! Network namespaces: made and removed by name, entered by a thread of their own.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::command::run_here;
use crate::error::{LabError, Result};

/// Where iproute2 keeps named namespaces, so that `ip -n NAME` and `emptcp --netns NAME` find ours.
pub(crate) const NETNS_DIRECTORY: &str = "/run/netns";

/// A named network namespace. Cheap to clone; removed by the [`Lab`](crate::Lab) that made it, not by dropping.
#[derive(Clone, Debug)]
pub struct NetworkNamespace {
    name: Arc<str>,
    handle: Arc<File>,
}

impl NetworkNamespace {
    /// Makes the namespace `name` and opens it.
    pub(crate) fn create(name: &str) -> Result<Self> {
        run_here("ip", &["netns", "add", name])?;
        let path = PathBuf::from(NETNS_DIRECTORY).join(name);
        let handle =
            File::open(&path).map_err(|error| LabError::system(format!("opening {}", path.display()), error))?;
        Ok(Self {
            name: name.into(),
            handle: Arc::new(handle),
        })
    }

    /// Removes the name. The kernel frees the namespace, its devices and addresses with the last socket in it.
    pub(crate) fn remove(name: &str) -> Result<()> {
        run_here("ip", &["netns", "del", name]).map(drop)
    }

    /// The name under which `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `body` in a thread of its own inside this namespace and returns what it returns.
    ///
    /// Sockets opened and processes started by `body` belong to the namespace for ever; `/sys` is not remounted.
    /// A panic of `body` goes on in the caller.
    pub fn run<T, F>(&self, body: F) -> Result<T>
    where
        T: Send,
        F: FnOnce() -> T + Send,
    {
        thread::scope(|scope| {
            let worker = thread::Builder::new()
                .name(format!("in {}", self.name))
                .spawn_scoped(scope, || self.enter().map(|()| body()))
                .map_err(|error| LabError::system("starting a thread", error))?;
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into this namespace for good: only for threads that live and end there.
    pub(crate) fn enter(&self) -> Result<()> {
        setns(&*self.handle, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| LabError::system(format!("entering the network namespace {}", self.name), errno))
    }
}

/// Runs `body` in a thread of its own inside `netns`: see [`NetworkNamespace::run`].
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
