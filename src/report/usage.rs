//! What the process uses of the machine, from proc(5). A value that cannot be read is missing.

use std::fs;

/// Clock ticks of a second in proc(5), the same on every Linux.
const TICKS: f64 = 100.0;

/// The use of the process at one time.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    pub threads: Option<u64>,
    pub descriptors: Option<u64>,
    /// The limit of open files.
    pub most_descriptors: Option<u64>,
    pub resident_bytes: Option<u64>,
    pub peak_resident_bytes: Option<u64>,
    /// User and system time.
    pub cpu_seconds: Option<f64>,
}

impl Usage {
    /// Reads files, which never waits for a disk, but for the kernel.
    pub fn read() -> Self {
        let read = |name| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let status = read("status");
        let kib = |name| number(&status, name).map(|kib| kib.saturating_mul(1024));
        let descriptors = fs::read_dir("/proc/self/fd").ok();
        Self {
            threads: number(&status, "Threads:"),
            // Without the one that lists them.
            descriptors: descriptors.map(|entries| (entries.count() as u64).saturating_sub(1)),
            most_descriptors: number(&read("limits"), "Max open files"),
            resident_bytes: kib("VmRSS:"),
            peak_resident_bytes: kib("VmHWM:"),
            cpu_seconds: cpu_seconds(&read("stat")),
        }
    }
}

/// The number behind a name.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The 14th and 15th field. The second one is the program's name in parentheses, which may have
/// spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_this_process_is_known() {
        let usage = Usage::read();
        let numbers = [usage.threads, usage.descriptors, usage.most_descriptors];
        let bytes = [usage.resident_bytes, usage.peak_resident_bytes];
        assert!(numbers.iter().chain(&bytes).all(|one| one.is_some_and(|n| n > 0)), "{usage:?}");
        assert!(usage.cpu_seconds.is_some());
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 5";
        assert_eq!(cpu_seconds(stat), Some(2.0));
    }
}
