//! Output to the terminal: start messages, prompts and errors.

use std::io::Write as _;

use super::paint;
use crate::config;

/// The recommended limit of open files.
const DESCRIPTORS_WANTED: u64 = 8192;

/// Prints one line to stdout; a closed stdout is ignored.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints text that ends with a line feed.
pub(super) fn text(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// Prints a prompt to stdout.
pub(super) fn prompt(text: &str) {
    let mut out = std::io::stdout();
    let _ = write!(out, "{text}");
    let _ = out.flush();
}

/// Prints an error to stderr, in the form of a log line.
pub(super) fn error(text: &str) {
    let now = chrono::Local::now().format("%Y/%m/%d %H:%M:%S");
    let line = format!("{now} {text}\n");
    let line = if paint::is_wanted() { paint::painted(&line) } else { line };
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Prints a warning to stderr.
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
