//! libbpf's own messages go to `tracing`, not to the terminal.

use crate::ffi::print;
use std::sync::Once;
use tracing::Level;

/// Called before the first use of libbpf.
pub fn redirect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        print::set(
            || tracing::enabled!(target: "libbpf", Level::DEBUG),
            |message| tracing::debug!(target: "libbpf", "{}", visible(message.trim_end())),
        );
    });
}

/// The text with control characters and invisible characters as escapes.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' | '"' | '\'' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_as_an_escape() {
        let text = "libbpf: map 'a\u{1b}[2J\u{202e}': \"x\"\n\tend";
        assert_eq!(visible(text), "libbpf: map 'a\\u{1b}[2J\\u{202e}': \"x\"\n\tend");
    }
}
