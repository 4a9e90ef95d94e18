//! Where the engine is: the URL of `-fleet`, or the variables of Caddy 0.11 to 1.0's plugin.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// What to write, for errors.
const FORM: &str = "write redis://HOST:PORT, or rediss://HOST:PORT for TLS";
/// Repeats nothing of the URL.
const RESERVED: &str = "a /, ? or # stands before an @: in user and password write / as %2F, ? as \
    %3F, # as %23 and @ as %40";

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const DEFAULT_PREFIX: &str = "caddy";
/// Variables of Caddy 1's plugin that have no meaning here.
pub const UNUSED_OF_V1: [&str; 2] =
    ["CADDY_CLUSTERING_REDIS_VALUEPREFIX", "CADDY_CLUSTERING_REDIS_TIMEOUT"];
const PREFIX_LENGTH: usize = 32;
/// The bounds of `tickets`.
const TICKETS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));

/// An engine: a server of the Redis protocol, or the Sentinels that know it.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub is_tls: bool,
    /// Without Sentinel: one.
    pub servers: Vec<Server>,
    /// The name of the primary at the Sentinels.
    pub primary: Option<String>,
    pub database: i64,
    pub user: Option<String>,
    pub password: Option<String>,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// How long a key of session tickets is in use, if another time than usual.
    pub tickets: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl Place {
    /// `redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?OPTIONS]`, or
    /// `redis[s]+sentinel://[[USER]:PASSWORD@]HOST[:PORT],…/PRIMARY[/DATABASE][?OPTIONS]`, with
    /// `prefix=NAME` and `tickets=TIME`, and `&` between them. The error does not repeat the
    /// password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("no URL: {FORM}"))?;
        let (is_tls, is_sentinel) = match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => return Err(format!("unknown scheme '{scheme}': {FORM}")),
        };
        // What is cut here could be a part of the password.
        if rest.rsplit_once('@').is_some_and(|(login, _)| login.contains(['/', '?', '#'])) {
            return Err(RESERVED.to_owned());
        }
        if rest.contains('#') {
            return Err("a # has no meaning; write # in a password as %23".to_owned());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (user, password) = login.map_or(Ok((None, None)), login_of)?;
        let port = if is_sentinel { SENTINEL_PORT } else { PORT };
        let servers: Vec<_> =
            hosts.split(',').map(|one| server(one, port)).collect::<Result<_, _>>()?;
        if servers.len() > 1 && !is_sentinel {
            return Err(
                "several hosts are for Sentinel: write redis+sentinel://HOST,HOST/PRIMARY; \
                of a cluster write one node"
                    .to_owned(),
            );
        }
        let (primary, database) = match (is_sentinel, path.split_once('/')) {
            (false, _) => (None, path),
            (true, Some((primary, database))) => (Some(primary), database),
            (true, None) => (Some(path), ""),
        };
        if primary == Some("") {
            return Err("Sentinel needs the name of the primary: write \
                redis+sentinel://HOST:PORT/PRIMARY"
                .to_owned());
        }
        let place = Self {
            is_tls,
            servers,
            primary: primary.map(str::to_owned),
            database: self::database(database)?,
            user,
            password,
            prefix: DEFAULT_PREFIX.to_owned(),
            tickets: None,
        };
        place.with_options(query)
    }

    /// What the plugin `tls.clustering.redis` of Caddy 0.11 to 1.0 reads; `of` gives the value of
    /// a variable that is set. `None` if `CADDY_CLUSTERING` asks for nothing.
    pub fn of_v1(of: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        match of("CADDY_CLUSTERING").as_deref() {
            None | Some("file") => return Ok(None),
            Some("redis") => {}
            Some(other) => {
                return Err(format!(
                    "CADDY_CLUSTERING={other} is not supported: unset it and write -fleet \
                     redis://HOST:PORT, or share the folder $CADDYPATH"
                ));
            }
        }
        let read = |name: &str| of(&format!("CADDY_CLUSTERING_REDIS_{name}"));
        let wrong = |name: &str, why: String| format!("CADDY_CLUSTERING_REDIS_{name}: {why}");
        let port = read("PORT").map_or(Ok(PORT), |port| self::port(&port));
        let database = self::database(&read("DB").unwrap_or_default());
        let is_set = |name: &str| match read(name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(wrong(name, format!("'{other}': write true or false"))),
        };
        let is_tls = is_set("TLS")?;
        if is_tls && is_set("TLS_INSECURE")? {
            let why = "an engine is always verified: unset it, and name the authority of its \
                certificate in SSL_CERT_FILE";
            return Err(wrong("TLS_INSECURE", why.to_owned()));
        }
        // Fleets that it kept apart stay apart.
        let prefix = read("KEYPREFIX").unwrap_or_else(|| DEFAULT_PREFIX.to_owned());
        let prefix = self::prefix(&prefix);
        Ok(Some(Self {
            is_tls,
            servers: vec![Server {
                host: read("HOST").unwrap_or_else(|| "127.0.0.1".to_owned()),
                port: port.map_err(|why| wrong("PORT", why))?,
            }],
            primary: None,
            database: database.map_err(|why| wrong("DB", why))?,
            user: read("USERNAME"),
            password: read("PASSWORD"),
            prefix: prefix.map_err(|why| wrong("KEYPREFIX", why))?,
            tickets: None,
        }))
    }

    fn with_options(mut self, query: &str) -> Result<Self, String> {
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("prefix", name)) => self.prefix = prefix(name)?,
                Some(("tickets", time)) => self.tickets = Some(tickets(time)?),
                _ => {
                    return Err(format!(
                        "unknown option '{part}': there are prefix=NAME and tickets=TIME"
                    ));
                }
            }
        }
        Ok(self)
    }
}

/// Without the password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.servers.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{server}")?;
        }
        self.primary.as_ref().map_or(Ok(()), |primary| write!(f, "/{primary}"))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self}, {}, {:?})", self.database, self.prefix)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{host}{close}:{port}")
    }
}

/// User and password; `user` alone has no use.
fn login_of(text: &str) -> Result<(Option<String>, Option<String>), String> {
    let Some((user, password)) = text.split_once(':') else {
        return Err("a user needs a password: write redis://USER:PASSWORD@HOST, or \
            redis://:PASSWORD@HOST for the default user"
            .to_owned());
    };
    if password.is_empty() {
        return Err("the password is empty: write redis://USER:PASSWORD@HOST".to_owned());
    }
    let decoded = |text: &str, what: &str| {
        let done = percent_decode_str(text).decode_utf8();
        done.map(|text| text.into_owned()).map_err(|_| format!("the {what} is not UTF-8"))
    };
    let user = (!user.is_empty()).then(|| decoded(user, "user")).transpose()?;
    Ok((user, Some(decoded(password, "password")?)))
}

fn server(text: &str, default: u16) -> Result<Server, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) =
                rest.split_once(']').ok_or_else(|| format!("'{text}': the ] is missing"))?;
            (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("write an IPv6 address in brackets, such as [2001:db8::1]".to_owned());
            }
            Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
            None => (text, Some("")),
        },
    };
    if host.is_empty() {
        return Err(format!("no host: {FORM}"));
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || "/?#@\\%".contains(c);
    if let Some(strange) = host.chars().find(|c| strange(*c)) {
        return Err(format!("a host has no {strange:?}: {FORM}"));
    }
    let port = match port {
        Some("") => default,
        // Without an @ it may be a password.
        Some(port) => self::port(port).map_err(
            |_| "what follows the colon is no port from 1 to 65535; behind a password write @HOST",
        )?,
        None => return Err(format!("'{text}': the port is missing behind the colon")),
    };
    Ok(Server { host: host.to_owned(), port })
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse::<u16>().ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("port '{text}': write a number from 1 to 65535"))
}

fn database(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let number = text.parse::<u16>().map(i64::from);
    number.map_err(|_| format!("database '{text}': write a number, such as /0"))
}

fn prefix(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > PREFIX_LENGTH || !name.chars().all(plain) {
        return Err(format!(
            "prefix '{name}': write 1 to {PREFIX_LENGTH} letters, digits, '-', '_' and '.'"
        ));
    }
    Ok(name.to_owned())
}

fn tickets(text: &str) -> Result<Duration, String> {
    let unit = |end: &str, seconds: u64| {
        let number: u64 = text.strip_suffix(end)?.parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    let time = unit("m", 60).or_else(|| unit("h", 3600));
    let allowed = TICKETS.0..=TICKETS.1;
    time.filter(|time| allowed.contains(time)).ok_or_else(|| {
        format!("tickets '{text}': write minutes or hours from 1m to 24h, such as 30m or 6h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let place = Place::parse("redis://10.0.0.5").unwrap();
        assert_eq!((place.to_string().as_str(), place.is_tls), ("10.0.0.5:6379", false));
        assert_eq!((place.database, place.prefix.as_str()), (0, "caddy"));
        let place = Place::parse("rediss://me:p%40ss@[::1]:7000/3?prefix=shop").unwrap();
        assert_eq!((place.to_string().as_str(), place.is_tls), ("[::1]:7000", true));
        assert_eq!((place.user.as_deref(), place.password.as_deref()), (Some("me"), Some("p@ss")));
        assert_eq!((place.database, place.prefix.as_str()), (3, "shop"));
        assert!(!format!("{place:?}").contains("p@ss"));
        assert_eq!(place.tickets, None);
        let place = Place::parse("redis://a?tickets=90m&prefix=b").unwrap();
        assert_eq!((place.tickets, place.prefix.as_str()), (Some(Duration::from_secs(5400)), "b"));
        let place = Place::parse("redis+sentinel://:x@a,b:1/main/2").unwrap();
        assert_eq!((place.to_string().as_str(), place.database), ("a:26379,b:1/main", 2));
        assert_eq!((place.user, place.password.as_deref()), (None, Some("x")));
    }

    #[test]
    fn wrong_urls_are_explained() {
        for (url, why) in [
            ("10.0.0.5:6379", "no URL: write redis://HOST:PORT"),
            ("http://10.0.0.5", "unknown scheme 'http': write redis://HOST:PORT"),
            ("redis://", "no host: write redis://HOST:PORT"),
            ("redis://:6379", "no host"),
            ("redis://host:0", "what follows the colon is no port from 1 to 65535"),
            ("redis://host:65536", "no port from 1 to 65535; behind a password write @HOST"),
            ("redis://host:", "the port is missing behind the colon"),
            ("redis://::1", "write an IPv6 address in brackets, such as [2001:db8::1]"),
            ("redis://[::1", "the ] is missing"),
            ("redis://host/one", "database 'one': write a number, such as /0"),
            ("redis://host/-1", "database '-1'"),
            ("redis://host/1/2", "database '1/2'"),
            ("redis://me@host", "a user needs a password: write redis://USER:PASSWORD@HOST"),
            ("redis://me:@host", "the password is empty"),
            ("redis://:%ff@host", "the password is not UTF-8"),
            ("redis://host#b", "write # in a password as %23"),
            ("redis://a,b", "several hosts are for Sentinel"),
            ("redis+sentinel://a,b", "Sentinel needs the name of the primary"),
            ("redis://host?prefx=a", "unknown option 'prefx=a': there are prefix=NAME and tickets"),
            ("redis://host?tickets=1d", "tickets '1d': write minutes or hours from 1m to 24h"),
            ("redis://host?tickets=0m", "tickets '0m'"),
            ("redis://host?prefix=a&tickets=25h", "tickets '25h'"),
            ("redis://host?prefix=", "prefix '': write 1 to 32 letters"),
            ("redis://host?prefix=a%20b", "prefix 'a%20b'"),
            ("redis://ho st", "a host has no ' '"),
        ] {
            let error = Place::parse(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn no_part_of_a_password_is_repeated() {
        for url in [
            "redis://default:SECRET/SECRET@db",
            "redis://u:SECRET@SECRET/word@db",
            "redis://:SECRET#SECRET@db",
            "redis://:SECRET?SECRET@db/1",
            "redis+sentinel://:SECRET/SECRET@a,b/main",
            "rediss://me:SECRET/@db?prefix=a",
        ] {
            assert_eq!(Place::parse(url).unwrap_err(), RESERVED, "{url}");
        }
        // The host is missing.
        for url in ["me:SECRET", "me:SECRET#SECRET", "me:SECRET/SECRET", ":SECRET", "me:SEC:RET"] {
            let error = Place::parse(&format!("redis://{url}")).unwrap_err();
            assert!(!error.contains("SEC"), "{url}: {error}");
        }
        let place = Place::parse("redis://u:%2F%3F%23%40@db").unwrap();
        assert_eq!(place.password.as_deref(), Some("/?#@"));
    }

    #[test]
    fn the_variables_of_v1_are_read() {
        let with = |set: &'static [(&str, &str)]| {
            Place::of_v1(move |name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[]), Ok(None));
        assert_eq!(with(&[("CADDY_CLUSTERING", "file")]), Ok(None));
        let place = with(&[("CADDY_CLUSTERING", "redis")]).unwrap().unwrap();
        assert_eq!((place.to_string().as_str(), place.password), ("127.0.0.1:6379", None));
        let place = with(&[
            ("CADDY_CLUSTERING", "redis"),
            ("CADDY_CLUSTERING_REDIS_HOST", "db"),
            ("CADDY_CLUSTERING_REDIS_PORT", "7"),
            ("CADDY_CLUSTERING_REDIS_DB", "4"),
            ("CADDY_CLUSTERING_REDIS_PASSWORD", "x"),
            ("CADDY_CLUSTERING_REDIS_TLS", "true"),
            ("CADDY_CLUSTERING_REDIS_KEYPREFIX", "caddytls"),
        ]);
        let place = place.unwrap().unwrap();
        assert_eq!((place.to_string().as_str(), place.is_tls), ("db:7", true));
        assert_eq!((place.database, place.password.as_deref()), (4, Some("x")));
        assert_eq!(place.prefix, "caddytls");
        let error = with(&[
            ("CADDY_CLUSTERING", "redis"),
            ("CADDY_CLUSTERING_REDIS_TLS", "true"),
            ("CADDY_CLUSTERING_REDIS_TLS_INSECURE", "true"),
        ]);
        assert!(error.unwrap_err().contains("certificate in SSL_CERT_FILE"));
        let error =
            with(&[("CADDY_CLUSTERING", "redis"), ("CADDY_CLUSTERING_REDIS_KEYPREFIX", "a/b")]);
        assert!(error.unwrap_err().contains("KEYPREFIX: prefix 'a/b': write 1 to 32 letters"));
        let error = with(&[("CADDY_CLUSTERING", "consul")]).unwrap_err();
        assert!(error.contains("write -fleet redis://HOST:PORT"), "{error}");
        let error = with(&[("CADDY_CLUSTERING", "redis"), ("CADDY_CLUSTERING_REDIS_PORT", "x")]);
        assert_eq!(
            error.unwrap_err(),
            "CADDY_CLUSTERING_REDIS_PORT: port 'x': write a number from 1 to 65535"
        );
    }
}
