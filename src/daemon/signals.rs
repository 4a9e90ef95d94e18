//! Signals as events. A thread waits here; the handlers only wake it.
//!
//! HUP and USR1 reload; TERM, QUIT and INT stop; a second TERM or INT stops at once; USR2 upgrades
//! to the new binary. SIGPIPE stays ignored, as in every Rust program.

use std::collections::VecDeque;
use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

const WATCHED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// The operator's request; the text is the name of the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Read the configuration again and reopen the logs.
    Reload(&'static str),
    /// Stop gracefully.
    Stop(&'static str),
    /// Stop without draining.
    StopNow(&'static str),
    /// Upgrade to the new binary.
    Upgrade,
}

/// The installed signal handlers.
pub struct Signals {
    inner: signal_hook::iterator::Signals,
    queue: PendingEvents,
}

impl Signals {
    /// Installs the handlers. To be called before any thread exists, and after detaching: Ctrl-C
    /// should still end a parent that waits for its child, and the two must not share the reader.
    ///
    /// # Errors
    /// A handler or the pipe that wakes the reader cannot be created.
    pub fn install() -> io::Result<Self> {
        let inner = signal_hook::iterator::Signals::new(WATCHED)?;
        Ok(Self { inner, queue: PendingEvents::default() })
    }

    /// Blocks until the next event. Equal signals are merged; after a stop, only a second stop is
    /// an event.
    pub fn wait(&mut self) -> Event {
        loop {
            if let Some(event) = self.queue.next() {
                return event;
            }
            self.queue.add(self.inner.wait());
        }
    }
}

#[derive(Default)]
struct PendingEvents {
    events: VecDeque<Event>,
    stopping: bool,
}

impl PendingEvents {
    /// Converts signals that arrived together into events: stops first, reloads merged.
    fn add(&mut self, signals: impl IntoIterator<Item = i32>) {
        let signals: Vec<i32> = signals.into_iter().collect();
        for &signal in &signals {
            match (signal, self.stopping) {
                (SIGINT | SIGTERM | SIGQUIT, false) => {
                    self.stopping = true;
                    self.events.clear();
                    self.events.push_back(Event::Stop(name(signal)));
                }
                (SIGINT | SIGTERM, true) => self.events.push_back(Event::StopNow(name(signal))),
                _ => {}
            }
        }
        if self.stopping {
            return;
        }
        if let Some(&signal) = signals.iter().find(|s| matches!(**s, SIGHUP | SIGUSR1))
            && !self.events.iter().any(|e| matches!(e, Event::Reload(_)))
        {
            self.events.push_back(Event::Reload(name(signal)));
        }
        if signals.contains(&SIGUSR2) && !self.events.contains(&Event::Upgrade) {
            self.events.push_back(Event::Upgrade);
        }
    }

    fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("signal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::low_level::raise;

    fn drain(queue: &mut PendingEvents) -> Vec<Event> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn storms_are_merged_and_stops_go_first() {
        use Event::{Reload, Stop, StopNow, Upgrade};
        let cases: &[(&[&[i32]], &[Event])] = &[
            (&[&[SIGHUP, SIGHUP, SIGUSR1]], &[Reload("SIGHUP")]),
            (&[&[SIGUSR1], &[SIGHUP]], &[Reload("SIGUSR1")]),
            (&[&[SIGHUP, SIGUSR2]], &[Reload("SIGHUP"), Upgrade]),
            (&[&[SIGHUP], &[SIGTERM]], &[Stop("SIGTERM")]),
            (&[&[SIGHUP, SIGQUIT]], &[Stop("SIGQUIT")]),
            (&[&[SIGTERM], &[SIGHUP, SIGUSR2]], &[Stop("SIGTERM")]),
            (&[&[SIGQUIT], &[SIGQUIT]], &[Stop("SIGQUIT")]),
            (&[&[SIGQUIT], &[SIGTERM]], &[Stop("SIGQUIT"), StopNow("SIGTERM")]),
            (&[&[SIGINT], &[SIGINT]], &[Stop("SIGINT"), StopNow("SIGINT")]),
            (&[&[]], &[]),
        ];
        for (batches, want) in cases {
            let mut queue = PendingEvents::default();
            for batch in *batches {
                queue.add(batch.iter().copied());
            }
            assert_eq!(drain(&mut queue), *want, "{batches:?}");
        }
    }

    #[test]
    fn signals_of_the_process_arrive() {
        let mut signals = Signals::install().expect("install");
        raise(SIGUSR1).expect("raise");
        assert_eq!(signals.wait(), Event::Reload("SIGUSR1"));
        raise(SIGUSR2).expect("raise");
        assert_eq!(signals.wait(), Event::Upgrade);
    }
}
