//! (stub)
use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let _ = (args, site);
    Ok(())
}
