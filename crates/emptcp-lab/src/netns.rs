//! Network namespaces: created and removed by name, entered by separate threads.

use std::sync::Arc;

use emptcp_host::namespace::Namespace;

use crate::command::{self, run_here};
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

    /// Runs a command in this namespace and returns its standard output.
    pub(crate) fn command(&self, program: &'static str, arguments: &[&str]) -> Result<String> {
        let output = self.run(|| command::output(program, arguments))?;
        command::judge(program, &arguments.join(" "), self.name(), output)
    }

    /// Feeds many lines to one `ip -batch`: one process instead of one per line.
    pub(crate) fn ip_batch(&self, lines: &[String]) -> Result<()> {
        self.feed_ip(&["-batch", "-"], lines)
    }

    /// The same for lines about IPv6, where the kind of line (a rule) does not tell.
    pub(crate) fn ip_batch_v6(&self, lines: &[String]) -> Result<()> {
        self.feed_ip(&["-6", "-batch", "-"], lines)
    }

    fn feed_ip(&self, arguments: &[&str], lines: &[String]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let text = lines.join("\n") + "\n";
        let output = self.run(|| command::output_with_input("ip", arguments, &text))?;
        let shown = format!("{} ({})", arguments.join(" "), lines.join("; "));
        command::judge("ip", &shown, self.name(), output).map(drop)
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
