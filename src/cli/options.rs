//! What the command line says, and what holds where it says nothing.

use std::path::PathBuf;
use std::time::Duration;

use crate::congestion::{Congestion, TcpCongestion};
use crate::http::ranges::Ranges;
use crate::limits::{CA_TIMEOUT, DRAIN, LOG_ROLL_MB};

/// The default of `-ca`.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The parsed command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// `-conf`: a file, or `stdin`.
    pub conf: Option<String>,
    pub host: String,
    pub port: String,
    pub http_port: u16,
    pub https_port: u16,
    /// `-alt-svc-port`: the port in `Alt-Svc`, instead of the listener's.
    pub alt_svc_port: Option<u16>,
    /// `-root`, if given.
    pub root: Option<PathBuf>,
    pub quic: bool,
    /// `-quic-congestion`.
    pub congestion: Congestion,
    /// `-tcp-congestion`; the kernel's own choice otherwise.
    pub tcp_congestion: Option<TcpCongestion>,
    /// `-qlog`: the directory for records of QUIC connections.
    pub qlog: Option<PathBuf>,
    /// `-qlog-sample`: of so many connections, one is recorded.
    pub qlog_sample: u32,
    /// `-qlog-from`: only those of these clients.
    pub qlog_from: Option<Ranges>,
    pub http2: bool,
    pub grace: Duration,
    /// `-cpu`, in percent or workers.
    pub cpu: Cpu,
    pub log: String,
    /// `-log-format json`.
    pub log_json: bool,
    /// Size in MB at which the process log is rotated; 0: never.
    pub log_roll_mb: u32,
    pub log_roll_compress: bool,
    pub log_timestamps: bool,
    pub pidfile: Option<PathBuf>,
    /// `-control`: the control socket.
    pub control: Option<PathBuf>,
    pub user: Option<String>,
    pub server_type: String,
    pub quiet: bool,
    pub daemon: bool,
    /// `-agree`: the operator accepts the terms of the CA.
    pub agree: bool,
    /// `-ca`: URL of the ACME directory.
    pub ca: String,
    /// `-catimeout`.
    pub ca_timeout: Duration,
    /// `-email`; may be empty.
    pub email: String,
    /// `-fleet`: the URL of the engine that several machines share.
    pub fleet: Option<String>,
    /// `-fleet-key`: the file with the key of what is shared.
    pub fleet_key: Option<PathBuf>,
    /// `-fleet-listen`: where packets of the other machines come in.
    pub fleet_listen: Option<String>,
    pub http_challenge: bool,
    pub tls_alpn_challenge: bool,
    pub action: Action,
    /// `-json`: what `-status` and `-quic-report` print.
    pub json: bool,
    /// `-svg`: what `-quic-report` prints.
    pub svg: bool,
    /// `-revoke`.
    pub revoke: String,
    /// Positional arguments: one Caddyfile line each.
    pub lines: Vec<String>,
    /// The address of the site that the lines are of; that of `-host` and `-port` otherwise.
    pub site: Option<String>,
    /// `-overwrite`: `-fmt` rewrites the Caddyfile in place.
    pub overwrite: bool,
}

/// What the process is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Serve,
    Validate,
    Version,
    Plugins,
    Revoke,
    /// Has the running service reload.
    Reload,
    /// Has it tell its status.
    Status,
    /// Has it tell whether HTTP/3 pays off.
    QuicReport,
    /// Has it stop.
    Stop,
    /// Formats the Caddyfile.
    Format,
    /// Translates a configuration of nginx or of Caddy 2.
    Convert,
    Help,
}

/// `-cpu`: the share of the processors to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    Percent(usize),
    Count(usize),
}

impl Cpu {
    /// The number of workers on a machine with `available` processors.
    pub fn workers(self, available: usize) -> usize {
        match self {
            Self::Percent(percent) => (available * percent / 100).max(1),
            Self::Count(count) => count.min(available).max(1),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            conf: None,
            host: String::new(),
            port: "2015".to_owned(),
            http_port: 80,
            https_port: 443,
            alt_svc_port: None,
            root: None,
            quic: true,
            congestion: Congestion::default(),
            tcp_congestion: None,
            qlog: None,
            qlog_sample: 1,
            qlog_from: None,
            http2: true,
            grace: DRAIN,
            cpu: Cpu::Percent(100),
            log: String::new(),
            log_json: false,
            log_roll_mb: LOG_ROLL_MB,
            log_roll_compress: true,
            log_timestamps: true,
            pidfile: None,
            control: None,
            user: None,
            server_type: "http".to_owned(),
            quiet: false,
            daemon: false,
            agree: false,
            ca: LETS_ENCRYPT.to_owned(),
            ca_timeout: CA_TIMEOUT,
            email: String::new(),
            fleet: None,
            fleet_key: None,
            fleet_listen: None,
            http_challenge: true,
            tls_alpn_challenge: true,
            revoke: String::new(),
            action: Action::Serve,
            json: false,
            svg: false,
            lines: Vec::new(),
            site: None,
            overwrite: false,
        }
    }
}
