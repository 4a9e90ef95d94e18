//! Whether HTTP/3 pays off on a site: what was measured of two arms of visitors, one of which is
//! offered HTTP/3, and the comparison of the arms. Pure: no clock, socket or file; the random
//! numbers come from the caller's seed.
//!
//! [`Book`] holds what was measured, within a fixed size; [`Report`] is what it says.

mod analysis;
mod book;
mod bootstrap;
mod codec;
mod figures;
mod json;
mod measure;
mod merge;
mod note;
mod reservoir;
mod sample;
mod svg;
#[cfg(test)]
mod synthetic;
mod text;
mod verdict;

pub use analysis::{Comparison, Report, Slice};
pub use book::{Book, Counts};
pub use codec::Unreadable;
pub use figures::{ArmSummary, Claim, Quantile};
pub use measure::Measure;
pub use note::Note;
pub use sample::{Arm, Band, Kind, Sample, Source};
pub use svg::PICTURE_STYLE;
pub use verdict::Verdict;
