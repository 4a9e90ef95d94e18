//! The commands that a Caddyfile hangs on points of the service's life.

use std::process::Child;

use crate::daemon::command::{self, Exit};
use crate::daemon::{activation, notify, upgrade};
use crate::site::{Event, Hook};
use crate::tls::DNS_VARIABLES;

/// Lists of variables that are for this process and for no child of it, each from who reads them.
const WITHHELD: [&[&[&str]]; 2] =
    [&[notify::VARIABLES, activation::VARIABLES, upgrade::VARIABLES], DNS_VARIABLES];

/// Runs those of one event, in the order of the Caddyfile, and waits for each that is not in the
/// background. `give_up` says that nobody wants to wait any more.
///
/// # Errors
/// A command could not be started, or failed where it is waited for; the others have not run.
pub(super) fn run(
    hooks: &[Hook],
    event: Event,
    env: &[(&str, &str)],
    mut give_up: impl FnMut() -> bool,
) -> Result<(), String> {
    for hook in hooks.iter().filter(|hook| hook.event == event) {
        let shown = hook.command.join(" ");
        let manner = if hook.background { "Nonblocking" } else { "Blocking" };
        log::info!("{manner} Command:\"{shown}\"");
        let failed = |why: String| format!("command '{shown}': {why}");
        let withheld = WITHHELD.iter().copied().flatten().copied().flatten().copied();
        let child = command::spawn(&hook.command, env, withheld);
        let mut child = child.map_err(|e| failed(e.to_string()))?;
        if hook.background {
            in_background(child, shown);
            continue;
        }
        match command::wait(&mut child, &mut give_up).map_err(|e| failed(e.to_string()))? {
            Exit::Success => {}
            Exit::Failed(status) => return Err(failed(status)),
            Exit::Killed => return Err(failed("cut short by a signal".to_owned())),
        }
    }
    Ok(())
}

/// [`run`] beside the caller, who cannot wait: what fails is a line in the log.
pub(super) fn run_aside(hooks: &[Hook], event: Event, env: &[(&str, &str)]) {
    let hooks: Vec<Hook> = hooks.iter().filter(|hook| hook.event == event).cloned().collect();
    if hooks.is_empty() {
        return;
    }
    let env: Vec<(String, String)> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    aside(move || {
        let env: Vec<_> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
        if let Err(error) = run(&hooks, event, &env, || false) {
            log::error!("{error}");
        }
    });
}

/// Waits for the child without anybody waiting, so that it does not stay a zombie.
fn in_background(child: Child, shown: String) {
    aside(move || match command::reap(child) {
        Ok(Exit::Failed(status)) => log::warn!("command '{shown}': {status}"),
        Ok(Exit::Success | Exit::Killed) => {}
        Err(error) => log::warn!("command '{shown}': {error}"),
    });
}

fn aside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name("command".to_owned()).spawn(work) {
        log::error!("starting a thread: {error}");
    }
}
