//! A report as JSON: spans in seconds, shares from 0 to 1, gains in percent, and what is not known
//! is null.

use serde_json::{Map, Value, json};

use super::analysis::{Comparison, Report};
use super::figures::{ArmSummary, Claim, Quantile};
use super::sample::Arm;
use super::text::date;
use super::verdict::Verdict;

impl Report {
    pub fn json(&self) -> Value {
        let more = match self.verdict {
            Verdict::TooFew { more } => Some(more),
            _ => None,
        };
        let note = |note: &super::Note| json!({ "name": note.name(), "text": note.words() });
        json!({
            "verdict": self.verdict.name(),
            "answer": self.answer(),
            "more_visits_needed": more,
            "notes": self.notes.iter().map(note).collect::<Vec<_>>(),
            "first_day": self.days.map(|[first, _]| date(first)),
            "last_day": self.days.map(|[_, last]| date(last)),
            "machines": self.machines,
            "arms": by_arm(|arm| summary(&self.arms[arm as usize])),
            "comparisons": self.comparisons.iter().map(comparison).collect::<Vec<_>>(),
        })
    }
}

fn by_arm(value: impl Fn(Arm) -> Value) -> Value {
    let pairs = Arm::ALL.map(|arm| (arm.name().to_owned(), value(arm)));
    Value::Object(Map::from_iter(pairs))
}

fn summary(arm: &ArmSummary) -> Value {
    let counts = &arm.counts;
    json!({
        "visits": counts.visitors,
        "connections": counts.connections,
        "http3_connections": counts.http3_connections,
        "requests": counts.requests,
        "http3_requests": counts.http3_requests,
        "failed_requests": counts.failures,
        "failed_handshakes": counts.failed_handshakes,
        "packets": counts.packets,
        "lost_packets": counts.lost,
        "http3_share": arm.http3_share,
        "failed_share": arm.failure_share,
        "lost_share": arm.loss_share,
    })
}

fn comparison(one: &Comparison) -> Value {
    json!({
        "measure": one.measure.name(),
        "of": one.slice.name(),
        "visits": by_arm(|arm| one.visitors[arm as usize].into()),
        "answers": by_arm(|arm| one.answers[arm as usize].into()),
        "quantiles": one.quantiles.iter().flatten().map(quantile).collect::<Vec<_>>(),
    })
}

fn quantile(one: &Quantile) -> Value {
    let claim = match one.claim {
        Claim::None => None,
        Claim::Faster => Some("faster"),
        Claim::Slower => Some("slower"),
    };
    json!({
        "quantile": one.probability,
        "offered_seconds": one.offered,
        "withheld_seconds": one.withheld,
        "saved_seconds": one.saved,
        "saved_seconds_95": one.saved_between,
        "gain_percent": one.gain,
        "gain_percent_95": one.gain_between,
        "claim": claim,
    })
}
