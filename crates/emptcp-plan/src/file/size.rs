//! How large a policy file may be.

use crate::diagnostics::Reporter;
use std::ops::Range;

/// Most bytes of a policy file: the kernel keeps it beside its plan.
pub const FILE_BYTES: usize = 4 << 20;
/// Most policies of one set.
pub const POLICIES: usize = emptcp_abi::POLICIES as usize;

/// Reports that the file is too large.
pub(crate) fn too_many_bytes(count: usize, reporter: &mut Reporter<'_>) {
    let help = format!("expected at most {FILE_BYTES} bytes: the kernel keeps the file beside its plan");
    reporter.report(0..0, format!("the file has {count} bytes"), help);
}

/// Reports that the policy `first` is one too many.
pub(crate) fn too_many_policies(first: &str, count: usize, span: Range<usize>, reporter: &mut Reporter<'_>) {
    let message = format!("policy `{first}` is the first beyond {POLICIES} (there are {count})");
    let help = format!("expected at most {POLICIES} policies; a policy with two hooks counts twice");
    reporter.report(span, message, help);
}
