//! Certificates from a CA as the command line has them: where they are kept, and whether its
//! terms are agreed to.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::output;
use crate::cli::Options;
use crate::daemon::privileges;
use crate::site::Snapshot;
use crate::tls::TlsListener;
use crate::tls::acme::{self, Challenge, Folder, Keeper, Settings, Undecided};

/// The keeper of this process's certificates; it does nothing yet.
pub(super) fn keeper(options: &Options) -> Result<Arc<Keeper>, String> {
    let mut challenges = Vec::new();
    if options.http_challenge {
        challenges.push(Challenge::Http);
    }
    if options.tls_alpn_challenge {
        challenges.push(Challenge::TlsAlpn);
    }
    let settings = Settings {
        ca: acme::ca_url(&options.ca)?,
        email: options.email.clone(),
        agreed: options.agree,
        timeout: options.ca_timeout,
        challenges,
    };
    Ok(Keeper::new(Folder::new(folder(options)), settings))
}

pub(super) fn revoke(keeper: &Keeper, host: &str) -> Result<(), String> {
    acme::revoke(keeper, host).map_err(|failure| failure.to_string())
}

pub(super) fn listeners(snapshot: &Snapshot) -> impl Iterator<Item = &TlsListener> {
    snapshot.listeners.iter().filter_map(|listener| listener.tls.as_ref())
}

/// Asks a person at the terminal where nobody has agreed to a CA's terms yet. Without one the
/// log says what is missing, and the sites start all the same.
pub(super) fn consent(keeper: &Keeper, snapshot: &Snapshot, options: &Options) {
    let Some(undecided) = keeper.undecided(listeners(snapshot)) else { return };
    let stdin = std::io::stdin();
    let is_person = stdin.is_terminal() && std::io::stdout().is_terminal();
    if options.daemon || options.quiet || !is_person {
        return;
    }
    if ask(&undecided) {
        keeper.agree();
    }
}

fn ask(undecided: &Undecided) -> bool {
    output::line("");
    output::line("Your sites will be served over HTTPS automatically using an ACME CA:");
    output::line(&format!("  {}", undecided.ca));
    output::line("By continuing, you agree to its subscriber agreement.");
    if undecided.needs_email {
        output::line("To be told about trouble with a certificate, stop and start with -email.");
    }
    output::prompt("Do you agree to the terms? (y/n): ");
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer).is_err() {
        return false;
    }
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// `$CADDYPATH`, else `.caddy` in the home of the user that the service runs as.
fn folder(options: &Options) -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = var("CADDYPATH") {
        return PathBuf::from(path);
    }
    let home = options.user.as_deref().and_then(privileges::home);
    home.or_else(|| var("HOME").map(PathBuf::from)).unwrap_or_default().join(".caddy")
}
