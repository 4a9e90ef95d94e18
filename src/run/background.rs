//! Runs the background tasks of the active configuration on one thread, which is started with the
//! first task.

use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};

use crate::site::Task;

/// The thread, once it is started.
#[derive(Default)]
pub(super) struct Background {
    inbox: Option<UnboundedSender<Vec<Task>>>,
}

impl Background {
    /// Drops the tasks of the previous configuration and starts these.
    pub(super) fn replace(&mut self, tasks: Vec<Task>) {
        if self.inbox.is_none() && tasks.is_empty() {
            return;
        }
        let inbox = self.inbox.get_or_insert_with(start);
        if inbox.send(tasks).is_err() {
            log::error!("the thread for health checks and DNS has stopped: restart caddy");
        }
    }
}

fn start() -> UnboundedSender<Vec<Task>> {
    let (inbox, generations) = unbounded_channel();
    let live = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => LocalSet::new().block_on(&runtime, follow(generations)),
            Err(error) => log::error!("health checks and DNS are unavailable: {error}"),
        }
    };
    if let Err(error) = thread::Builder::new().name("background".to_owned()).spawn(live) {
        log::error!("health checks and DNS are unavailable: cannot start a thread: {error}");
    }
    inbox
}

async fn follow(mut generations: UnboundedReceiver<Vec<Task>>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            next = generations.recv() => {
                let Some(tasks) = next else { return };
                // Dropping the set aborts its tasks.
                running = JoinSet::new();
                for task in tasks {
                    running.spawn_local(task.start());
                }
            }
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    log::error!("a background task failed: {error}");
                }
            }
        }
    }
}
