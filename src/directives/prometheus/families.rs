//! Writes families of metrics with their samples.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::metrics::Distribution;

/// In the order that they are written in.
pub(super) type Labels = Vec<(Cow<'static, str>, String)>;

/// Labels of which all names are known.
pub(super) fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name), value.to_owned())).collect()
}

/// A value of a family.
pub(super) struct Sample<T> {
    pub(super) labels: Labels,
    pub(super) value: T,
}

impl<T> Sample<T> {
    pub(super) fn new(labels: Labels, value: T) -> Self {
        Self { labels, value }
    }

    /// Of a family with one value.
    pub(super) fn only(value: T) -> [Self; 1] {
        [Self::new(Labels::new(), value)]
    }
}

/// What a family is called, and what it is.
pub(super) struct Family {
    /// Without `_total`, which the encoder adds to counters.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// A distribution with the buckets that are shown.
pub(super) struct Buckets {
    pub(super) distribution: Distribution,
    pub(super) scale: Scale,
}

/// The upper bounds of buckets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scale {
    /// From 256 µs to 67 s, shown in seconds.
    Seconds,
    /// From 256 bytes to 64 MiB.
    Bytes,
}

impl Scale {
    /// The powers of two that the bounds are.
    fn powers(self) -> impl Iterator<Item = u32> {
        let step = match self {
            Self::Seconds => 1,
            Self::Bytes => 2,
        };
        (8..=26).step_by(step)
    }

    fn shown(self, value: u64) -> f64 {
        match self {
            Self::Seconds => value as f64 / 1e6,
            Self::Bytes => value as f64,
        }
    }
}

/// Writes one family after the other. A family without samples is left out.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    pub(super) fn counter(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = Sample<u64>>,
    ) -> fmt::Result {
        self.write(family, MetricType::Counter, samples, |encoder, value| {
            encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }

    pub(super) fn counter_of_fractions(&mut self, family: Family, value: f64) -> fmt::Result {
        self.write(family, MetricType::Counter, Sample::only(value), |encoder, value| {
            encoder.encode_counter::<NoLabelSet, f64, f64>(&value, None)
        })
    }

    pub(super) fn gauge(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = Sample<f64>>,
    ) -> fmt::Result {
        self.write(family, MetricType::Gauge, samples, |encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    pub(super) fn histogram(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = Sample<Buckets>>,
    ) -> fmt::Result {
        self.write(family, MetricType::Histogram, samples, |encoder, value| {
            let Buckets { distribution, scale } = value;
            let bounds = scale.powers().map(|power| scale.shown(1 << power)).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(distribution.split(scale.powers())).collect();
            let (sum, count) = (scale.shown(distribution.sum), distribution.count());
            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }

    fn write<T>(
        &mut self,
        family: Family,
        kind: MetricType,
        samples: impl IntoIterator<Item = Sample<T>>,
        value_of: impl Fn(&mut MetricEncoder<'_>, T) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let Family { name, help } = family;
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        samples.try_for_each(|Sample { labels, value }| {
            value_of(&mut encoder.encode_family(&labels)?, value)
        })
    }
}
