//! libbpf's own messages go to `tracing`, not to the terminal.

use std::sync::Once;

/// Called before the first use of libbpf.
pub(crate) fn redirect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Debug, |_, message| {
            tracing::debug!(target: "libbpf", "{}", message.trim_end());
        })));
    });
}
