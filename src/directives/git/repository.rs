//! What a block says of a repository: where it is, and where its files go.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The branch that stands for the newest tag.
pub(super) const LATEST: &str = "{latest}";

/// A repository and the directory of its files.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    pub(super) url: String,
    pub(super) path: PathBuf,
    /// A branch, a tag, or [`LATEST`].
    pub(super) branch: String,
    /// The private key for SSH.
    pub(super) key: Option<PathBuf>,
    pub(super) clone_args: Vec<String>,
    pub(super) pull_args: Vec<String>,
    pub(super) commands: Vec<Command>,
    /// `None`: it is fetched at the start, and when a hook says so.
    pub(super) interval: Option<Duration>,
}

/// What runs after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    /// Whether nobody waits for its end.
    pub(super) is_long: bool,
}

impl Repository {
    /// The URL without a user and a password, for the log.
    pub(super) fn shown(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self.url.clone() };
        let host = rest.find('/').unwrap_or(rest.len());
        let bare = rest[..host].rfind('@').map_or(rest, |at| &rest[at + 1..]);
        format!("{scheme}://{bare}")
    }

    /// Whether a push to a branch or tag concerns it.
    pub(super) fn follows(&self, name: &str) -> bool {
        self.branch == LATEST || self.branch == name
    }
}

/// The parts of an address, whichever form it has.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    /// With its port.
    host: &'a str,
    path: &'a str,
}

impl<'a> Parts<'a> {
    /// `https://host/path`, `host/path`, `user@host:path`.
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None => ("", text),
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (user, from) =
            rest[..end].rfind('@').map_or((None, 0), |at| (Some(&rest[..at]), at + 1));
        let colon = rest[from..].find(':').map(|at| from + at).filter(|at| *at < end);
        // A port has digits only, and a colon before anything else begins the path.
        let is_port = |at: usize| rest[at + 1..end].bytes().all(|byte| byte.is_ascii_digit());
        let (scheme, host, path) = match colon.filter(|at| scheme.is_empty() && !is_port(*at)) {
            Some(at) => ("scp", &rest[from..at], &rest[at + 1..]),
            None => (scheme, &rest[from..end], rest[end..].trim_start_matches('/')),
        };
        let is_host = |host: &str| {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
            !host.is_empty() && !host.starts_with('-') && host.bytes().all(is_letter)
        };
        let path = path.trim_end_matches('/');
        (is_host(host) && !path.is_empty()).then_some(Self { scheme, user, host, path })
    }
}

/// The URL that git gets, by SSH if there is a key and by HTTPS if not, as in the plugin.
pub(super) fn url_of(text: &str, has_key: bool) -> Result<String, &'static str> {
    const FORMS: &str = "write https://HOST/PATH, HOST/PATH or git@HOST:PATH";
    let Parts { scheme, user, host, path } = Parts::of(text).ok_or(FORMS)?;
    let is_scheme = matches!(scheme, "" | "scp" | "https" | "http" | "ssh");
    // Nothing that git or ssh takes for an option or for another kind of address.
    let is_odd = path.starts_with(['-', ':'])
        || user.is_some_and(|user| user.starts_with('-'))
        || text.contains(|c: char| c.is_whitespace() || c.is_control());
    if !is_scheme || is_odd {
        return Err(FORMS);
    }
    let dot = if path.ends_with(".git") { "" } else { ".git" };
    if has_key {
        let user = user.filter(|_| matches!(scheme, "scp" | "ssh")).unwrap_or("git");
        // The port of another protocol is no port of SSH.
        let host =
            if scheme.starts_with("http") { host.split(':').next().unwrap_or(host) } else { host };
        let root = if scheme == "ssh" || host.contains(':') { "/" } else { "" };
        return Ok(match root {
            "" => format!("{user}@{host}:{path}{dot}"),
            root => format!("ssh://{user}@{host}{root}{path}{dot}"),
        });
    }
    let by_ssh = matches!(scheme, "scp" | "ssh");
    let host = if by_ssh { host.split(':').next().unwrap_or(host) } else { host };
    let user = user.filter(|_| !by_ssh).map(|user| format!("{user}@")).unwrap_or_default();
    let scheme = if scheme == "http" { "http" } else { "https" };
    Ok(format!("{scheme}://{user}{host}/{path}{dot}"))
}

/// The first program of a name in the directories of `PATH`.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let about = std::fs::metadata(path);
    about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_https_and_by_ssh() {
        for (text, https, ssh) in [
            (
                "github.com/user/site",
                "https://github.com/user/site.git",
                "git@github.com:user/site.git",
            ),
            (
                "https://github.com/user/site.git",
                "https://github.com/user/site.git",
                "git@github.com:user/site.git",
            ),
            (
                "git@github.com:user/site",
                "https://github.com/user/site.git",
                "git@github.com:user/site.git",
            ),
            (
                "ssh://git@a.test:2222/user/site",
                "https://a.test/user/site.git",
                "ssh://git@a.test:2222/user/site.git",
            ),
            ("ssh://kim@a.test/site/", "https://a.test/site.git", "ssh://kim@a.test/site.git"),
            ("http://a.test:8080/site", "http://a.test:8080/site.git", "git@a.test:site.git"),
            ("https://kim:pw@a.test/site", "https://kim:pw@a.test/site.git", "git@a.test:site.git"),
            ("a.test:8443/site", "https://a.test:8443/site.git", "ssh://git@a.test:8443/site.git"),
            ("https://[::1]:1/site", "https://[::1]:1/site.git", ""),
        ] {
            assert_eq!(url_of(text, false).as_deref(), Ok(https), "{text}");
            if !ssh.is_empty() {
                assert_eq!(url_of(text, true).as_deref(), Ok(ssh), "{text}");
            }
        }
        for text in [
            "",
            "site",
            "/srv/site",
            "file:///srv/site",
            "ext::sh -c x",
            "git@-oProxyCommand=x:a",
            "https://-x/a",
            "a.test:-x",
            "git@:a",
            "https://a.test",
            "ftp://a.test/b",
            "a b/c",
            "a.test/b c",
            "-x@a.test:b",
        ] {
            assert!(url_of(text, false).is_err(), "{text}: {:?}", url_of(text, false));
        }
    }

    #[test]
    fn no_password_is_shown() {
        let of = |url: &str| Repository {
            url: url.to_owned(),
            path: PathBuf::new(),
            branch: "master".to_owned(),
            key: None,
            clone_args: Vec::new(),
            pull_args: Vec::new(),
            commands: Vec::new(),
            interval: None,
        };
        assert_eq!(of("https://kim:p@w@a.test/x@y.git").shown(), "https://a.test/x@y.git");
        assert_eq!(of("git@a.test:x.git").shown(), "git@a.test:x.git");
    }
}
