//! What a person at a terminal reads: the words of the start, and errors.

use std::io::Write as _;

use crate::config;

/// Fewer descriptors than this are too few for a proxy.
const DESCRIPTORS_WANTED: u64 = 8192;

/// One line on stdout. A closed stdout is no reason to fail.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The start of a line on stdout that a person is to finish.
pub(super) fn prompt(text: &str) {
    let mut out = std::io::stdout();
    let _ = write!(out, "{text}");
    let _ = out.flush();
}

/// An error on stderr, in the form of a log line.
pub(super) fn error(text: &str) {
    let now = chrono::Local::now().format("%Y/%m/%d %H:%M:%S");
    let _ = writeln!(std::io::stderr(), "{now} {text}");
}

/// A warning on stderr.
pub(super) fn warning(text: &str) {
    error(&format!("[WARNING] {text}"));
}

pub(super) fn activating(quiet: bool) {
    if !quiet {
        let mut out = std::io::stdout();
        let _ = write!(out, "Activating privacy features...");
        let _ = out.flush();
    }
}

pub(super) fn started(sites: &[String]) {
    line(" done.");
    sites.iter().for_each(|site| line(site));
}

pub(super) fn descriptors(limit: u64) {
    if limit < DESCRIPTORS_WANTED {
        line(&format!(
            "WARNING: File descriptor limit {limit} is too low for production servers. At least \
             {DESCRIPTORS_WANTED} is recommended. Fix with \"ulimit -n {DESCRIPTORS_WANTED}\"."
        ));
    }
}

pub(super) fn plugins() {
    line("Server types:\n  http\n\nCaddyfile loaders:\n  short\n  flag\n  default\n");
    line("Other plugins:");
    for name in config::directive_names() {
        let server_type = if name == "tls" { "" } else { "http." };
        line(&format!("  {server_type}{name}"));
    }
}
