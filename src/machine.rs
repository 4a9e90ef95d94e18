//! What the kernel says of this machine. By a system call: in a sandbox the files of /proc that say
//! it are hidden (`ProcSubset=pid`).

/// The host name; empty if it is not text.
pub fn name() -> String {
    text(rustix::system::uname().nodename())
}

/// The release of the kernel, such as `6.1.0-25-amd64`.
pub fn kernel() -> String {
    text(rustix::system::uname().release())
}

fn text(word: &std::ffi::CStr) -> String {
    word.to_str().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;

    #[test]
    fn it_is_what_proc_says() {
        for (said, file) in [(super::name(), "hostname"), (super::kernel(), "osrelease")] {
            let known = read_to_string(format!("/proc/sys/kernel/{file}")).unwrap();
            assert_eq!(said, known.trim());
            assert_ne!(said, "");
        }
    }
}
