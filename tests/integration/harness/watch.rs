//! Ends the run when a test hangs, and reports its name, which a timeout from outside cannot.

use std::io::Write;
use std::process::Command;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

/// Many times what the longest test takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(900);

static RUNNING: Mutex<Vec<(u64, String, Instant)>> = Mutex::new(Vec::new());

/// Says that a test is running, until it is dropped.
pub struct Watch(u64);

impl Watch {
    pub fn new() -> Self {
        static START: Once = Once::new();
        START.call_once(|| {
            std::thread::spawn(watch);
        });
        let test = std::thread::current().name().unwrap_or("a thread without a name").to_owned();
        let id = fastrand::u64(..);
        RUNNING.lock().unwrap().push((id, test, Instant::now()));
        Self(id)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        RUNNING.lock().unwrap().retain(|(id, ..)| *id != self.0);
    }
}

/// The limit of this run, in which a test may be asked to last.
fn limit() -> Duration {
    let asked = std::env::var("PARTITION").ok().and_then(|text| text.parse().ok());
    LIMIT + Duration::from_secs(asked.unwrap_or(0))
}

fn watch() {
    let limit = limit();
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let late = |(_, test, since): &(u64, String, Instant)| {
            (since.elapsed() > limit).then(|| test.clone())
        };
        let Some(test) = RUNNING.lock().unwrap().iter().find_map(late) else { continue };
        let list = ["-eo", "pid,ppid,stat,etime,wchan:20,args", "--forest"];
        let processes = Command::new("ps").args(list).output().unwrap().stdout;
        // Past the capture of the tests' output.
        let mut stderr = std::io::stderr();
        let _ = stderr.write_all(&processes);
        let _ = writeln!(stderr, "{test} hangs: it has run for over {limit:?}");
        std::process::exit(101);
    }
}
