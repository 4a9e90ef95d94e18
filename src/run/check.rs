//! `-validate`: all that a start does short of touching anything.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use super::exit::{Failure, OK};
use super::fleet;
use super::output;
use super::settings::{input, settings};
use super::sinks::NoSinks;
use crate::cli::Options;
use crate::config;
use crate::daemon::{privileges, processlog};
use crate::warning::Warning;

pub(super) fn validate(options: &Options) -> u8 {
    match check(options) {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| output::warning(&warning.shown()));
            output::line("Caddyfile is valid");
            OK
        }
        Err(failure) => {
            output::error(&failure.text);
            failure.code
        }
    }
}

/// Checks with the rights of `-user`, which the service has when it reloads.
fn check(options: &Options) -> Result<Vec<Warning>, Failure> {
    let user = options.user.as_deref().map(privileges::lookup).transpose();
    match user.map_err(Failure::configured)? {
        Some(user) => privileges::acting_as(&user, || load(options))?,
        None => load(options),
    }
}

/// The warnings of a good configuration.
fn load(options: &Options) -> Result<Vec<Warning>, Failure> {
    processlog::check(&processlog::parse_target(&options.log)).map_err(Failure::configured)?;
    let shared = fleet::open(options).map_err(Failure::configured)?;
    let settings = settings(options, Arc::new(NoSinks), &shared).map_err(Failure::configured)?;
    let source = input(options).read(&settings).map_err(Failure::configured)?;
    let loaded = config::load(&source, &settings)?;
    let implied = |addr| loaded.redirects.iter().any(|only| only.addr == addr);
    let addresses = loaded.snapshot.listeners.iter().map(|listener| listener.addr);
    addresses.filter(|addr| !implied(*addr)).try_for_each(is_here)?;
    Ok(loaded.warnings)
}

/// Whether this machine has the address. Its port is not touched: the running service may have it.
fn is_here(addr: SocketAddr) -> Result<(), Failure> {
    match UdpSocket::bind(SocketAddr::new(addr.ip(), 0)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
            Err(format!("listen {addr}: this machine does not have the address {}", addr.ip())
                .into())
        }
        _ => Ok(()),
    }
}
