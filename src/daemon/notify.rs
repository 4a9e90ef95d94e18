//! Status notifications to systemd (sd_notify(3)). Does nothing if NOTIFY_SOCKET is not set. A
//! failure to send is ignored.

use std::time::Duration;

use sd_notify::NotifyState;

/// The environment variables of the supervisor, which children do not get.
pub const VARIABLES: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Whether a supervisor expects notifications.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The start or reload is complete; `systemctl status` shows `status`.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// `systemctl status` shows `status` from now on.
pub fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// A reload begins. `Type=notify-reload` requires the monotonic time in the same message.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The service is stopping.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Another process is the main process from now on: the new binary after an upgrade.
pub fn main_pid(pid: u32) {
    send(&[NotifyState::MainPid(pid)]);
}

/// Asks for `more` time to start, reload or stop, counted from now.
pub fn extend_timeout(more: Duration) {
    let usec = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::ExtendTimeoutUsec(usec)]);
}

/// The watchdog notification, due once every [`watchdog_interval`].
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] has to be called: half of WATCHDOG_USEC. `None`: no watchdog is set.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(state) {
        log::debug!("notifying systemd: {err}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    const MARK: &str = "CADDY_TEST_NOTIFY";

    #[test]
    fn silent_without_a_socket() {
        ready("x");
        assert_eq!(watchdog_interval(), None);
    }

    /// Runs only inside the process that `the_messages_arrive` starts, with NOTIFY_SOCKET set.
    #[test]
    fn child() {
        if std::env::var_os(MARK).is_none() {
            return;
        }
        ready("serving 2 sites");
        status("serving 3 sites");
        reloading();
        main_pid(77);
        extend_timeout(Duration::from_secs(3));
        watchdog();
        stopping();
    }

    #[test]
    fn the_messages_arrive() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        let out = Command::new(std::env::current_exe().expect("exe"))
            .args(["--exact", "daemon::notify::tests::child"])
            .env(MARK, "1")
            .env("NOTIFY_SOCKET", &path)
            .output()
            .expect("run");
        assert!(out.status.success());
        let next = || {
            let mut buf = [0; 512];
            let len = socket.recv(&mut buf).expect("message");
            String::from_utf8_lossy(&buf[..len]).into_owned()
        };
        assert_eq!(next(), "READY=1\nSTATUS=serving 2 sites\n");
        assert_eq!(next(), "STATUS=serving 3 sites\n");
        let reload = next();
        assert!(reload.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reload}");
        for want in ["MAINPID=77\n", "EXTEND_TIMEOUT_USEC=3000000\n", "WATCHDOG=1\n"] {
            assert_eq!(next(), want);
        }
        assert_eq!(next(), "STOPPING=1\n");
    }
}
