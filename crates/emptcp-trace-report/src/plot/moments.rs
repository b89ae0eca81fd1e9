//! The marks in a picture: joins, announcements, priorities, failures.

use emptcp_trace::record::{Detail, Mark, MarkKind};

/// The most marks in one picture; more would hide the data. A join is always marked.
const MOST: usize = 200;
/// The most joins: no connection has more subflows.
const JOINS: usize = 1024;

/// The label of a mark: its kind, then which; none for events that are not marked.
pub(super) fn words(mark: &Mark) -> Option<String> {
    let subflow = mark.sf_id.map(|id| format!(" {id}")).unwrap_or_default();
    Some(match (mark.kind, &mark.detail) {
        (MarkKind::Syn, _) => match mark.sf_id {
            Some(id) if id.0 > 0 => format!("JOIN{subflow}"),
            _ => return None,
        },
        (MarkKind::AddAddr, Some(Detail::Address { id, .. })) => format!("ADD_ADDR {}", id.0),
        (MarkKind::AddAddr, _) => "ADD_ADDR".to_owned(),
        (MarkKind::RemoveAddr, Some(Detail::AddressIds(ids))) => {
            let ids: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
            format!("REMOVE_ADDR {}", ids.join(", "))
        }
        (MarkKind::RemoveAddr, _) => "REMOVE_ADDR".to_owned(),
        (MarkKind::MpPrio, Some(Detail::Priority { backup: true, .. })) => format!("PRIO{subflow} backup"),
        (MarkKind::MpPrio, _) => format!("PRIO{subflow} regular"),
        (MarkKind::MpFail, _) => "MP_FAIL".to_owned(),
        (MarkKind::MpFastclose, _) => "FASTCLOSE".to_owned(),
        (MarkKind::Rst, _) => format!("RST{subflow}"),
        (MarkKind::Fallback, _) => "fallback".to_owned(),
        (MarkKind::OptionsStopped, _) => format!("options-stop {}", mark.dir.sender()),
        (MarkKind::MalformedOption, _) => format!("malformed{subflow}"),
        (MarkKind::ClockStep, _) => "clock-step".to_owned(),
        (MarkKind::BreakBeforeMake | MarkKind::MakeBeforeBreak, _) => match (mark.other_sf, mark.sf_id) {
            (Some(from), Some(to)) => format!("handover {from} to {to}"),
            _ => "handover".to_owned(),
        },
        (MarkKind::DataFin, _) => format!("DATA_FIN {}", mark.dir.sender()),
        _ => return None,
    })
}

/// The marks of a connection, in the order of events: at most so many that a picture stays legible.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    marks: Vec<(f64, String)>,
    joins: usize,
}

impl Marks {
    pub(super) fn add(&mut self, t: f64, words: String) {
        let is_join = words.starts_with("JOIN");
        let room = if is_join {
            self.joins < JOINS
        } else {
            self.marks.len() - self.joins < MOST
        };
        if room {
            self.joins += usize::from(is_join);
            self.marks.push((t, words));
        }
    }

    /// Without those with the same label at nearly the same time.
    pub(super) fn distinct(&self, duration: f64) -> Vec<(f64, String)> {
        let near = duration / 80.0;
        let mut kept: Vec<(f64, String)> = Vec::new();
        for (t, words) in &self.marks {
            let again = kept
                .iter()
                .rev()
                .take_while(|(earlier, _)| t - earlier < near)
                .any(|(_, other)| other == words);
            if !again {
                kept.push((*t, words.clone()));
            }
        }
        kept
    }
}
