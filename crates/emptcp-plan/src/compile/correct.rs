//! Corrects a text where it is known what was meant. Only a text without further mistakes is shown.

use crate::diagnostics::Problem;

/// How often a corrected text is checked again: a mistake can hide others.
const ROUNDS: usize = 16;

/// Longer texts are not corrected.
const LONGEST: usize = 4096;

/// The corrected text, if every problem has a correction and the result has no mistakes.
pub(crate) fn corrected(text: &str, problems: &[Problem], check: impl Fn(&str) -> Vec<Problem>) -> Option<String> {
    let mut text = rewritten(text, problems)?;
    for _ in 0..ROUNDS {
        if text.len() > LONGEST {
            return None;
        }
        let problems = check(&text);
        if problems.is_empty() {
            return Some(text);
        }
        text = rewritten(&text, &problems)?;
    }
    None
}

/// Writes every problem's correction. Of two that overlap the first is taken; the other is found in the next round.
fn rewritten(text: &str, problems: &[Problem]) -> Option<String> {
    let mut all = problems
        .iter()
        .map(|problem| problem.instead.as_ref())
        .collect::<Option<Vec<_>>>()?;
    all.sort_by_key(|instead| instead.span.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for instead in all {
        if instead.span.start < done {
            continue;
        }
        out.push_str(text.get(done..instead.span.start)?);
        let mut word = instead.text.as_str();
        // `a && b` has its spaces already.
        if out.ends_with(char::is_whitespace) || out.is_empty() || out.ends_with('(') {
            word = word.trim_start();
        }
        let rest = text.get(instead.span.end..)?;
        if rest.starts_with(char::is_whitespace) || rest.is_empty() {
            word = word.trim_end();
        }
        out.push_str(word);
        done = instead.span.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_right_is_given_up() {
        let grow = |text: &str| vec![Problem::new(0..0, "m", "h").write_instead(text.len()..text.len(), "x")];
        assert_eq!(corrected("", &grow(""), grow), None);
        let unknown = vec![Problem::new(0..1, "m", "h")];
        assert_eq!(corrected("a", &unknown, |_| Vec::new()), None);
    }

    #[test]
    fn spaces_are_not_doubled() {
        let problem = |span: std::ops::Range<usize>| Problem::new(span.clone(), "m", "h").write_instead(span, " and ");
        assert_eq!(rewritten("a && b", &[problem(2..4)]).unwrap(), "a and b");
        assert_eq!(rewritten("a&&b", &[problem(1..3)]).unwrap(), "a and b");
    }
}
