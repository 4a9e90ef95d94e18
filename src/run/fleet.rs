//! `-fleet`: opens what the machines share, and starts and ends its thread.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::handover::HandoverIn;
use super::{certificates, machines};
use crate::cli::Options;
use crate::credentials;
use crate::fleet::engine::Engine;
use crate::fleet::place::{Place, UNUSED_OF_V1};
use crate::fleet::seal::Seal;
use crate::fleet::store::Shared;
use crate::tls::Folder;
use crate::tls::acme::Keeper;

/// How long a stop waits until leases are given back.
const PARTING: Duration = Duration::from_secs(1);
/// How long `-revoke` waits until the engine knows.
const TELLING: Duration = Duration::from_secs(15);

/// The shared storage, if the command line or the environment asks for one. Nothing is connected.
pub(super) fn open(options: &Options) -> Result<Option<Shared>, String> {
    let var = credentials::variable;
    let (place, flag) = match (&options.fleet, var("CADDY_FLEET")) {
        (Some(url), _) => (Place::parse(url).map_err(|why| format!("-fleet: {why}"))?, "-fleet"),
        (None, Some(url)) => {
            let place = Place::parse(&url).map_err(|why| format!("CADDY_FLEET: {why}"))?;
            (place, "CADDY_FLEET")
        }
        (None, None) => match Place::of_v1(var)? {
            Some(place) => {
                for name in UNUSED_OF_V1.into_iter().filter(|name| var(name).is_some()) {
                    log::warn!("{name} has no meaning here: unset it");
                }
                (place, "CADDY_CLUSTERING=redis")
            }
            None if options.fleet_key.is_some() => {
                return Err("-fleet-key needs -fleet redis://HOST:PORT".to_owned());
            }
            None if options.fleet_listen.is_some() => {
                return Err("-fleet-listen needs -fleet redis://HOST:PORT".to_owned());
            }
            None => return Ok(None),
        },
    };
    let file = options.fleet_key.clone().or_else(|| var("CADDY_FLEET_KEY").map(Into::into));
    let v1 = var("CADDY_CLUSTERING_REDIS_AESKEY").filter(|_| flag.starts_with("CADDY_CLUSTERING"));
    let seal = match (file, v1) {
        (Some(file), _) => Seal::read(Path::new(&file))?,
        (None, Some(key)) => Seal::new(key.as_bytes()).ok_or_else(|| {
            format!("CADDY_CLUSTERING_REDIS_AESKEY: it has {} bytes and needs 32", key.len())
        })?,
        (None, None) => {
            return Err(format!(
                "{flag} needs a key: head -c 32 /dev/urandom >FILE, copy the file to all \
                 machines, and write -fleet-key FILE"
            ));
        }
    };
    machines::listen(options)?;
    let machine = format!("{:016x}", fastrand::u64(..));
    let folder = Folder::new(certificates::folder(options));
    Ok(Some(Shared::new(folder, Engine::new(place, machine), seal)))
}

/// As [`open`], for a process that serves.
pub(super) fn join(
    options: &Options,
    handover: Option<&mut HandoverIn>,
) -> Result<Option<Shared>, String> {
    let opened = open(options)?;
    if let Some(shared) = &opened {
        let passed = handover.and_then(|handover| handover.tickets.take());
        shared.share_tickets(passed.as_deref());
    }
    Ok(opened)
}

/// Starts the thread, and has the keeper take what comes from other machines.
pub(super) fn start(shared: &Shared, keeper: &Arc<Keeper>) {
    keeper.recall();
    let keeper = Arc::downgrade(keeper);
    let answers = keeper.clone();
    shared.on_answer(Box::new(move |entry, content| {
        if let Some(keeper) = answers.upgrade() {
            keeper.answer(entry, content);
        }
    }));
    shared.on_arrival(Box::new(move |entries| {
        if let Some(keeper) = keeper.upgrade() {
            keeper.reread(entries);
        }
    }));
    shared.join();
    if let Err(error) = shared.start() {
        log::error!("fleet: cannot start a thread: {error}");
    }
}

pub(super) fn stop(shared: &Shared) {
    shared.stop(PARTING);
}

/// Revokes a certificate so that all machines drop it.
pub(super) fn revoking(
    shared: Option<&Shared>,
    revoke: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let Some(shared) = shared else { return revoke() };
    shared.start().map_err(|error| format!("fleet: cannot start a thread: {error}"))?;
    revoke()?;
    if shared.stop(TELLING) {
        return Ok(());
    }
    Err("it is revoked, but the engine of -fleet does not answer: the other machines still have \
        its file"
        .to_owned())
}
