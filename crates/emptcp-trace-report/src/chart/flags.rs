//! Where the labels of marks are: above the picture, in rows, each beside the pole that continues its mark. No pole
//! passes through a label, and no label is over the data.

use super::style::text_width;
use std::collections::BTreeMap;

/// Size of the letters, pixels.
const SIZE: f64 = 11.0;
/// Height of a row, pixels.
pub(super) const ROW: f64 = 15.0;
/// From the pole to its label, and from the label to its neighbour, pixels.
const GAP: f64 = 4.0;
/// Labels of the same kind this near to each other become one, pixels.
const NEAR: f64 = 6.0;
/// With more rows than this, labels of one kind that are farther from each other become one too.
const ROWS: usize = 6;

/// More labels than this have no room in any case.
const MOST: usize = 60;

/// A label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flag {
    /// Where its pole is, pixels.
    pub(super) x: f64,
    /// What it says.
    pub(super) words: String,
    /// Counted from the picture upwards.
    pub(super) row: usize,
    /// Left and right of the pole.
    pub(super) is_left: bool,
}

impl Flag {
    fn width(&self) -> f64 {
        text_width(&self.words, SIZE) + 2.0 * GAP
    }

    /// Left and right end.
    fn extent(&self) -> (f64, f64) {
        if self.is_left {
            (self.x - self.width(), self.x)
        } else {
            (self.x, self.x + self.width())
        }
    }

    /// Whether the pole of one passes through the label of another, or their labels overlap.
    fn disturbs(&self, other: &Self) -> bool {
        let ((left, right), (from, to)) = (self.extent(), other.extent());
        let within = |x: f64, (left, right): (f64, f64)| left + 0.5 < x && x < right - 0.5;
        (self.row == other.row && left < to && from < right)
            || (self.row <= other.row && within(other.x, (left, right)))
            || (other.row <= self.row && within(self.x, (from, to)))
    }
}

/// All labels, and how far they reach beyond `width` on the right.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags {
    pub(super) flags: Vec<Flag>,
    pub(super) rows: usize,
    pub(super) beyond: f64,
}

/// Places the labels of marks at these pixels of a picture that is `width` wide and has `before` free on its left.
pub(super) fn place(marks: &[(f64, String)], width: f64, before: f64) -> Flags {
    let mut near = BTreeMap::new();
    loop {
        let mut groups = groups(marks, &near);
        for (_, words) in &mut groups {
            shorten(words, width);
        }
        let merge = widest(&groups);
        if let Some(kind) = merge.clone().filter(|_| groups.len() > MOST) {
            *near.entry(kind).or_insert(NEAR) *= 2.0;
            continue;
        }
        let flags = placed(&groups, width, before);
        // The kind with the longest label has fewer labels then.
        let Some(kind) = merge.filter(|_| flags.rows > ROWS) else {
            return flags;
        };
        *near.entry(kind).or_insert(NEAR) *= 2.0;
    }
}

/// The first word of a label.
fn kind(words: &str) -> &str {
    words.split(' ').next().unwrap_or_default()
}

/// The kind with several labels that has the widest one.
fn widest(groups: &[(f64, String)]) -> Option<String> {
    let mut kinds: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (_, words) in groups {
        let (number, width) = kinds.entry(kind(words)).or_default();
        *number += 1;
        *width = width.max(text_width(words, SIZE));
    }
    let several = kinds.into_iter().filter(|(_, (number, _))| *number > 1);
    several
        .max_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b))
        .map(|(kind, _)| kind.to_owned())
}

fn placed(groups: &[(f64, String)], width: f64, before: f64) -> Flags {
    let flags = between(groups, width, before).unwrap_or_else(|| to_the_right(groups));
    Flags {
        rows: flags.iter().map(|flag| flag.row + 1).max().unwrap_or(0),
        beyond: flags.iter().map(|flag| flag.extent().1 - width).fold(0.0, f64::max),
        flags,
    }
}

/// The lowest row in which the flag disturbs no other.
fn lowest(mut flag: Flag, others: &[Flag], rows: usize) -> Option<Flag> {
    (0..rows).find_map(|row| {
        flag.row = row;
        let free = !others.iter().any(|other| flag.disturbs(other));
        free.then(|| flag.clone())
    })
}

fn flag((x, words): &(f64, String), is_left: bool) -> Flag {
    Flag {
        x: *x,
        words: words.clone(),
        row: 0,
        is_left,
    }
}

/// Labels that stay between both ends: those that would reach beyond the right one are left of their poles.
fn between(groups: &[(f64, String)], width: f64, before: f64) -> Option<Vec<Flag>> {
    let mut flags: Vec<Flag> = Vec::new();
    let reaches = |group: &&(f64, String)| flag(group, false).extent().1 > width;
    // From the left, so that each is above those that its label covers.
    for group in groups.iter().filter(reaches) {
        let flag = lowest(flag(group, true), &flags, groups.len())?;
        if flag.extent().0 < -before {
            return None;
        }
        flags.push(flag);
    }
    // From the right, for the same reason.
    for group in groups.iter().rev().filter(|group| !reaches(group)) {
        flags.push(lowest(flag(group, false), &flags, ROWS.max(groups.len()))?);
    }
    Some(flags)
}

/// All labels right of their poles, which is always possible: each is above those on its right that it covers.
fn to_the_right(groups: &[(f64, String)]) -> Vec<Flag> {
    let mut flags = Vec::new();
    for group in groups.iter().rev() {
        flags.extend(lowest(flag(group, false), &flags, groups.len() + 1));
    }
    flags
}

/// One label for marks of the same kind, the first word, that are near each other: `JOIN 1` and `JOIN 2` become
/// `JOIN 1, 2`.
fn groups(marks: &[(f64, String)], near: &BTreeMap<String, f64>) -> Vec<(f64, String)> {
    struct Group<'a> {
        x: f64,
        kind: &'a str,
        rest: Vec<&'a str>,
    }
    let mut marks: Vec<_> = marks.iter().filter(|(_, words)| !words.is_empty()).collect();
    marks.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (x, words) in marks {
        let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
        let near = near.get(kind).copied().unwrap_or(NEAR);
        let open = groups
            .iter_mut()
            .rev()
            .find(|group| group.kind == kind && x - group.x <= near);
        match open {
            Some(group) => group.rest.push(rest),
            None => groups.push(Group {
                x: *x,
                kind,
                rest: vec![rest],
            }),
        }
    }
    groups
        .into_iter()
        .map(|group| (group.x, together(group.kind, &group.rest)))
        .collect()
}

/// The label of a group: each of `rest` once, runs of three numbers or more as `1-9`.
fn together(kind: &str, rest: &[&str]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.iter().filter(|part| !part.is_empty()) {
        if !parts.contains(part) {
            parts.push(part);
        }
    }
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
    let words = match numbers {
        Some(mut numbers) if numbers.len() > 2 => {
            numbers.sort_unstable();
            runs(&numbers)
        }
        _ => parts.join(", "),
    };
    if words.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} {words}")
    }
}

/// A label that would take most of the width says only how many there are.
fn shorten(words: &mut String, width: f64) {
    if text_width(words, SIZE) > width * 0.6
        && let Some((kind, rest)) = words.split_once(' ')
    {
        *words = format!("{kind} ×{}", rest.split(", ").count());
    }
}

fn runs(numbers: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *number == *last + 1 => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let words = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(flags: &Flags) -> Vec<&str> {
        flags.flags.iter().map(|flag| flag.words.as_str()).collect()
    }

    #[test]
    fn marks_of_one_kind_at_one_place_share_a_label_that_names_all() {
        let marks: Vec<_> = (1..=9).map(|id| (f64::from(id) * 0.5, format!("JOIN {id}"))).collect();
        assert_eq!(words(&place(&marks, 900.0, 60.0)), ["JOIN 1–9"]);
        let marks = ["RST 3", "RST 3", "RST 7", "fallback", "fallback"].map(|words| (5.0, words.to_owned()));
        assert_eq!(words(&place(&marks, 900.0, 60.0)), ["fallback", "RST 3, 7"]);
    }

    #[test]
    fn where_there_is_no_room_long_labels_become_one_before_short_ones_do() {
        let mut marks = Vec::new();
        for id in 1..=8 {
            let x = f64::from(id) * 47.0;
            marks.push((x, format!("JOIN {id}")));
            marks.push((x + 1.0, format!("ADD_ADDR {id}")));
        }
        let placed = place(&marks, 1000.0, 60.0);
        let words = words(&placed);
        assert!(
            (1..=8).all(|id| words.contains(&format!("JOIN {id}").as_str())),
            "{words:?}"
        );
    }

    #[test]
    fn no_more_labels_become_one_than_have_to() {
        let marks: Vec<_> = (1..=8).map(|id| (f64::from(id) * 30.0, format!("JOIN {id}"))).collect();
        let placed = place(&marks, 1000.0, 60.0);
        assert!(placed.rows <= ROWS && placed.flags.len() >= 4, "{:?}", words(&placed));
    }

    #[test]
    fn no_pole_passes_through_a_label_and_no_two_labels_overlap() {
        // Any positions: a generator of pseudo-random numbers.
        let mut state = 1_u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let kinds = ["JOIN", "RST", "ADD_ADDR", "PRIO", "DATA_FIN", "REMOVE_ADDR"];
        for round in 0..400 {
            let number = next(40);
            let width = 240.0 + next(900) as f64;
            let marks: Vec<_> = (0..number)
                .map(|id| {
                    let x = match round % 3 {
                        0 => next(width as u64),
                        1 => next(30),
                        _ => width as u64 - next(30),
                    };
                    let kind = kinds[next(6) as usize];
                    (x as f64, format!("{kind} {id}"))
                })
                .collect();
            let placed = place(&marks, width, 60.0);
            assert!(placed.rows <= kinds.len().max(ROWS), "{} rows", placed.rows);
            for (index, flag) in placed.flags.iter().enumerate() {
                assert!(flag.extent().1 <= width + placed.beyond + 0.001);
                for other in &placed.flags[index + 1..] {
                    assert!(!flag.disturbs(other), "{flag:?} {other:?}");
                }
            }
            for (_, words) in &marks {
                let kind = words.split(' ').next().unwrap_or_default();
                assert!(placed.flags.iter().any(|flag| flag.words.starts_with(kind)), "{words}");
            }
        }
    }
}
