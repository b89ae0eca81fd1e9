//! The marks in a picture: joins, announcements, priorities, failures.

use emptcp_trace::record::{Detail, Mark, MarkKind};

/// The most marks in one picture; more would hide the data.
pub(super) const MOST: usize = 60;

/// The label of a mark; none for events that are not marked.
pub(super) fn words(mark: &Mark) -> Option<String> {
    let subflow = mark.sf_id.map(|id| format!(" {id}")).unwrap_or_default();
    Some(match (mark.kind, &mark.detail) {
        (MarkKind::Syn, _) => match mark.sf_id {
            Some(id) if id.0 > 0 => format!("JOIN{subflow}"),
            _ => return None,
        },
        (MarkKind::AddAddr, Some(Detail::Address { id, .. })) => format!("ADD_ADDR id {}", id.0),
        (MarkKind::AddAddr, _) => "ADD_ADDR".to_owned(),
        (MarkKind::RemoveAddr, Some(Detail::AddressIds(ids))) => {
            let ids: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
            format!("REMOVE_ADDR id {}", ids.join(", "))
        }
        (MarkKind::RemoveAddr, _) => "REMOVE_ADDR".to_owned(),
        (MarkKind::MpPrio, Some(Detail::Priority { backup: true, .. })) => format!("PRIO{subflow} backup"),
        (MarkKind::MpPrio, _) => format!("PRIO{subflow} regular"),
        (MarkKind::MpFail, _) => "MP_FAIL".to_owned(),
        (MarkKind::MpFastclose, _) => "FASTCLOSE".to_owned(),
        (MarkKind::Rst, _) => format!("RST{subflow}"),
        (MarkKind::Fallback, _) => "fallback".to_owned(),
        (MarkKind::DataFin, _) => format!("DATA_FIN {}", mark.dir.sender()),
        _ => return None,
    })
}

/// Leaves out marks with the same label at nearly the same time.
pub(super) fn distinct(marks: &[(f64, String)], duration: f64) -> Vec<(f64, String)> {
    let near = duration / 80.0;
    let mut kept: Vec<(f64, String)> = Vec::new();
    for (t, words) in marks {
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
