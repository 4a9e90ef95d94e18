//! Debian's nginx as an origin, with a configuration and directory for the test.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{free_port, wait_for};

/// A running nginx that serves `files` and takes uploads at `/put/`.
pub struct Nginx {
    pub addr: String,
    /// Removed with it.
    dir: TempDir,
    child: Child,
}

impl Nginx {
    /// Files: name and content.
    pub fn start(files: &[(&str, &[u8])]) -> Self {
        Self::listening("", 1_000_000, "", files)
    }

    /// Over plain HTTP/2, of which each connection ends (GOAWAY) after `requests`.
    pub fn http2(requests: usize, files: &[(&str, &[u8])]) -> Self {
        Self::listening("http2", requests, "", files)
    }

    /// Before a server of its own: what stands in `location /`.
    pub fn before(location: &str) -> Self {
        Self::listening("", 1_000_000, location, &[])
    }

    /// Answers 200 to any request on a socket with these parameters of `listen`, and what else
    /// they need.
    pub fn well(parameters: &str) -> Self {
        Self::listening(parameters, 1_000_000, "return 200 $ssl_server_name;", &[])
    }

    /// Over HTTP/2 and TLS: what stands in `location /`.
    pub fn secure(cert: &str, key: &str, location: &str) -> Self {
        let how = format!("ssl http2; ssl_certificate {cert}; ssl_certificate_key {key}");
        Self::listening(&how, 1_000_000, location, &[])
    }

    /// Lets `requests` per minute of a client in, and `burst` more at once; others get 429.
    pub fn limiting(requests: u32, burst: u32) -> Self {
        let zone =
            format!("limit_req_zone $binary_remote_addr zone=clients:1m rate={requests}r/m;");
        let limit = format!("limit_req zone=clients burst={burst} nodelay; limit_req_status 429;");
        Self::with(&zone, "", &limit, &[("index.html", b"in")])
    }

    fn listening(how: &str, requests: usize, rest: &str, files: &[(&str, &[u8])]) -> Self {
        let http = format!("keepalive_requests {requests};");
        Self::with(&http, how, rest, files)
    }

    /// What stands in `http`, behind the address in `listen`, and in `location /`.
    fn with(http: &str, how: &str, rest: &str, files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let addr = format!("127.0.0.1:{}", free_port());
        let home = dir.path().display().to_string();
        for folder in ["www/put", "tmp"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for (name, content) in files {
            std::fs::write(dir.path().join("www").join(name), content).unwrap();
        }
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let conf = format!(
            "daemon off; master_process off; {user} pid {home}/nginx.pid; error_log {home}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; client_max_body_size 0; client_body_temp_path {home}/tmp;\n\
             proxy_temp_path {home}/tmp; fastcgi_temp_path {home}/tmp; uwsgi_temp_path {home}/tmp;\n\
             scgi_temp_path {home}/tmp; {http}\n\
             server {{ listen {addr} {how}; root {home}/www;\n\
             location / {{ {rest} }}\n\
             location /put/ {{ dav_methods PUT; }}\n\
             location /host {{ return 200 $host; }} }} }}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), conf).unwrap();
        let child = Command::new("nginx")
            .args([
                "-p",
                &home,
                "-e",
                &format!("{home}/error.log"),
                "-c",
                &format!("{home}/nginx.conf"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx");
        let nginx = Self { addr, dir, child };
        wait_for("nginx to listen", Duration::from_secs(30), || {
            TcpStream::connect(&nginx.addr).ok()
        });
        nginx
    }

    /// Puts another file among those it serves.
    pub fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.dir.path().join("www").join(name), content).unwrap();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
