//! Settings of the command line that apply to every site.

use std::path::PathBuf;
use std::sync::Arc;

use crate::congestion::{Congestion, TcpCongestion};
use crate::experiment::Experiments;
use crate::fleet::common::Common;
use crate::http::sink::OpenSink;
use crate::report::Process;
use crate::tls::acme::Keeper;

/// Settings of the command line that apply to every site.
pub struct Settings {
    pub host: String,
    pub port: String,
    pub http_port: u16,
    pub https_port: u16,
    /// The port that `Alt-Svc` names, where it is not the listener's.
    pub alt_svc_port: Option<u16>,
    /// `-root`, where it is given.
    pub root: Option<PathBuf>,
    pub quic: bool,
    pub congestion: Congestion,
    pub tcp_congestion: Option<TcpCongestion>,
    pub http2: bool,
    pub sinks: Arc<dyn OpenSink>,
    /// What handlers for the operator read.
    pub process: Process,
    /// Of `-fleet`.
    pub fleet: Option<Arc<Common>>,
    /// Of `quic_report`.
    pub experiments: Arc<Experiments>,
    /// Of certificates from a CA.
    pub keeper: Arc<Keeper>,
}
