//! Shapes of the charts. They have no text: a drawing is stretched to the width of the page, and
//! letters would be stretched with it. So names, values and scales stand beside it.

use std::fmt::Write as _;

/// The height of a drawing, in its own units.
pub(super) const HEIGHT: f64 = 100.0;

/// One bar for each value, the latest at the right end of `slots`. The scale ends at `most`.
pub(super) fn bars(values: &[f64], slots: usize, most: f64) -> String {
    let mut path = String::new();
    let first = slots.saturating_sub(values.len());
    for (slot, value) in (first..).zip(values).filter(|(_, value)| **value > 0.0) {
        // What is there is seen.
        let height = (value / most * HEIGHT).clamp(1.0, HEIGHT);
        let _ = write!(path, "M{slot}.15 {HEIGHT}v-{}h.7V{HEIGHT}z", short(height));
    }
    path
}

/// A line of steps, the latest at the right end of `slots`; it is broken where there is no value.
pub(super) fn steps(values: &[Option<f64>], slots: usize, scale: &Decades) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    let first = slots.saturating_sub(values.len());
    for (slot, value) in (first..).zip(values) {
        if let Some(value) = value {
            let y = short(HEIGHT - scale.part(*value) * HEIGHT);
            let _ = match is_drawing {
                true => write!(path, "V{y}h1"),
                false => write!(path, "M{slot} {y}h1"),
            };
        }
        is_drawing = value.is_some();
    }
    path
}

/// One decimal at most, and none that is 0.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The end of a linear scale: the next of 1, 2 or 5 times a power of ten.
pub(super) fn round_up(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1.0).log10().floor());
    let ends = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    ends.into_iter().find(|end| *end >= most).unwrap_or(10.0 * power)
}

/// A logarithmic scale over whole powers of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decades {
    /// Powers of ten.
    pub(super) from: i32,
    pub(super) to: i32,
}

impl Decades {
    /// The scale of values above 0; `None` without values.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let powers = values.filter(|value| *value > 0.0).map(f64::log10);
        let ends = powers.fold(None, |ends: Option<Self>, power| {
            let one = Self { from: power.floor() as i32, to: power.ceil() as i32 };
            let ends = ends.unwrap_or(one);
            Some(Self { from: ends.from.min(one.from), to: ends.to.max(one.to) })
        });
        ends.map(|ends| Self { to: ends.to.max(ends.from + 1), ..ends })
    }

    /// Where a value is, from 0.0 to 1.0.
    fn part(&self, value: f64) -> f64 {
        let power = value.max(f64::MIN_POSITIVE).log10();
        ((power - f64::from(self.from)) / f64::from(self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Lines at the powers between its ends.
    pub(super) fn grid(&self, slots: usize) -> String {
        let mut path = String::new();
        for power in self.from + 1..self.to {
            let y = HEIGHT - self.part(10_f64.powi(power)) * HEIGHT;
            let _ = write!(path, "M0 {}h{slots}", short(y));
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_end_at_the_right_and_keep_to_the_scale() {
        assert_eq!(
            bars(&[0.0, 5.0, 20.0], 60, 10.0),
            "M58.15 100v-50h.7V100zM59.15 100v-100h.7V100z"
        );
        assert_eq!(bars(&[0.001], 60, 10.0), "M59.15 100v-1h.7V100z");
        assert_eq!(bars(&[], 60, 1.0), "");
    }

    #[test]
    fn steps_have_gaps_where_nothing_is_known() {
        let scale = Decades { from: -3, to: -1 };
        let values = [Some(0.01), Some(0.1), None, Some(1e-9)];
        assert_eq!(steps(&values, 4, &scale), "M0 50h1V0h1M3 100h1");
        assert_eq!(steps(&[None; 4], 4, &scale), "");
        assert_eq!(scale.grid(12), "M0 50h12");
    }

    #[test]
    fn scales_hold_all_values_and_end_at_round_numbers() {
        for (most, end) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (21.0, 50.0), (5001.0, 10_000.0)] {
            assert_eq!(round_up(most), end, "{most}");
        }
        let scale = Decades::of([0.004, 0.02].into_iter()).unwrap();
        assert_eq!(scale, Decades { from: -3, to: -1 });
        assert_eq!(Decades::of([0.01].into_iter()), Some(Decades { from: -2, to: -1 }));
        assert_eq!(Decades::of([0.0].into_iter()), None);
    }
}
