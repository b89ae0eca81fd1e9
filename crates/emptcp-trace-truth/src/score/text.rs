//! The scores as text.

use super::Scored;
use super::tally::{Example, Share, Tally};
use crate::capture::Capture;
use emptcp_trace::Timestamp;
use std::fmt::Write;

/// What must be reached.
pub const AIMS: [(&str, f64); 5] = [
    ("precision of sentences that accuse the path", 0.99),
    ("precision of other sentences with causes", 0.98),
    ("recall of what the capture can show", 0.95),
    ("called certain where one cause is possible", 0.80),
    ("captures with all figures exact", 1.0),
];

impl Tally {
    /// What is measured, in the order of [`AIMS`].
    #[must_use]
    pub fn shares(&self) -> [Share; 5] {
        [self.accusing, self.others, self.recall, self.certain, self.figures]
    }

    /// The table, the confusions per kind, and `examples` of each list.
    #[must_use]
    pub fn text(&self, examples: usize) -> String {
        let mut text = format!("{} captures, {} packets\n\n", self.captures, self.packets);
        // Writing to a string cannot fail.
        for ((what, aim), share) in AIMS.iter().zip(self.shares()) {
            let verdict = if share.value() >= *aim { "kept" } else { "MISSED" };
            let _ = writeln!(
                text,
                "{what:<46}{:>9.4}{:>9} of {:<9}>= {aim:<6}{verdict}",
                share.value(),
                share.part,
                share.whole
            );
        }
        let _ = writeln!(
            text,
            "\n{:<22}{:>8}{:>8}{:>8}{:>9}   what sentences said where only this happened",
            "happening", "planned", "shown", "named", "certain"
        );
        for (name, kind) in &self.kinds {
            let mut said: Vec<_> = kind.said.iter().collect();
            said.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
            let said: Vec<_> = said
                .iter()
                .map(|(said, times)| format!("{said} {times}"))
                .take(6)
                .collect();
            let certain = match kind.certain.whole {
                0 => "-".to_owned(),
                whole => format!("{}/{whole}", kind.certain.part),
            };
            let _ = writeln!(
                text,
                "{name:<22}{:>8}{:>8}{:>8}{certain:>9}   {}",
                kind.planned,
                kind.named.whole,
                kind.named.part,
                said.join(", ")
            );
        }
        for (title, list) in [
            ("False accusations of the path", &self.false_accusations),
            ("Other wrong sentences", &self.wrong),
            ("Missed", &self.missed),
            ("Figures that are not exact", &self.wrong_figures),
        ] {
            list_examples(&mut text, title, list, examples);
        }
        text
    }
}

fn list_examples(text: &mut String, title: &str, list: &[Example], most: usize) {
    if list.is_empty() || most == 0 {
        return;
    }
    let _ = writeln!(text, "\n{title}: {}, for example", list.len());
    for example in list.iter().take(most) {
        let planned = match example.planned.as_slice() {
            [] => "nothing unusual".to_owned(),
            planned => planned.join(", "),
        };
        let _ = writeln!(text, "  {} ({planned}): {}", example.seed, example.text);
    }
}

impl Capture {
    /// What was planned, and what happened.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("Capture {}: {}\n", self.seed(), self.about());
        let relative = |time: Timestamp| self.true_time(1).map_or(0.0, |first| (time - first).seconds());
        for fact in &self.truth.facts {
            let who = match fact.direction {
                Some(direction) => direction.sender(),
                None => "both",
            };
            let subflow = fact.subflow.map_or("all".to_owned(), |number| number.to_string());
            let [from, to] = fact.span.map(relative);
            let packets = fact
                .packets
                .map_or("none".to_owned(), |[first, last]| format!("{first} to {last}"));
            let planned = if fact.happening.is_some() { "*" } else { " " };
            let _ = writeln!(
                text,
                "{planned} {:?}: {} ({who}, subflow {subflow}, {from:.3} to {to:.3} s, packets {packets})",
                fact.cause, fact.what
            );
        }
        for (number, subflow) in self.truth.subflows.iter().enumerate() {
            if let Some([client, server]) = subflow.addresses {
                let _ = writeln!(
                    text,
                    "  subflow {number}: {client} -> {server}, payload {:?}, retransmitted {:?}",
                    subflow.payload.0, subflow.retransmitted.0
                );
            }
        }
        text
    }
}

impl Scored {
    /// Every sentence of the story, and whether it is right; what was missed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.story {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text);
        for verdict in &self.verdicts {
            let mark = if verdict.is_right { "right" } else { "WRONG" };
            let why = if verdict.is_right { "" } else { verdict.why };
            let _ = writeln!(
                text,
                "{mark} [{}] {why}: {}",
                super::tally::names(&verdict.causes),
                verdict.text
            );
        }
        for outcome in &self.outcomes {
            let found = match (outcome.shown, outcome.named, outcome.certain) {
                (false, _, _) => "cannot be shown",
                (_, false, _) => "MISSED",
                (_, true, true) => "named, certain",
                (_, true, false) => "named",
            };
            let _ = writeln!(text, "{found}: {} ({:?})", outcome.kind, outcome.cause);
        }
        for figure in &self.wrong_figures {
            let _ = writeln!(text, "WRONG figure: {figure}");
        }
        text
    }
}
