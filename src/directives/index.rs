//! `index FILE…`: the names tried for a folder.

use crate::caddyfile::{Args, ConfigError};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let names = args.one_or_more()?;
        site.index = names.into_iter().map(str::to_owned).collect();
    }
    Ok(())
}
