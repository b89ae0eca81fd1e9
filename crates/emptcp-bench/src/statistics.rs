//! Medians and their confidence intervals, without assumptions about the distribution.

/// A median and the interval that holds the true one in 95 of 100 repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The median of `values`. Its interval is that of the sign test: the number of values below the true median is
/// binomial, whatever they are, so that two of the sorted values bound it. `None` without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<Estimate> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let half_width = 1.96 * (sorted.len() as f64).sqrt() / 2.0;
    let rank = ((sorted.len() as f64 / 2.0 - half_width).floor().max(0.0) as usize).min(last);
    Some(Estimate {
        median: (sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0,
        low: sorted[rank],
        high: sorted[last - rank],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_a_hundred_values_lies_between_the_40th_and_the_60th() {
        let estimate = median((1..=100).map(f64::from)).unwrap();
        assert_eq!((estimate.median, estimate.low, estimate.high), (50.5, 41.0, 60.0));
    }

    #[test]
    fn few_values_are_bounded_by_their_extremes_and_none_have_no_median() {
        let estimate = median([3.0, f64::NAN, 1.0, 2.0]).unwrap();
        assert_eq!((estimate.median, estimate.low, estimate.high), (2.0, 1.0, 3.0));
        assert_eq!(median([f64::NAN]), None);
    }
}
