//! Words for libbpf's own error numbers. They begin after those of the kernel, so that libc calls each of them an
//! unknown error.

/// `enum libbpf_errno` of libbpf_legacy.h, from 4000 on.
const WORDS: [&str; 14] = [
    "libelf cannot read it: it is damaged, or no ELF file",
    "it is no BPF object: compile it with clang for the target bpf",
    "its section `version` is damaged",
    "it was compiled for the other byte order: compile it on this machine, or for the target bpf",
    "libbpf itself has failed",
    "a reference in it cannot be resolved: a function or map that it uses is missing",
    "the kernel has refused it",
    "the verifier has refused it",
    "a program in it is longer than the kernel takes",
    "it was made for another version of the kernel",
    "the kernel has no programs of this type",
    "an answer of the kernel was for another process",
    "an answer of the kernel was out of order",
    "an answer of the kernel cannot be read",
];
/// The first number.
pub const FIRST: i32 = 4000;

/// Replaces libbpf's numbers in a text by words. The number itself stays, to search for.
pub fn explained(text: String) -> String {
    let Some(at) = text.find("Unknown error ") else {
        return text;
    };
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    };
    let rest = &text[at + "Unknown error ".len()..];
    let Some((code, words)) = number(rest).and_then(|code| Some((code, WORDS.get(code.checked_sub(FIRST as usize)?)?)))
    else {
        return text;
    };
    let end = rest
        .strip_prefix(&format!("{code} (os error {code})"))
        .or_else(|| rest.strip_prefix(&code.to_string()))
        .unwrap_or_default();
    format!("{}{words} (libbpf error {code}){end}", &text[..at])
}

/// Whether the text of an error ends with a lack of memory or of open files: then the object is not at fault.
pub fn is_lack(text: &str) -> bool {
    [libc::ENOMEM, libc::ENFILE, libc::EMFILE]
        .iter()
        .any(|number| text.contains(&format!("(os error {number})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn every_number_of_libbpf_is_explained_in_words() {
        for code in (FIRST..).take(WORDS.len()) {
            let error = io::Error::from_raw_os_error(code);
            let text = explained(format!("open: {error}; the end"));
            assert!(!text.contains("Unknown"), "{text}");
            assert!(text.ends_with(&format!("(libbpf error {code}); the end")), "{text}");
        }
        for code in [FIRST - 1, FIRST + WORDS.len() as i32, 22] {
            let said = io::Error::from_raw_os_error(code).to_string();
            assert_eq!(explained(said.clone()), said);
        }
    }
}
