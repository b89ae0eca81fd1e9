//! Help for tests that need root or a kernel feature: one macro skips them and says why.

/// Skips the rest of a test when a condition does not hold: prints `skipped: <reason>` and returns.
///
/// With `EMPTCP_REQUIRE_ROOT=1` in the environment a skip is a failure, so that a runner can rely on it. For features
/// that some kernels never have, write `kernel:` before the condition: the test is then skipped in any case.
#[macro_export]
macro_rules! require {
    (kernel: $condition:expr, $($reason:tt)+) => {
        if !$condition {
            eprintln!("skipped: {}", format!($($reason)+));
            return;
        }
    };
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            let reason = format!($($reason)+);
            assert!(std::env::var_os("EMPTCP_REQUIRE_ROOT").is_none(), "may not be skipped: {reason}");
            eprintln!("skipped: {reason}");
            return;
        }
    };
}

/// Whether this process may load programs and make network namespaces.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
