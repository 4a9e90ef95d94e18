//! Runs the commands that a Caddyfile sets for events of the service.

use std::process::Child;

use crate::credentials;
use crate::daemon::command::{self, Exit};
use crate::daemon::{activation, notify, upgrade};
use crate::site::{Event, Hook};

/// Lists of variables that are for this process and for no child of it, each from who reads them;
/// beside credentials.
const WITHHELD: [&[&str]; 3] = [notify::VARIABLES, activation::VARIABLES, upgrade::VARIABLES];

/// Runs the commands of one event, in the order of the Caddyfile, and waits for each unless it is
/// in the background. The command is killed when `give_up` returns true.
///
/// # Errors
/// A command could not be started, or one that is waited for failed; the later ones have not run.
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
        let credentials = credentials::withheld();
        let credentials = credentials.iter().map(String::as_str);
        let withheld = WITHHELD.into_iter().flatten().copied().chain(credentials);
        let child = command::spawn(&hook.command, env, withheld);
        let mut child = child.map_err(|e| failed(e.to_string()))?;
        if hook.background {
            in_background(child, shown);
            continue;
        }
        match command::wait(&mut child, &mut give_up).map_err(|e| failed(e.to_string()))? {
            Exit::Success => {}
            Exit::Failed(status) => return Err(failed(status)),
            Exit::Killed => return Err(failed("interrupted by a signal".to_owned())),
        }
    }
    Ok(())
}

/// [`run`] on a thread of its own; failures are logged.
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

/// Waits for the child on a thread of its own, so that it does not stay a zombie.
fn in_background(child: Child, shown: String) {
    aside(move || match command::reap(child) {
        Ok(Exit::Failed(status)) => log::warn!("command '{shown}': {status}"),
        Ok(Exit::Success | Exit::Killed) => {}
        Err(error) => log::warn!("command '{shown}': {error}"),
    });
}

fn aside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name("command".to_owned()).spawn(work) {
        log::error!("cannot start a thread: {error}");
    }
}
