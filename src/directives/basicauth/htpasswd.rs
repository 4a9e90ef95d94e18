//! The file of `htpasswd=FILE`, read at load.

use crate::caddyfile::{Args, ConfigError};
use crate::passwords::{self, Secret};
use crate::site::SiteBuilder;

/// The secret of one user. The file, relative to the root, is never served.
pub(super) fn find(
    file: &str,
    user: &str,
    args: &Args<'_>,
    site: &mut SiteBuilder,
) -> Result<Secret, ConfigError> {
    let path = site.root.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        args.error(format!("basicauth: cannot read {}: {error}", path.display()))
            .hint("htpasswd=FILE is relative to the site's root")
    })?;
    site.hidden.push(path);
    let hash = passwords::lines(&text).find_map(|(name, hash)| (name == user).then_some(hash));
    let hash = hash.ok_or_else(|| {
        args.error(format!("basicauth: user '{user}' is not in {file}"))
            .hint(format!("add it with: htpasswd -B {file} {user}"))
    })?;
    Secret::parse(hash).map_err(|reason| {
        args.error(format!("basicauth: invalid password of '{user}' in {file}: {reason}"))
    })
}
