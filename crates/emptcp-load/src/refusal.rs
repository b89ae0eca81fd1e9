//! A program that the verifier refused: the source line, the verifier's message, and what usually helps.

use crate::traps;
use std::fmt;

/// The verifier's refusal of a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The C source line that the verifier checked last.
    pub source: Option<SourceLine>,
    /// The verifier's last message.
    pub words: String,
    /// Whether that is a reason, and not just the last instruction.
    pub has_reason: bool,
    /// What usually helps.
    pub hint: Option<&'static str>,
    /// The whole log.
    pub log: String,
}

/// A line of the program's source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceLine {
    /// Its text.
    pub text: String,
    /// `file:line`, on kernels that report it (Linux 6.9).
    pub place: Option<String>,
}

impl Refusal {
    /// Reads a verifier log. `error` is the error of the system call: the only information if the log gives no reason.
    pub fn read(log: String, error: &str) -> Self {
        let (mut words, has_reason) = last_words(&log);
        if !has_reason {
            words += &format!(" (the log ends here: {error})");
        }
        Self {
            source: source_line(&log),
            hint: traps::hint(&words, &log),
            words,
            has_reason,
            log,
        }
    }
}

/// Lines `source:`, `verifier:` and `hint:`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            match &source.place {
                Some(place) => writeln!(f, "  source: {place}: {}", source.text)?,
                None => writeln!(f, "  source: {}", source.text)?,
            }
        }
        write!(f, "  verifier: {}", self.words.replace('\n', "\n            "))?;
        if let Some(hint) = self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// The last source comment of the log: `; text` or `; text @ file:line`.
fn source_line(log: &str) -> Option<SourceLine> {
    let line = log.lines().rev().find_map(|line| line.strip_prefix("; "))?;
    Some(match line.rsplit_once(" @ ") {
        Some((text, place)) => SourceLine {
            text: text.trim().to_owned(),
            place: Some(place.trim().to_owned()),
        },
        None => SourceLine {
            text: line.trim().to_owned(),
            place: None,
        },
    })
}

/// What follows the last instruction, without statistics; else the last line. The flag: whether it is a reason.
fn last_words(log: &str) -> (String, bool) {
    let lines: Vec<&str> = log.lines().filter(|line| !is_statistics(line)).collect();
    let after = lines
        .iter()
        .rposition(|line| is_instruction(line))
        .map_or(0, |position| position + 1);
    let mut words: Vec<&str> = lines[after..].iter().copied().filter(|line| is_word(line)).collect();
    let is_reason = !words.is_empty();
    if !is_reason {
        // Some refusals come before any instruction, or name the instruction itself.
        words = lines.iter().rev().take(1).copied().collect();
    }
    let skip = words.len().saturating_sub(4);
    (words[skip..].join("\n").trim().to_owned(), is_reason)
}

fn is_statistics(line: &str) -> bool {
    [
        "processed ",
        "verification time",
        "stack depth",
        "insns processed",
        "-- END",
        "-- BEGIN",
    ]
    .iter()
    .any(|start| line.starts_with(start))
        || line.trim().is_empty()
}

/// `12: (71) r1 = *(u8 *)(r2 +0)`.
fn is_instruction(line: &str) -> bool {
    line.split_once(": (")
        .is_some_and(|(number, _)| number.trim().parse::<u32>().is_ok())
}

/// Neither a source comment nor a state line of the verifier.
fn is_word(line: &str) -> bool {
    let state = line
        .split_once(": R")
        .is_some_and(|(number, _)| number.trim().parse::<u32>().is_ok());
    !state
        && !["; ", "from ", "mark_precise", "last_idx", "regs=", "parent ", "func#"]
            .iter()
            .any(|s| line.starts_with(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
0: R1=ctx() R10=fp0
; void *data = (void *)(long)ctx->data; @ bad.bpf.c:7
0: (61) r1 = *(u32 *)(r1 +76)         ; R1_w=pkt(r=0)
; return *(__u8 *)data; @ bad.bpf.c:8
1: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

    #[test]
    fn a_log_gives_the_source_line_and_the_last_words() {
        let refusal = Refusal::read(LOG.to_owned(), "Permission denied");
        assert_eq!(refusal.source.as_ref().unwrap().text, "return *(__u8 *)data;");
        assert_eq!(refusal.source.as_ref().unwrap().place.as_deref(), Some("bad.bpf.c:8"));
        assert!(
            refusal.words.starts_with("invalid access to packet"),
            "{}",
            refusal.words
        );
        assert!(refusal.words.ends_with("outside of the packet"));
        assert!(refusal.hint.unwrap().contains("data_end"));
        let shown = refusal.to_string();
        assert!(
            shown.starts_with("  source: bad.bpf.c:8: return *(__u8 *)data;\n  verifier: invalid access"),
            "{shown}"
        );
    }

    #[test]
    fn a_log_without_a_reason_gives_the_error_of_the_kernel() {
        let log = LOG.split_inclusive('\n').take(5).collect::<String>();
        let refusal = Refusal::read(log, "Resource temporarily unavailable");
        assert!(refusal.words.starts_with("1: (71)"), "{}", refusal.words);
        assert!(refusal.words.contains("Resource temporarily unavailable"));
    }

    #[test]
    fn a_log_without_places_still_gives_the_text() {
        let log = LOG.replace(" @ bad.bpf.c:8", "");
        assert_eq!(
            source_line(&log).unwrap(),
            SourceLine {
                text: "return *(__u8 *)data;".to_owned(),
                place: None
            }
        );
    }
}
