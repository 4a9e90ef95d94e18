//! What `quic_report` has found on each site that has it: the report that was made last. A scrape
//! never waits for an analysis.

use std::fmt;
use std::time::UNIX_EPOCH;

use super::families::{Families, Family, Labels, Sample, labels};
use crate::experiment::Dated;
use crate::quic_report::{Arm, ArmSummary, Quantile, Verdict};
use crate::report::Report;

/// The findings on one site.
struct Found<'a> {
    site: &'a str,
    dated: Dated,
}

pub(super) fn write(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let found = report.experiments.iter().filter_map(|one| {
        let (site, dated) = (one.site(), one.latest()?);
        Some(Found { site, dated })
    });
    let found: Vec<Found<'_>> = found.collect();
    arms(families, &found)?;
    verdicts(families, &found)?;
    times(families, &found)?;
    gains(families, &found)
}

/// Reads a figure of an arm, if there is one.
type Figure = fn(&ArmSummary) -> Option<f64>;

fn arms(families: &mut Families<'_>, found: &[Found<'_>]) -> fmt::Result {
    let figures: [(_, _, Figure); 4] = [
        ("caddy_quic_report_visits", "Visits that are kept, by what they are offered.", |arm| {
            Some(arm.counts.visitors as f64)
        }),
        ("caddy_quic_report_http3_ratio", "Share of the requests over HTTP/3.", |arm| {
            arm.http3_share
        }),
        ("caddy_quic_report_failed_ratio", "Share of the requests that failed.", |arm| {
            arm.failure_share
        }),
        ("caddy_quic_report_lost_ratio", "Share of the packets that were lost.", |arm| {
            arm.loss_share
        }),
    ];
    for (name, help, figure) in figures {
        let samples = found.iter().flat_map(|one| {
            let arms = Arm::ALL.into_iter().zip(&one.dated.report.arms);
            arms.filter_map(|(arm, summary)| {
                let pairs = [("site", one.site), ("arm", arm.name())];
                Some(Sample::new(labels(pairs), figure(summary)?))
            })
        });
        families.gauge(Family { name, help }, samples)?;
    }
    Ok(())
}

fn verdicts(families: &mut Families<'_>, found: &[Found<'_>]) -> fmt::Result {
    let family = Family {
        name: "caddy_quic_report_verdict",
        help: "1 for the answer to whether HTTP/3 pays off on the site, 0 for the others.",
    };
    let verdicts = found.iter().flat_map(|one| {
        let now = one.dated.report.verdict.name();
        Verdict::NAMES.map(|name| {
            let pairs = [("site", one.site), ("verdict", name)];
            Sample::new(labels(pairs), f64::from(u8::from(name == now)))
        })
    });
    families.gauge(family, verdicts)?;
    let family = Family {
        name: "caddy_quic_report_visits_needed",
        help: "Further visits that a difference of 10 % needs to be seen, about; 0: an answer.",
    };
    let needed = found.iter().map(|one| {
        let more = match one.dated.report.verdict {
            Verdict::TooFew { more } => more,
            _ => 0,
        };
        Sample::new(labels([("site", one.site)]), more as f64)
    });
    families.gauge(family, needed)?;
    let family = Family {
        name: "caddy_quic_report_timestamp_seconds",
        help: "When the report was made, in Unix time.",
    };
    let made = found.iter().map(|one| {
        let at = one.dated.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Sample::new(labels([("site", one.site)]), at.as_secs_f64())
    });
    families.gauge(family, made)
}

/// The quantiles of all comparisons of a site, each with the labels that name it. Comparisons are
/// of fixed kinds, so clients cannot add series.
fn quantiles<'a>(one: &'a Found<'_>) -> impl Iterator<Item = (&'a Quantile, Labels)> {
    one.dated.report.comparisons.iter().flat_map(|comparison| {
        comparison.quantiles.iter().flatten().map(|quantile| {
            let percentile = format!("{:.0}", quantile.probability * 100.0);
            let labels = labels([
                ("site", one.site),
                ("measure", comparison.measure.name()),
                ("of", comparison.slice.name()),
                ("percentile", &percentile),
            ]);
            (quantile, labels)
        })
    })
}

fn times(families: &mut Families<'_>, found: &[Found<'_>]) -> fmt::Result {
    let family = Family {
        name: "caddy_quic_report_time_seconds",
        help: "Percentiles of the measured times, by what visitors are offered.",
    };
    let times = found.iter().flat_map(quantiles).flat_map(|(quantile, labels)| {
        let arms = [(Arm::Offered, quantile.offered), (Arm::Withheld, quantile.withheld)];
        arms.map(|(arm, seconds)| {
            let mut labels = labels.clone();
            labels.push(("arm".into(), arm.name().to_owned()));
            Sample::new(labels, seconds)
        })
    });
    families.gauge(family, times)
}

/// Reads a gain in percent.
type Gain = fn(&Quantile) -> f64;

fn gains(families: &mut Families<'_>, found: &[Found<'_>]) -> fmt::Result {
    let ends: [(_, _, Gain); 3] = [
        (
            "caddy_quic_report_gain_ratio",
            "Share of the time that the offer of HTTP/3 saves; negative: it costs.",
            |one| one.gain,
        ),
        (
            "caddy_quic_report_gain_lower_ratio",
            "The lower end of the interval of 95 % of that share.",
            |one| one.gain_between[0],
        ),
        (
            "caddy_quic_report_gain_upper_ratio",
            "The upper end of the interval of 95 % of that share.",
            |one| one.gain_between[1],
        ),
    ];
    for (name, help, gain) in ends {
        let samples = found.iter().flat_map(quantiles);
        let samples = samples.map(|(quantile, labels)| Sample::new(labels, gain(quantile) / 100.0));
        families.gauge(Family { name, help }, samples)?;
    }
    Ok(())
}
