//! All that is exported, in its order; and what is about the process as a whole.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use super::accept::Format;
use super::families::{Families, Family, Sample, labels};
use super::{fleet, network, quic_report, requests, upstreams};
use crate::report::{Report, Usage};

/// The report in a format.
pub(super) fn write(report: Report, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exported { report, usage: Usage::read() }));
    let mut text = String::new();
    match format {
        Format::Text => prometheus_text::encode(&mut text, &registry)?,
        Format::OpenMetrics => text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

#[derive(Debug)]
struct Exported {
    report: Report,
    usage: Usage,
}

impl Collector for Exported {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let families = &mut Families(encoder);
        requests::write(families, &self.report)?;
        network::write(families, &self.report)?;
        upstreams::write(families, &self.report)?;
        file_cache(families, &self.report)?;
        certificates(families, &self.report)?;
        quic_report::write(families, &self.report)?;
        fleet::write(families, &self.report)?;
        service(families, &self.report)?;
        process(families, &self.report, &self.usage)
    }
}

fn file_cache(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let files = report.metrics.files();
    let family = Family {
        name: "caddy_file_cache_requests",
        help: "Requests for files, by what the cache had.",
    };
    let results = [("hit", files.hits), ("stale", files.stale), ("miss", files.misses)];
    let sample = |(name, count)| Sample::new(labels([("result", name)]), count);
    families.counter(family, results.map(sample))
}

fn certificates(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let known = report.certificates.iter().filter_map(|one| Some((one, one.until?)));
    let expiry = Family {
        name: "caddy_certificate_expiry_timestamp_seconds",
        help: "When the certificate ends, in Unix time.",
    };
    let sample = |name, value| Sample::new(labels([("name", name)]), value);
    families.gauge(expiry, known.map(|(one, until)| sample(one.name(), until as f64)))?;
    let issued = Family {
        name: "caddy_certificate_issue_timestamp_seconds",
        help: "When the certificate's validity begins, about when it was issued, in Unix time.",
    };
    let known = report.certificates.iter().filter_map(|one| Some((one, one.from?)));
    families.gauge(issued, known.map(|(one, from)| sample(one.name(), from as f64)))?;
    let failed = Family {
        name: "caddy_certificate_renewal_failed",
        help: "1 if the last attempt to obtain or renew the certificate failed.",
    };
    let all = report.certificates.iter();
    families.gauge(failed, all.map(|one| sample(one.name(), one.failure.is_some().into())))?;
    let missing =
        Family { name: "caddy_certificate_missing", help: "1 if the site has no certificate yet." };
    let all = report.certificates.iter();
    families.gauge(missing, all.map(|one| sample(one.name(), one.until.is_none().into())))
}

fn service(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let (changes, configuration) = (&report.changes, &report.configuration);
    let result = |name, count| Sample::new(labels([("result", name)]), count);
    let reloads = Family { name: "caddy_reloads", help: "Reloads of the configuration." };
    families.counter(
        reloads,
        [result("success", changes.reloads.succeeded), result("failure", changes.reloads.failed)],
    )?;
    let upgrades = Family {
        name: "caddy_upgrades",
        help: "Upgrades of the program: those that led to this process, and its own that failed.",
    };
    let succeeded = u64::from(report.generation.saturating_sub(1));
    let upgraded = [result("success", succeeded), result("failure", changes.failed_upgrades)];
    families.counter(upgrades, upgraded)?;
    let last = changes.last_reload.as_ref();
    let failed = Family {
        name: "caddy_last_reload_failed",
        help: "1 if the last reload failed and the configuration before it is in force.",
    };
    let has_failed = last.is_some_and(|attempt| attempt.error.is_some());
    families.gauge(failed, Sample::only(has_failed.into()))?;
    let loaded = Family {
        name: "caddy_configuration_loaded_timestamp_seconds",
        help: "When the configuration in force was loaded, in Unix time.",
    };
    families.gauge(loaded, Sample::only(configuration.loaded.timestamp() as f64))?;
    let sites = Family { name: "caddy_sites", help: "Sites of the configuration in force." };
    families.gauge(sites, Sample::only(configuration.sites as f64))?;
    let lost = Family {
        name: "caddy_log_lines_lost",
        help: "Log lines lost because a log could not be written fast enough.",
    };
    families.counter(lost, Sample::only(report.lines_lost))
}

fn process(families: &mut Families<'_>, report: &Report, usage: &Usage) -> fmt::Result {
    let build = Family { name: "caddy_build_info", help: "The version of the program." };
    let version = labels([("version", env!("CARGO_PKG_VERSION"))]);
    families.gauge(build, [Sample::new(version, 1.0)])?;
    let started = Family {
        name: "process_start_time_seconds",
        help: "When the process started, in Unix time.",
    };
    let start = report.now.timestamp_millis() as f64 / 1e3 - report.uptime.as_secs_f64();
    families.gauge(started, Sample::only(start))?;
    if let Some(seconds) = usage.cpu_seconds {
        let family = Family {
            name: "process_cpu_seconds",
            help: "User and system CPU time of the process.",
        };
        families.counter_of_fractions(family, seconds)?;
    }
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory.", usage.resident_bytes),
        ("process_open_fds", "Open file descriptors.", usage.descriptors),
        ("process_max_fds", "The limit of open file descriptors.", usage.most_descriptors),
    ] {
        let sample = value.map(|value| Sample::new(labels([]), value as f64));
        families.gauge(Family { name, help }, sample)?;
    }
    Ok(())
}
