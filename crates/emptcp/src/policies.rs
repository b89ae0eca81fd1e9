//! A policy file and all that belongs to it.

use crate::{Catalog, error::Result, policy_text};
use emptcp_plan::{plan::Plan, plan::PolicyPlan};
use std::{io::Read, path::Path, sync::Arc};

/// The policies of a file: its text, the plan that it compiles to, and the elements that it was compiled against.
///
/// Compiling needs no rights and looks at no device.
///
/// ```
/// use emptcp::Policies;
///
/// let policies = Policies::parse(
///     "cap.toml",
///     r#"
///         [[policy]]
///         name   = "cap-cellular"
///         device = "wwan0"
///         hook   = "egress"
///         when   = "ip.dst in 203.0.113.0/24"
///         do     = ["rate_limit rate=20mbit"]
///     "#,
/// )?;
/// assert_eq!(policies.iter().next().unwrap().name, "cap-cellular");
/// # Ok::<(), emptcp::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policies {
    text: String,
    plan: Plan,
    elements: Arc<Catalog>,
}

impl Policies {
    /// Reads a policy file and compiles it against the elements of emptcp and those that are installed here.
    ///
    /// # Errors
    /// [`Error::Unreadable`](crate::Error::Unreadable), [`Error::Policies`](crate::Error::Policies) with every mistake
    /// in the file, or an element that another version of emptcp has built.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Arc::new(Catalog::load()?))
    }

    /// The same against these elements.
    ///
    /// # Errors
    /// As [`Policies::open`].
    pub fn open_with(path: impl AsRef<Path>, elements: Arc<Catalog>) -> Result<Self> {
        let path = path.as_ref();
        let text = policy_text::of_file(path)?;
        Self::parse_with(&path.display().to_string(), text, elements)
    }

    /// Reads policies from any input, which messages call `name`.
    ///
    /// # Errors
    /// As [`Policies::open`].
    pub fn read_with(name: &str, input: impl Read, elements: Arc<Catalog>) -> Result<Self> {
        let text = policy_text::of_input(name, input)?;
        Self::parse_with(name, text, elements)
    }

    /// Compiles `text`, which messages call `name`, against the elements of emptcp and those that are installed here.
    ///
    /// # Errors
    /// As [`Policies::open`].
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        Self::parse_with(name, text, Arc::new(Catalog::load()?))
    }

    /// The same against these elements.
    ///
    /// # Errors
    /// As [`Policies::open`].
    pub fn parse_with(name: &str, text: impl Into<String>, elements: Arc<Catalog>) -> Result<Self> {
        let text = text.into();
        let plan = emptcp_plan::compile(name, &text, &elements.manifests())?;
        elements.fits(&plan)?;
        Ok(Self { text, plan, elements })
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the text compiles to.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The elements that it was compiled against. [`Catalog::broken`] has the installed ones that cannot be read.
    pub fn elements(&self) -> &Catalog {
        &self.elements
    }

    /// Each policy, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &PolicyPlan> {
        self.plan.policies.iter()
    }

    /// Warnings: what is allowed, but may not do what its author wants.
    ///
    /// # Errors
    /// When an element is not there any more.
    pub fn warnings(&self) -> Result<Vec<String>> {
        Ok(emptcp_packet::shaping_warnings(&self.plan, &self.elements)?)
    }

    /// Bytes of kernel memory that the tables of a new instance take.
    ///
    /// # Errors
    /// When an element is not there any more.
    pub fn memory(&self) -> Result<u64> {
        Ok(emptcp_packet::memory::needed(&self.plan, &self.elements)?)
    }

    /// The same policies with every device by its own name, which may differ from the one in the file.
    pub(crate) fn with_plan(&self, plan: Plan) -> Self {
        let (text, elements) = (self.text.clone(), Arc::clone(&self.elements));
        Self { text, plan, elements }
    }
}
