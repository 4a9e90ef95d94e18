//! The limit of open files (RLIMIT_NOFILE): reading it, and raising it to the hard limit.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The soft limit of open files (RLIMIT_NOFILE); 0 when it cannot be read.
#[must_use]
pub fn nofile() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

/// Raises the soft limit of open files to the hard one and returns the resulting limit.
pub fn raise_nofile() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return soft;
    }
    nofile()
}

/// The number of files that the process has open.
#[must_use]
pub fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_counted() {
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null")).collect();
        assert!(files.iter().all(Result::is_ok) && open_files() >= 50);
    }

    #[test]
    fn raising_never_lowers() {
        let before = nofile();
        let after = raise_nofile();
        assert!(before > 0 && after >= before);
        assert_eq!(after, nofile());
        assert_eq!(after, getrlimit(Resource::RLIMIT_NOFILE).expect("limit").1);
    }
}
