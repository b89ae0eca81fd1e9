//! libbpf's own messages go to `tracing`, not to the terminal.

use crate::ffi;
use std::sync::Once;
use tracing::Level;

/// Called before the first use of libbpf.
pub(crate) fn redirect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ffi::set_print(
            || tracing::enabled!(target: "libbpf", Level::DEBUG),
            |message| tracing::debug!(target: "libbpf", "{}", emptcp_plan::visible(message.trim_end())),
        );
    });
}
