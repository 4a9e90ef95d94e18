//! What goes on beside requests: the tasks of the configuration in force, on one thread of their
//! own, which a configuration without any never starts.

use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};

use crate::site::Task;

/// The thread, once there is one.
#[derive(Default)]
pub(super) struct Background {
    inbox: Option<UnboundedSender<Vec<Task>>>,
}

impl Background {
    /// Ends the tasks of the generation before, wherever they stand, and starts these.
    pub(super) fn replace(&mut self, tasks: Vec<Task>) {
        if self.inbox.is_none() && tasks.is_empty() {
            return;
        }
        let inbox = self.inbox.get_or_insert_with(start);
        if inbox.send(tasks).is_err() {
            log::error!("the thread for health checks and names of upstreams has ended");
        }
    }
}

fn start() -> UnboundedSender<Vec<Task>> {
    let (inbox, generations) = unbounded_channel();
    let live = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => LocalSet::new().block_on(&runtime, follow(generations)),
            Err(error) => log::error!("no health checks and no names of upstreams: {error}"),
        }
    };
    if let Err(error) = thread::Builder::new().name("background".to_owned()).spawn(live) {
        log::error!("no health checks and no names of upstreams: starting a thread: {error}");
    }
    inbox
}

async fn follow(mut generations: UnboundedReceiver<Vec<Task>>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            next = generations.recv() => {
                let Some(tasks) = next else { return };
                // What is dropped with the old set ends.
                running = JoinSet::new();
                for task in tasks {
                    running.spawn_local(task.start());
                }
            }
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    log::error!("a task beside requests broke off: {error}");
                }
            }
        }
    }
}
