//! A report as text for people.

use std::fmt::Write as _;

use chrono::DateTime;

use super::analysis::{Comparison, Report, Slice};
use super::figures::{ArmSummary, Claim, Quantile};
use super::measure::Measure;
use super::sample::Arm;
use super::verdict::Verdict;

/// The width of the first column.
const NAMES: usize = 34;

impl Report {
    /// For `caddy -quic-report`. `site` is the name of the site.
    pub fn text(&self, site: &str) -> String {
        let mut text = format!("{site}: {}\n", self.answer());
        for note in &self.notes {
            let _ = writeln!(text, "note: {}", note.words());
        }
        if let Some(days) = self.days {
            let [first, last] = days.map(date);
            let machines = match self.machines {
                1 => String::new(),
                machines => format!(", {machines} machines"),
            };
            let _ = writeln!(text, "days {first} to {last} (UTC){machines}");
        }
        text += &arms(&self.arms);
        text += "\nseconds                             offered  withheld     gain  95 % interval\n";
        for comparison in &self.comparisons {
            text += &rows(comparison);
        }
        text + "A positive gain is time that visitors save where HTTP/3 is offered. '*' marks what is \
                claimed.\n"
    }

    /// The comparison that the verdict is drawn from.
    pub fn wait(&self) -> Option<&Comparison> {
        let is_it = |one: &&Comparison| one.measure == Measure::Wait && one.slice == Slice::All;
        self.comparisons.iter().find(is_it)
    }

    /// The verdict in one sentence.
    pub fn answer(&self) -> String {
        let quantiles = self.wait().map(|one| one.quantiles);
        let claimed = quantiles.into_iter().flatten().flatten();
        let claimed: Vec<String> =
            claimed.filter(|one| one.claim != Claim::None).map(|one| said(&one)).collect();
        let claimed = claimed.join("; ");
        match self.verdict {
            Verdict::TooFew { more } => {
                format!("not enough visits yet: about {more} more to see a difference of 10 %")
            }
            Verdict::NoDifference => {
                "offering HTTP/3 makes no difference of 10 % or more".to_owned()
            }
            Verdict::Faster => format!("HTTP/3 pays off: {claimed}"),
            Verdict::Slower => format!("HTTP/3 makes it worse: {claimed}"),
            Verdict::Mixed => format!("HTTP/3 helps some visitors and harms others: {claimed}"),
        }
    }
}

/// `the median wait is 12 % shorter (8 to 15)`.
fn said(one: &Quantile) -> String {
    let [low, high] = one.gain_between;
    let (by, low, high, word) = match one.claim {
        Claim::Slower => (-one.gain, -high, -low, "longer"),
        Claim::None | Claim::Faster => (one.gain, low, high, "shorter"),
    };
    let name = one.name();
    format!("the {name} of the wait is {by:.0} % {word} (95 % interval {low:.0} to {high:.0})")
}

impl Quantile {
    pub fn name(&self) -> &'static str {
        match self.probability {
            0.5 => "median",
            0.75 => "p75",
            _ => "p95",
        }
    }
}

/// `2026-11-28`.
pub(super) fn date(day: u32) -> String {
    let at = DateTime::from_timestamp(i64::from(day) * 86_400, 0);
    at.map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}

fn arms(arms: &[ArmSummary; 2]) -> String {
    let mut text =
        "\narm         visits  connections   requests  over HTTP/3   failed     lost\n".to_owned();
    let share =
        |share: Option<f64>| share.map_or("-".to_owned(), |of| format!("{:.2} %", of * 100.0));
    for (arm, summary) in Arm::ALL.into_iter().zip(arms) {
        let counts = &summary.counts;
        let _ = writeln!(
            text,
            "{:<10}{:>8}{:>13}{:>11}{:>13}{:>9}{:>9}",
            arm.name(),
            counts.visitors,
            counts.connections,
            counts.requests,
            share(summary.http3_share),
            share(summary.failure_share),
            share(summary.loss_share),
        );
    }
    let failed = arms.map(|arm| arm.counts.failed_handshakes);
    if failed != [0; 2] {
        let [offered, withheld] = failed;
        let _ = writeln!(text, "handshakes that failed: offered {offered}, withheld {withheld}");
    }
    text
}

fn rows(comparison: &Comparison) -> String {
    let name_of_row = match comparison.slice {
        Slice::All => comparison.measure.words(),
        Slice::Control => "before visitors are told (control)",
        slice => slice.name(),
    };
    let [offered, withheld] = comparison.visitors;
    let mut text = String::new();
    let known: Vec<_> = comparison.quantiles.iter().flatten().collect();
    if known.is_empty() {
        let _ = writeln!(text, "{name_of_row:<NAMES$}  too few visits ({offered}, {withheld})");
        return text;
    }
    let _ = writeln!(text, "{name_of_row} ({offered}, {withheld} visits)");
    for one in known {
        let [low, high] = one.gain_between;
        let mark = if one.claim == Claim::None { "" } else { " *" };
        let _ = writeln!(
            text,
            "  {:<NAMES$}{:>7.3}{:>10.3}{:>+7.1} %  {low:+.1} to {high:+.1} %{mark}",
            one.name(),
            one.offered,
            one.withheld,
            one.gain,
        );
    }
    text
}
