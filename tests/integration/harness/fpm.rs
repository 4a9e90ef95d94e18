//! Debian's php-fpm with a configuration for the test, on a unix socket and a TCP port.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{free_port, wait_for};

/// A running php-fpm: two pools of the same processes' kind.
pub struct Fpm {
    /// Of a unix socket and of a TCP port, as `fastcgi` takes them.
    pub unix: String,
    pub tcp: String,
    dir: TempDir,
    child: Child,
}

impl Fpm {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display().to_string();
        let (socket, tcp) = (format!("{home}/php.sock"), format!("127.0.0.1:{}", free_port()));
        let pool = |name: &str, listen: &str| {
            let user = if nix::unistd::geteuid().is_root() { "user = root\n" } else { "" };
            format!(
                "[{name}]\n{user}listen = {listen}\npm = static\npm.max_children = 4\n\
                 catch_workers_output = yes\nphp_admin_value[sys_temp_dir] = {home}\n\
                 php_admin_value[upload_tmp_dir] = {home}\nphp_admin_value[error_log] =\n\
                 php_admin_value[log_errors] = on\nphp_admin_value[output_buffering] = 0\n\
                 php_admin_value[upload_max_filesize] = 256M\n\
                 php_admin_value[post_max_size] = 256M\n\
                 php_admin_value[memory_limit] = 64M\n"
            )
        };
        let conf = format!(
            "[global]\nerror_log = {home}/error.log\ndaemonize = no\n{}{}",
            pool("unix", &socket),
            pool("tcp", &tcp)
        );
        std::fs::write(dir.path().join("fpm.conf"), conf).unwrap();
        let child = Command::new("php-fpm8.2")
            .args(["--nodaemonize", "--allow-to-run-as-root", "-n", "-y"])
            .arg(dir.path().join("fpm.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("php-fpm8.2; tests/setup.sh installs it");
        let fpm = Self { unix: format!("unix:{socket}"), tcp, dir, child };
        wait_for("php-fpm to listen", Duration::from_secs(30), || {
            UnixStream::connect(&socket).ok()?;
            std::net::TcpStream::connect(&fpm.tcp).ok()
        });
        fpm
    }

    /// Ends the connections of all children, and their lives, as a restart of php-fpm does.
    pub fn restart_children(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let before = self.log().matches("ready to handle connections").count();
        kill(pid, Signal::SIGUSR2).unwrap();
        wait_for("php-fpm to come back", Duration::from_secs(30), || {
            (self.log().matches("ready to handle connections").count() > before).then_some(())
        });
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Fpm {
    fn drop(&mut self) {
        // Its children end with it on TERM; a KILL would leave them.
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- php-fpm\n{}", self.log());
        }
    }
}
