//! An ASP.NET site as an origin: Mono runs the pages of `tests/aspnet` behind nginx. Debian's HTTP
//! server for Mono, xsp4, does not start with Debian's Mono.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{Nginx, free_port, wait_for};

/// A running site with its pages.
pub struct AspNet {
    /// Of the HTTP server.
    pub addr: String,
    /// Of Mono itself, for `fastcgi`.
    pub fastcgi: String,
    /// Where the pages are.
    pub pages: TempDir,
    _nginx: Nginx,
    mono: Child,
}

impl AspNet {
    pub fn start() -> Self {
        let pages = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aspnet/Default.aspx");
        std::fs::copy(source, pages.path().join("Default.aspx")).unwrap();
        let (home, fastcgi) = (pages.path().display(), format!("127.0.0.1:{}", free_port()));
        let mono = Command::new("fastcgi-mono-server4")
            .args([format!("/applications=/:{home}"), format!("/socket=tcp:{fastcgi}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("fastcgi-mono-server4; tests/setup.sh installs it");
        wait_for("Mono to listen", Duration::from_secs(30), || TcpStream::connect(&fastcgi).ok());
        let nginx = Nginx::before(&format!(
            "fastcgi_pass {fastcgi}; include /etc/nginx/fastcgi_params; fastcgi_param PATH_INFO \"\";\n\
             fastcgi_param SCRIPT_FILENAME {home}$fastcgi_script_name;"
        ));
        Self { addr: nginx.addr.clone(), fastcgi, pages, _nginx: nginx, mono }
    }
}

impl Drop for AspNet {
    fn drop(&mut self) {
        let _ = self.mono.kill();
        let _ = self.mono.wait();
    }
}
