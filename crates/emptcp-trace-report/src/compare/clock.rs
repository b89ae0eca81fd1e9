//! The difference of two clocks as sentences.

use emptcp_trace::Span;
use emptcp_trace::compare::{Clock, Method};

/// How the clocks of the two captures differ, and how that is known, in sentences.
#[must_use]
pub fn clock_sentence(clock: &Clock) -> String {
    let ahead = |span: Span| match span.0 {
        0 => "equal to that of A".to_owned(),
        1.. => format!("{span} ahead of that of A"),
        _ => format!("{} behind that of A", Span(span.0.saturating_neg())),
    };
    let mut words = match (clock.method, clock.uncertainty) {
        (Method::Estimated, Some(uncertainty)) => format!(
            "The clock of B is taken to be {}: the smallest delays of both directions were assumed to be equal. \
             Where they are not, it is wrong by half of their difference, at most by {uncertainty}.",
            ahead(clock.offset)
        ),
        (Method::Estimated | Method::Given, _) => {
            format!("The clock of B is taken to be {}, as requested.", ahead(clock.offset))
        }
        (Method::Unknown, _) => "The clocks are taken to be equal: there are not packets in both directions to \
                                 estimate their difference from."
            .to_owned(),
    };
    if let Some(drift) = clock.drift_ppm {
        words.push_str(&format!(
            " It drifts by {drift:+.1} parts per million, which the delays do not include."
        ));
    }
    words
}
