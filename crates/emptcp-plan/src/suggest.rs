//! Words for messages: lists of what is accepted, and the nearest accepted word to a mistyped one.

use crate::visible::escaped;

/// The candidate nearest to `word`, if it is near enough to be a typing mistake. If two are equally near, none: `of`
/// may be `on` or `off`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are no typing mistakes, and the distance costs the product of the lengths.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    let near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| {
            let letters = candidate.chars().count();
            // They must share a letter: `h` is no typing mistake for `s`.
            *distance <= (letters / 3).max(1) && *distance < letters.min(length).max(1)
        })
        .collect();
    let least = near.iter().map(|(distance, _)| *distance).min()?;
    let mut nearest = near.iter().filter(|(distance, _)| *distance == least);
    match (nearest.next(), nearest.next()) {
        (Some((_, only)), None) => Some(only),
        _ => None,
    }
}

/// The candidate that was meant by `word`. A number in it may be a value (`mark7`): then there is no suggestion.
pub(crate) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, candidates).filter(|near| has_digits_of(word, near))
}

/// Whether `near` has the numbers of `word`: otherwise one of them may be a misplaced value.
pub(crate) fn has_digits_of(word: &str, near: &str) -> bool {
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    digits(word) == digits(near)
}

/// "`a`, `b` or `c`".
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

/// "did you mean `a`? expected `a` or `b`"
pub(crate) fn expected<'a>(found: &str, words: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let list = format!("expected {}", one_of(words.clone()));
    match nearest(found, words) {
        Some(word) => format!("did you mean `{word}`? {list}"),
        None => list,
    }
}

/// Shortens a word of the user to fit in a message.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text
        .chars()
        .take(LONGEST)
        .map(|c| escaped(c).unwrap_or_else(|| c.to_string()))
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("packt", ["packet", "sample"]), Some("packet"));
        assert_eq!(nearest("AND", ["and", "or"]), Some("and"));
        assert_eq!(
            nearest("retransmission", ["retransmissions", "rtt"]),
            Some("retransmissions")
        );
    }

    #[test]
    fn a_word_far_from_everything_gets_no_suggestion() {
        assert_eq!(nearest("banana", ["packet", "sample"]), None);
        assert_eq!(nearest("h", ["ns", "s"]), None);
        assert_eq!(nearest("", ["s"]), None);
        assert_eq!(nearest("of", ["on", "off"]), None);
        assert_eq!(nearest(&"x".repeat(10_000), ["packet"]), None);
    }

    #[test]
    fn a_number_is_never_left_out_of_what_was_meant() {
        assert_eq!(nearest("mark7", ["mark"]), Some("mark"));
        assert_eq!(meant("mark7", ["mark"]), None);
        assert_eq!(meant("mp_join1", ["mp_join1s"]), Some("mp_join1s"));
        assert_eq!(meant("mrak", ["mark"]), Some("mark"));
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(one_of(["a"]), "`a`");
    }
}
