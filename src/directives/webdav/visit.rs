//! One request: whose it is, and the file or folder that it is about.

use std::path::PathBuf;
use std::sync::Arc;

use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::options::User;
use crate::confined::Area;
use crate::http::{Fault, Request, paths};
use crate::limits::WEBDAV_NAMES;

/// What stands in a path as it is.
const IN_HREF: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Most bytes of a name, as file systems have it.
const NAME_BYTES: usize = 255;

#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) user: Arc<User>,
    area: Area,
    /// The name of the user, if he has shown who he is.
    pub(super) who: Option<String>,
    /// Below the scope; none: the scope itself.
    pub(super) names: Vec<String>,
    /// What stands before the names in URLs, decoded, without a slash at its end.
    outer: String,
    host: String,
}

/// What a URL in a field is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Names(Vec<String>),
    /// Another server, or another part of this one.
    Elsewhere,
    Malformed,
}

impl Visit {
    /// `below` is the rest of the request's path behind that of the directive.
    pub(super) fn new(user: &Arc<User>, req: &Request, below: &str) -> Result<Self, Fault> {
        // The client's own path, in which nothing was rewritten or cut off.
        let whole = paths::normal(req.original_uri.path());
        let route = req.route();
        let outer = whole.strip_suffix(below).or_else(|| route.strip_suffix(below));
        let visit = Self {
            user: user.clone(),
            area: Area::new(&user.scope, user.withheld.clone()),
            who: req.user.clone(),
            names: names(below).ok_or_else(|| Fault::status(StatusCode::FORBIDDEN))?,
            outer: outer.unwrap_or_default().trim_end_matches('/').to_owned(),
            host: req.host_field().to_owned(),
        };
        if user.reaches(&slashed(below)) && visit.reaches(&visit.names) {
            Ok(visit)
        } else {
            Err(Fault::status(StatusCode::FORBIDDEN))
        }
    }

    pub(super) fn scope(&self) -> &Area {
        &self.area
    }

    pub(super) fn reaches(&self, names: &[String]) -> bool {
        self.user.reaches(&format!("/{}", names.join("/")))
    }

    /// What locks know a path by.
    pub(super) fn place(&self, names: &[String]) -> PathBuf {
        self.user.real.join(names.join("/"))
    }

    /// The path of a URL, encoded.
    pub(super) fn href(&self, names: &[String], is_folder: bool) -> String {
        let mut path = format!("{}/{}", self.outer, names.join("/"));
        if is_folder && !names.is_empty() {
            path.push('/');
        }
        utf8_percent_encode(&path, IN_HREF).to_string()
    }

    /// The names of a URL or a path in a field.
    pub(super) fn find(&self, url: &str) -> Target {
        let Ok(uri) = url.trim().parse::<Uri>() else { return Target::Malformed };
        let is_here = uri
            .authority()
            .is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(&self.host));
        if uri.authority().is_none() && !url.trim().starts_with('/') {
            return Target::Malformed;
        }
        let path = paths::normal(uri.path());
        let below = path.strip_prefix(self.outer.as_str());
        let below = below.filter(|rest| is_here && (rest.is_empty() || rest.starts_with('/')));
        match below {
            None => Target::Elsewhere,
            Some(below) => names(below).map_or(Target::Malformed, Target::Names),
        }
    }
}

fn slashed(below: &str) -> String {
    if below.starts_with('/') { below.to_owned() } else { format!("/{below}") }
}

/// The names of a path in normal form. None if a file system has no such names.
fn names(below: &str) -> Option<Vec<String>> {
    let names: Vec<_> =
        below.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let is_name = |name: &String| name.len() <= NAME_BYTES && !name.contains('\0');
    (names.len() <= WEBDAV_NAMES && names.iter().all(is_name)).then_some(names)
}
