//! Converts the command line into the settings of the modules.

use std::sync::Arc;

use super::certificates;
use crate::cli::Options;
use crate::config::{Input, Settings};
use crate::daemon::processlog;
use crate::daemon::record::Layout;
use crate::experiment::Experiments;
use crate::fleet::store::Shared;
use crate::http::sink::OpenSink;
use crate::report::Process;

pub(super) fn settings(
    options: &Options,
    sinks: Arc<dyn OpenSink>,
    shared: &Option<Shared>,
) -> Result<Settings, String> {
    let fleet = shared.as_ref().map(Shared::common);
    Ok(Settings {
        host: options.host.clone(),
        port: options.port.clone(),
        http_port: options.http_port,
        https_port: options.https_port,
        alt_svc_port: options.alt_svc_port,
        root: options.root.clone(),
        quic: options.quic,
        congestion: options.congestion,
        tcp_congestion: options.tcp_congestion.clone(),
        http2: options.http2,
        sinks,
        process: Process::default(),
        experiments: Arc::new(Experiments::new(certificates::folder(options), fleet.clone())),
        fleet,
        keeper: certificates::keeper(options, shared.as_ref())?,
    })
}

pub(super) fn log_style(options: &Options) -> processlog::Style {
    processlog::Style {
        target: processlog::parse_target(&options.log),
        roll_mb: options.log_roll_mb,
        compress: options.log_roll_compress,
        timestamps: options.log_timestamps,
        layout: if options.log_json { Layout::Json } else { Layout::Text },
    }
}

pub(super) fn input(options: &Options) -> Input {
    Input { conf: options.conf.clone(), lines: options.lines.clone(), site: options.site.clone() }
}
