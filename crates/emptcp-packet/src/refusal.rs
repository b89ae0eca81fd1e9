//! A program of a policy, or of the core, that the verifier refused.

use emptcp_plan::manifest::Hook;
use std::fmt;

/// Which program the verifier refused, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The element, or the name of a core program.
    pub element: String,
    /// The policy that uses it, when it was loaded for one.
    pub policy: Option<String>,
    /// The hook that it was loaded for.
    pub hook: Hook,
    /// The answer of the verifier.
    pub verifier: emptcp_load::refusal::Refusal,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel refused element `{}`", self.element)?;
        if let Some(policy) = &self.policy {
            write!(f, " of policy `{policy}`")?;
        }
        write!(f, " at {}\n{}", self.hook.name(), self.verifier)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_element_its_policy_and_the_hook_before_what_the_verifier_says() {
        let refusal = Refusal {
            element: "bad".to_owned(),
            policy: Some("p".to_owned()),
            hook: Hook::TcIngress,
            verifier: emptcp_load::refusal::Refusal::read("R1 offset is outside of the packet\n".to_owned(), ""),
        };
        let shown = refusal.to_string();
        assert!(
            shown.starts_with("the kernel refused element `bad` of policy `p` at tc ingress\n  verifier: R1 offset"),
            "{shown}"
        );
    }
}
