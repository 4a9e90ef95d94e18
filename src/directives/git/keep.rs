//! Keeps the files of a repository up to date while a configuration is in use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use super::repository::Repository;
use crate::limits::{GIT_DISTANCE, GIT_RETRY};
use crate::site::Task;
use crate::upstream::Shared;

/// What is known of a directory; configurations that follow one another share it.
#[derive(Default)]
pub(super) struct State {
    /// Somebody has pushed.
    pushed: Notify,
    /// Held by the task that fetches: sites of one block have one.
    turn: tokio::sync::Mutex<()>,
    /// Held while commands run, which outlive their task.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The commit that the commands of the block have run for.
    commit: Option<String>,
    /// The last failure that the log has.
    failure: Option<String>,
}

impl State {
    pub(super) fn of(repository: &Repository) -> Arc<Self> {
        static KNOWN: Shared<State> = Shared::new();
        KNOWN.get(repository.path.display().to_string(), Self::default)
    }

    /// Has the repository fetched soon.
    pub(super) fn push(&self) {
        self.pushed.notify_one();
    }
}

/// Fetches now, at intervals, and after pushes.
pub(super) fn task(repository: Repository, state: Arc<State>) -> Task {
    let repository = Arc::new(repository);
    Task::new(move || async move {
        let _turn = state.turn.lock().await;
        loop {
            let done = aside(repository.clone(), state.clone()).await;
            // Many pushes at a time are one.
            sleep(GIT_DISTANCE).await;
            let pause = match (done, repository.interval) {
                (true, interval) => interval,
                (false, interval) => Some(interval.map_or(GIT_RETRY, |i| i.min(GIT_RETRY))),
            };
            let pause = pause.map_or(Duration::MAX, |pause| pause.saturating_sub(GIT_DISTANCE));
            let _ = timeout(pause, state.pushed.notified()).await;
        }
    })
}

/// Fetches on a thread of its own, which ends what it has begun.
async fn aside(repository: Arc<Repository>, state: Arc<State>) -> bool {
    let (done, waits) = oneshot::channel();
    let work = move || {
        // The task may have ended.
        let _ = done.send(fetch(&repository, &state));
    };
    match std::thread::Builder::new().name("git".to_owned()).spawn(work) {
        Ok(_) => waits.await.unwrap_or(false),
        Err(error) => {
            log::error!("git: cannot start a thread: {error}");
            false
        }
    }
}

/// Fetches once and runs the commands if there is something new; returns whether that succeeded.
fn fetch(repository: &Arc<Repository>, state: &State) -> bool {
    let mut known = state.known.lock().unwrap_or_else(PoisonError::into_inner);
    let shown = repository.shown();
    let commit = match repository.update() {
        Ok(commit) => commit,
        Err(error) => {
            if known.failure.as_ref() != Some(&error) {
                log::warn!("git: {shown}: {error}; retrying; the existing files are still served");
            }
            known.failure = Some(error);
            return false;
        }
    };
    let is_new = known.commit.as_ref() != Some(&commit);
    if is_new || known.failure.is_some() {
        log::info!("git: {shown}: {} is at commit {commit}", repository.path.display());
    }
    *known = Known { commit: Some(commit), failure: None };
    if is_new {
        run_commands(repository);
    }
    true
}

/// In their order; one that fails keeps no other from running.
fn run_commands(repository: &Arc<Repository>) {
    for command in &repository.commands {
        let (repository, words) = (repository.clone(), command.words.clone());
        let run = move || match repository.run(&words) {
            Ok(()) => log::info!("git: command '{}' has run", words.join(" ")),
            Err(error) => log::warn!("git: command '{}' failed: {error}", words.join(" ")),
        };
        if !command.is_long {
            run();
        } else if let Err(error) = std::thread::Builder::new().name("git".to_owned()).spawn(run) {
            log::error!("git: cannot start a thread: {error}");
        }
    }
}
