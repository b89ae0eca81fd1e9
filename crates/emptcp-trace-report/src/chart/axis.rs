//! Axes and their ticks.

use super::unit::Prefix;
use super::{Axis, Scale, Unit};

/// A tick: position and label; minor ticks have no label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// An axis from one end to the other.
#[derive(Clone, Debug)]
pub(super) struct Span {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<Tick>,
    /// What the axis shows, with the unit unless the ticks have it.
    pub(super) label: String,
}

/// Steps of a clock, in seconds, above one second.
const CLOCK: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0,
];

impl Span {
    /// The axis for these values, with room for about `room` labels.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, room: usize) -> Self {
        let has_place = |value: &f64| value.is_finite() && (axis.scale != Scale::Log || *value > 0.0);
        let ends = values
            .filter(has_place)
            .fold(None, |ends: Option<(f64, f64)>, value| match ends {
                None => Some((value, value)),
                Some((low, high)) => Some((low.min(value), high.max(value))),
            });
        let given = axis
            .range
            .filter(|(low, high)| has_place(low) && has_place(high) && low < high);
        let room = room.max(2);
        match axis.scale {
            Scale::Log => Self::logarithmic(axis, given.or(ends).unwrap_or((1.0, 10.0)), given.is_some(), room),
            Scale::Linear | Scale::Time => {
                let (low, high) = given.or(ends).unwrap_or((0.0, 1.0));
                // Time axes may begin anywhere; axes of amounts begin at 0.
                let low = if given.is_none() && axis.scale == Scale::Linear {
                    low.min(0.0)
                } else {
                    low
                };
                let high = if high > low { high } else { low + low.abs().max(1.0) };
                Self::proportional(axis, (low, high), given.is_some(), room)
            }
        }
    }

    /// The position of a value, 0 to 1 within the axis; none where it has none.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let (value, low, high) = match self.scale {
            Scale::Log if value <= 0.0 => return None,
            Scale::Log => (value.log10(), self.low.log10(), self.high.log10()),
            Scale::Linear | Scale::Time => (value, self.low, self.high),
        };
        Some((value - low) / (high - low)).filter(|place| place.is_finite())
    }

    /// Like [`place`](Self::place); values below a logarithmic axis are at its lower end.
    pub(super) fn place_or_low(&self, value: f64) -> Option<f64> {
        if self.scale == Scale::Log && value <= 0.0 {
            Some(0.0)
        } else {
            self.place(value)
        }
    }

    fn proportional(axis: &Axis, (low, high): (f64, f64), given: bool, room: usize) -> Self {
        let raw = (high - low) / room as f64;
        let clock = axis.scale == Scale::Time && high - low > 90.0;
        let step = if clock {
            let days = || (raw / 86400.0).ceil() * 86400.0;
            CLOCK.into_iter().find(|step| *step >= raw).unwrap_or_else(days)
        } else if matches!(axis.unit, Unit::Number | Unit::Bytes) {
            // There is nothing between two bytes.
            round_step(raw).max(1.0)
        } else {
            round_step(raw)
        };
        let (low, high) = if given || axis.scale == Scale::Time {
            (low, high)
        } else {
            ((low / step).floor() * step, (high / step - 1e-9).ceil() * step)
        };
        let prefix = match axis.scale {
            // A short connection is counted in milli- or microseconds.
            Scale::Time if low.abs().max(high.abs()) >= 1.0 => (1.0, "s"),
            _ => axis.unit.prefix(low.abs().max(high.abs())),
        };
        let first = (low / step - 1e-9).ceil();
        // Bounded in any case, because the ends come from data.
        let ticks = (0..=room * 4)
            .map(|index| (first + index as f64) * step)
            .take_while(|at| *at <= high + step * 1e-9)
            .map(|at| Tick {
                at,
                label: if clock {
                    clock_label(at, high)
                } else {
                    plain_label(axis.unit, at, step, prefix)
                },
            })
            .collect();
        let unit = if clock {
            if high >= 3600.0 { "h:mm:ss" } else { "m:ss" }
        } else {
            prefix.1
        };
        let label = if axis.unit == Unit::Share || unit.is_empty() {
            axis.label.clone()
        } else {
            format!("{} ({unit})", axis.label)
        };
        Self {
            scale: axis.scale,
            low,
            high,
            ticks,
            label,
        }
    }

    fn logarithmic(axis: &Axis, (low, high): (f64, f64), given: bool, room: usize) -> Self {
        let (first, mut last) = (low.log10().floor(), high.log10().ceil());
        if last <= first {
            last = first + 1.0;
        }
        let (low, high) = if given {
            (low, high)
        } else {
            (10_f64.powf(first), 10_f64.powf(last))
        };
        // A double has less than 700 decades.
        let decades = (last - first) as usize;
        let every = decades.div_ceil(room).max(1);
        let between: &[f64] = if every > 1 {
            &[]
        } else {
            &[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
        };
        let within = |at: f64| at >= low * (1.0 - 1e-9) && at <= high * (1.0 + 1e-9);
        let mut ticks = Vec::new();
        for decade in 0..=decades {
            let base = 10_f64.powf(first + decade as f64);
            if decade % every == 0 {
                ticks.push(Tick {
                    at: base,
                    label: axis.unit.short(base),
                });
            }
            ticks.extend(between.iter().map(|times| {
                let labelled = decades <= 2 && (*times == 2.0 || *times == 5.0);
                Tick {
                    at: base * times,
                    label: if labelled {
                        axis.unit.short(base * times)
                    } else {
                        String::new()
                    },
                }
            }));
        }
        ticks.retain(|tick| within(tick.at));
        Self {
            scale: Scale::Log,
            low,
            high,
            ticks,
            label: axis.label.clone(),
        }
    }
}

/// The next of 1, 2, 5, 10, 20, ... that is not smaller.
fn round_step(raw: f64) -> f64 {
    let decade = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| decade * factor >= raw * 0.999_999);
    let step = decade * factor.unwrap_or(10.0);
    // The smallest doubles have no useful logarithm.
    if step.is_normal() { step } else { 1.0 }
}

fn plain_label(unit: Unit, at: f64, step: f64, (factor, name): Prefix) -> String {
    let decimals = (-(step / factor).log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize;
    // A zero from a subtraction may be negative.
    let at = if at.abs() < step * 1e-6 { 0.0 } else { at };
    let number = Unit::group(&format!("{:.decimals$}", at / factor));
    if unit == Unit::Share {
        format!("{number} {name}")
    } else {
        number
    }
}

/// `m:ss`, with hours when there are any on the axis.
fn clock_label(at: f64, high: f64) -> String {
    let sign = if at < 0.0 { "-" } else { "" };
    let seconds = at.abs().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if high >= 3600.0 {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{}:{seconds:02}", hours * 60 + minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, values: &[f64], room: usize) -> Vec<String> {
        Span::new(axis, values.iter().copied(), room)
            .ticks
            .into_iter()
            .map(|tick| tick.label)
            .filter(|label| !label.is_empty())
            .collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_ends_at_a_round_number() {
        let axis = Axis::linear("rate", Unit::BitsPerSecond);
        assert_eq!(labels(&axis, &[3e6, 19e6], 5), ["0", "5", "10", "15", "20"]);
        let span = Span::new(&axis, [3e6, 19e6].into_iter(), 5);
        assert_eq!(span.label, "rate (Mbit/s)");
        assert_eq!(span.place(10e6), Some(0.5));
    }

    #[test]
    fn a_logarithmic_axis_has_decades() {
        let axis = Axis::log("delay", Unit::Seconds);
        assert_eq!(
            labels(&axis, &[0.003, 40.0, 0.0, f64::NAN], 9),
            ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]
        );
        let span = Span::new(&axis, [0.003, 40.0].into_iter(), 9);
        assert!(span.place(0.0).is_none());
        assert_eq!(span.place_or_low(0.0), Some(0.0));
        assert!((span.place(0.01).unwrap_or(0.0) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn a_time_axis_counts_in_minutes_when_it_is_long() {
        let axis = Axis::time("time");
        assert_eq!(labels(&axis, &[0.0, 2.0], 4), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(
            labels(&axis, &[0.0, 240.0], 4),
            ["0:00", "1:00", "2:00", "3:00", "4:00"]
        );
        assert_eq!(
            labels(&axis, &[0.0, 7200.0], 4),
            ["0:00:00", "0:30:00", "1:00:00", "1:30:00", "2:00:00"]
        );
    }

    #[test]
    fn a_short_time_is_in_milliseconds_and_few_bytes_are_whole() {
        let axis = Axis::time("time").range(0.0, 0.004);
        assert_eq!(labels(&axis, &[], 4), ["0", "1", "2", "3", "4"]);
        assert_eq!(Span::new(&axis, std::iter::empty(), 4).label, "time (ms)");
        assert_eq!(labels(&Axis::linear("data", Unit::Bytes), &[2.0], 9), ["0", "1", "2"]);
    }

    #[test]
    fn no_values_one_value_and_wild_values_still_give_an_axis() {
        for axis in [
            Axis::linear("a", Unit::Number),
            Axis::log("a", Unit::Bytes),
            Axis::time("a"),
        ] {
            for values in [
                vec![],
                vec![5.0],
                vec![-1.0],
                vec![f64::INFINITY],
                vec![f64::MIN_POSITIVE, f64::MAX],
            ] {
                let span = Span::new(&axis, values.iter().copied(), 6);
                assert!(span.ticks.len() < 100, "{axis:?} {values:?}");
            }
        }
    }

    #[test]
    fn a_given_range_stays() {
        let span = Span::new(&Axis::share("connections"), [0.2].into_iter(), 5);
        assert_eq!((span.place(0.0), span.place(1.0)), (Some(0.0), Some(1.0)));
        assert_eq!(span.label, "connections");
    }
}
