//! Certificates from a CA: the settings from the command line, the storage directory, and the
//! agreement to the CA's terms.

use std::io::{BufRead as _, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{getpgrp, tcgetpgrp};

use super::output;
use crate::cli::Options;
use crate::daemon::privileges;
use crate::fleet::store::Shared;
use crate::site::Snapshot;
use crate::tls::acme::{self, Challenge, Keeper, Settings, Undecided};
use crate::tls::{Folder, TlsListener};

/// Creates the keeper of this process's certificates, without starting it.
pub(super) fn keeper(options: &Options, shared: Option<&Shared>) -> Result<Arc<Keeper>, String> {
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
    Ok(match shared {
        Some(shared) => Keeper::new(shared.clone(), settings),
        None => Keeper::new(Folder::new(folder(options)), settings),
    })
}

pub(super) fn revoke(keeper: &Keeper, host: &str) -> Result<(), String> {
    acme::revoke(keeper, host).map_err(|failure| failure.to_string())
}

pub(super) fn listeners(snapshot: &Snapshot) -> impl Iterator<Item = &TlsListener> {
    snapshot.listeners.iter().filter_map(|listener| listener.tls.as_ref())
}

/// Asks at the terminal for agreement to a CA's terms if it is missing, while the sites are already
/// served. Without a terminal, or in its background, only the log reports it.
pub(super) fn consent(keeper: &Arc<Keeper>, snapshot: &Snapshot, options: &Options) {
    let Some(undecided) = keeper.undecided(listeners(snapshot)) else { return };
    let is_person = std::io::stdout().is_terminal() && may_read_terminal();
    if options.daemon || options.quiet || !is_person {
        return;
    }
    let keeper = keeper.clone();
    // On a thread of its own, so that signals are handled while it waits.
    let asking = move || {
        if let Some(email) = ask(&keeper, &undecided) {
            keeper.agree(&email);
        }
    };
    let started = std::thread::Builder::new().name("terms".to_owned()).spawn(asking);
    if let Err(error) = started {
        log::error!("cannot start a thread: {error}");
    }
}

/// Returns the e-mail address if the terms are accepted; it may be empty.
fn ask(keeper: &Keeper, undecided: &Undecided) -> Option<String> {
    let terms = keeper.terms_of(&undecided.ca);
    output::line("");
    output::line("Your sites will be served over HTTPS automatically using an ACME CA:");
    output::line(&format!("  {}", undecided.ca));
    output::line("By continuing, you agree to its subscriber agreement:");
    output::line(&format!("  {}", terms.as_deref().unwrap_or("(the CA gives no address)")));
    let agreed = answer("Do you agree to the terms? (y/n): ")?.to_ascii_lowercase();
    if !matches!(agreed.as_str(), "y" | "yes") {
        output::line("No certificate is requested. To agree later, start with -agree.");
        return None;
    }
    if !undecided.needs_email {
        return Some(String::new());
    }
    output::line("The CA can send notices to an e-mail address; it may be left blank.");
    loop {
        let email = answer("E-mail address: ")?;
        if email.is_empty() || email.contains('@') {
            return Some(email);
        }
        output::line(&format!("'{email}' is not an e-mail address."));
    }
}

/// Reads one line; `None` at the end of the input.
fn answer(question: &str) -> Option<String> {
    output::prompt(question);
    let stdin = std::io::stdin();
    // In the background of a terminal, a read would stop the process.
    loop {
        poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).ok()?;
        if may_read_terminal() {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer).ok()?;
    (read > 0).then(|| answer.trim().to_owned())
}

/// Whether standard input is a terminal with this process in its foreground. A read from the
/// background would stop the process (SIGTTIN, POSIX.1-2017 11.1.4).
fn may_read_terminal() -> bool {
    tcgetpgrp(std::io::stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

/// `$CADDYPATH`, else `.caddy` in the home of the user that the service runs as.
pub(super) fn folder(options: &Options) -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = var("CADDYPATH") {
        return PathBuf::from(path);
    }
    let home = options.user.as_deref().and_then(privileges::home);
    home.or_else(|| var("HOME").map(PathBuf::from)).unwrap_or_default().join(".caddy")
}
