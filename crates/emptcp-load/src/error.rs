//! Errors of this crate.

use crate::{numbers, refusal::Refusal};
use emptcp_host::{Answer, rights::Capability};
use std::io;

/// Capabilities that loading and attaching need.
pub const LOADING: [Capability; 3] = [Capability::Bpf, Capability::Perfmon, Capability::NetAdmin];

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A program that could not be loaded. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object does not match what its caller expects.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The verifier refused the program.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Missing rights, and any other refusal by the kernel.
    #[error(transparent)]
    Host(#[from] emptcp_host::Error),
}

/// How an object differs from what its caller expects.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misfit {
    /// libbpf cannot read it.
    #[error("the object cannot be read: {0}")]
    Object(String),
    /// libbpf cannot read its types.
    #[error("its BTF cannot be read: {0}")]
    Types(String),
    /// It holds no program.
    #[error("the object holds no program")]
    NoProgram,
    /// A constant that is filled in is missing.
    #[error("the constant `{variable}` is missing")]
    NoConstant {
        /// Its name.
        variable: String,
        /// The members that it must have, if they must be exactly these.
        exact: Vec<String>,
    },
    /// A constant lacks a member that is filled in.
    #[error("`{variable}` has no member `{member}`")]
    NoMember {
        /// The constant.
        variable: String,
        /// The member.
        member: String,
        /// Whether the members must be exactly those that are filled in.
        exact: bool,
    },
    /// A constant has a member that is not filled in, and its members must be exactly those that are.
    #[error("nothing fills in `{member}` of `{variable}`")]
    NotFilled {
        /// The constant.
        variable: String,
        /// The member.
        member: String,
    },
    /// A value does not fit into its member.
    #[error("`{member}` in `struct {variable}` {why}")]
    Value {
        /// The constant.
        variable: String,
        /// The member.
        member: String,
        /// Why.
        why: String,
    },
    /// The constants cannot be changed.
    #[error("{0}")]
    Constants(&'static str),
    /// Its map has another shape than the shared one of this name.
    #[error("its map `{0}` differs from the one that it is to share")]
    Map(String),
}

impl Error {
    /// The kernel refused `action`, an operation on BPF. A lack of rights is a separate error; libbpf's numbers are put
    /// into words.
    pub fn kernel(action: impl Into<String>, source: io::Error) -> Self {
        let answer = match source.raw_os_error() {
            Some(code) if code >= numbers::FIRST => Answer::new(numbers::explained(source.to_string()), None),
            _ => source.into(),
        };
        emptcp_host::Error::kernel(&LOADING, action, answer).into()
    }

    /// The same from libbpf-rs.
    pub fn libbpf(action: impl Into<String>, source: libbpf_rs::Error) -> Self {
        emptcp_host::Error::kernel(&LOADING, action, answer(&source)).into()
    }
}

/// The kernel's answer to libbpf, with all causes; the last one has the kernel's own words and number.
pub fn answer(error: &libbpf_rs::Error) -> Answer {
    let words = numbers::explained(format!("{error:#}"));
    let errno = errno(&words);
    Answer::new(words, errno)
}

/// The kernel's error number. libbpf-rs does not expose the [`io::Error`], but its text has the number.
fn errno(text: &str) -> Option<i32> {
    let (_, number) = text.rsplit_once("(os error ")?;
    let number = number.split(')').next()?.parse().ok()?;
    (number < numbers::FIRST).then_some(number)
}

/// `.or_kernel("what was tried")` for results of the kernel and of libbpf.
pub trait OrKernel<T> {
    /// Adds what was tried.
    ///
    /// # Errors
    /// When the result is an error.
    fn or_kernel(self, action: impl Into<String>) -> Result<T>;
}

impl<T> OrKernel<T> for io::Result<T> {
    fn or_kernel(self, action: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::kernel(action, source))
    }
}

impl<T> OrKernel<T> for libbpf_rs::Result<T> {
    fn or_kernel(self, action: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::libbpf(action, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libbpf_rs::ErrorExt;

    #[test]
    fn the_kernel_s_own_words_follow_those_of_libbpf() {
        for number in 1..=133 {
            let error = || libbpf_rs::Error::from_raw_os_error(number).context("failed to update the map");
            let words = io::Error::from_raw_os_error(number).to_string();
            assert!(words.contains(&number.to_string()));
            let text = Error::libbpf("write a rule", error()).to_string();
            assert!(text.contains(&format!("failed to update the map: {words}")), "{text}");
            let Error::Host(host) = Error::libbpf("write a rule", error()) else {
                panic!("it is about the kernel")
            };
            assert_eq!(host.errno(), Some(number));
            let result: libbpf_rs::Result<()> = Err(error());
            assert_eq!(result.or_kernel("write a rule").unwrap_err().to_string(), text);
            let text = Error::kernel("write a rule", io::Error::from_raw_os_error(number)).to_string();
            assert!(text.contains(&words), "{text}");
        }
    }
}
