//! Countries of addresses, by a database in MaxMind's format.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};

use crate::caddyfile::{Args, ConfigError};
use crate::upstream::Shared;

/// Where a country's code is.
const CODE: [PathElement<'static>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];

/// Networks that are looked at for one with a country.
const SAMPLE: usize = 10_000;

/// ISO 3166-1 alpha-2, in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code([u8; 2]);

impl Code {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let letters: Option<[u8; 2]> = text.to_ascii_uppercase().as_bytes().try_into().ok();
        letters
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| format!("must be a code of two letters such as US, not '{text}'"))
    }
}

/// A database in memory, which sites that name the same file share.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
}

impl Database {
    /// Reads a file, unless it is in use unchanged.
    pub(super) fn open(word: &str, args: &mut Args<'_>) -> Result<Arc<Self>, ConfigError> {
        static OPEN: Shared<Result<Arc<Database>, String>> = Shared::new();
        let refused = |args: &Args<'_>, error: String| {
            args.error_at(word, format!("ipfilter: cannot use the database '{word}': {error}"))
                .hint("write the path of a file such as GeoLite2-Country.mmdb")
        };
        let version = Version::of(Path::new(word)).map_err(|e| refused(args, e.to_string()))?;
        let known = OPEN.get(version.to_string(), || Self::read(Path::new(word)).map(Arc::new));
        let database = known.as_ref().as_ref().map_err(|error| refused(args, error.clone()))?;
        if database.reader.metadata().ip_version == 4 {
            let message = format!("'{word}' has no IPv6 addresses: they have no country");
            let hint = "use a database with both, such as GeoLite2-Country.mmdb";
            args.warn(args.error_at(word, message).hint(hint));
        }
        Ok(database.clone())
    }

    fn read(path: &Path) -> Result<Self, String> {
        let reader = Reader::open_readfile(path).map_err(|error| error.to_string())?;
        if Self::has_countries(&reader).map_err(|error| error.to_string())? {
            return Ok(Self { reader });
        }
        Err(format!("it has no countries, it is of type {}", reader.metadata().database_type))
    }

    fn has_countries(reader: &Reader<Vec<u8>>) -> Result<bool, MaxMindDbError> {
        let networks = reader.networks(WithinOptions::default())?.take(SAMPLE).flatten();
        let mut codes = networks.map(|found| found.decode_path::<&str>(&CODE));
        Ok(codes.any(|code| matches!(code, Ok(Some(_)))))
    }

    /// The country of an address; `None` where the database has none.
    pub(super) fn country(&self, ip: IpAddr) -> Result<Option<Code>, String> {
        if ip.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Ok(None);
        }
        let found = self.reader.lookup(ip).and_then(|found| found.decode_path::<&str>(&CODE));
        let code = found.map_err(|error| error.to_string())?;
        Ok(code.and_then(|code| Code::parse(code).ok()))
    }
}

/// What differs when a file is replaced.
struct Version {
    path: PathBuf,
    modified: std::time::SystemTime,
    len: u64,
}

impl Version {
    fn of(path: &Path) -> std::io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        let metadata = std::fs::metadata(&path)?;
        Ok(Self { modified: metadata.modified()?, len: metadata.len(), path })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\0{:?}\0{}", self.path.display(), self.modified, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (text, is_code) in
            [("US", true), ("us", true), ("USA", false), ("U1", false), ("", false), ("ü", false)]
        {
            assert_eq!(Code::parse(text).is_ok(), is_code, "{text}");
        }
        assert_eq!(Code::parse("jp"), Code::parse("JP"));
    }
}
