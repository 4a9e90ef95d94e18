//! Properties: those that the file system has, and those that clients have set, which are in an
//! extended attribute of the file.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use http::StatusCode;
use nix::errno::Errno;
use serde_json::{Value, json};

use super::answer::{Multistatus, Properties, Refusal};
use super::locks::{LOCKS, Lock};
use super::visit::Visit;
use super::xml::{DAV, Element, Name};
use crate::confined::{self, About, read_attribute, write_attribute};
use crate::http::html::escape;
use crate::limits::{WEBDAV_EXPANDED, WEBDAV_PROPERTIES};
use crate::own_files::content_type;

/// Where the properties of a file are that clients have set.
pub(super) const ATTRIBUTE: &str = "user.webdav";

/// Those of the file system, which clients cannot set.
const LIVE: [&str; 7] = [
    "resourcetype",
    "getcontentlength",
    "getcontenttype",
    "getlastmodified",
    "getetag",
    "supportedlock",
    "lockdiscovery",
];

const SUPPORTED_LOCKS: &str = "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope>\
     <D:locktype><D:write/></D:locktype></D:lockentry><D:lockentry><D:lockscope><D:shared/>\
     </D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>";

/// What a PROPFIND asks for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    All(Vec<Name>),
    Names,
    These(Vec<Name>),
}

impl Wanted {
    /// Of a request without content, too.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::All(Vec::new()));
        }
        let root = Element::parse(text).filter(|root| root.name.is_dav("propfind"))?;
        // Each once.
        let names = |of: &Element| {
            let mut known = HashSet::new();
            let names = of.elements().map(|element| &element.name);
            names.filter(|name| known.insert(*name)).cloned().collect()
        };
        if let Some(these) = root.get("prop") {
            return Some(Self::These(names(these)));
        }
        if root.get("propname").is_some() {
            return Some(Self::Names);
        }
        root.get("allprop")?;
        Some(Self::All(root.get("include").map(names).unwrap_or_default()))
    }
}

/// The entity tag of a file: each PUT makes a new one.
pub(super) fn etag(about: &About) -> Option<String> {
    let age = about.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let parts = (about.inode, age.as_nanos(), about.size);
    (!about.is_folder()).then(|| format!("\"{:x}-{:x}-{:x}\"", parts.0, parts.1, parts.2))
}

/// A property as its element.
struct Property {
    name: Name,
    xml: String,
}

fn live(visit: &Visit, names: &[String], about: &About) -> Vec<Property> {
    let mut found = Vec::new();
    let mut add = |local: &str, value: String| {
        let name = Name { space: DAV.to_owned(), local: local.to_owned() };
        found.push(Property { name, xml: format!("<D:{local}>{value}</D:{local}>") });
    };
    let folder = if about.is_folder() { "<D:collection/>" } else { "" };
    add("resourcetype", folder.to_owned());
    if !about.is_folder() {
        add("getcontentlength", about.size.to_string());
        let file = names.last().map(String::as_str).unwrap_or_default();
        let kind = content_type::by_name(std::path::Path::new(file));
        add("getcontenttype", kind.unwrap_or_else(|| "application/octet-stream".to_owned()));
    }
    if let Some(at) = about.modified {
        add("getlastmodified", httpdate::fmt_http_date(at));
    }
    if let Some(tag) = etag(about) {
        add("getetag", escape(&tag));
    }
    add("supportedlock", SUPPORTED_LOCKS.to_owned());
    let locks: String = LOCKS.covering(&visit.place(names)).iter().map(active_lock).collect();
    add("lockdiscovery", locks);
    found
}

/// RFC 4918 section 14.1.
pub(super) fn active_lock(lock: &Lock) -> String {
    let scope = if lock.is_exclusive { "exclusive" } else { "shared" };
    let depth = if lock.is_deep { "infinity" } else { "0" };
    let Lock { owner, token, href, .. } = lock;
    let left = lock.left().as_secs().max(1);
    format!(
        "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{scope}/></D:lockscope>\
         <D:depth>{depth}</D:depth>{owner}<D:timeout>Second-{left}</D:timeout><D:locktoken>\
         <D:href>{token}</D:href></D:locktoken><D:lockroot><D:href>{href}</D:href></D:lockroot>\
         </D:activelock>"
    )
}

fn dead(file: &impl AsFd) -> io::Result<Vec<Property>> {
    let Some(value) = read_attribute(file, ATTRIBUTE)? else { return Ok(Vec::new()) };
    let known: Value = serde_json::from_slice(&value).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = known.as_array().into_iter().flatten().map(|property| Property {
        name: Name { space: text(&property[0]), local: text(&property[1]) },
        xml: text(&property[2]),
    });
    Ok(each.collect())
}

/// Adds what a PROPFIND says of one file or folder.
pub(super) fn describe(
    out: &mut Multistatus,
    visit: &Visit,
    names: &[String],
    about: &About,
    wanted: &Wanted,
) -> io::Result<()> {
    let open = confined::open(visit.scope(), names)?;
    let known = live(visit, names, about).into_iter().chain(dead(&open)?);
    let known: Vec<_> = known.collect();
    let by_name: HashMap<_, _> = known.iter().map(|p| (&p.name, p.xml.as_str())).collect();
    let (found, missing): (Properties<'_>, _) = match wanted {
        Wanted::Names => (Box::new(known.iter().map(|p| p.name.empty().into())), [].as_slice()),
        Wanted::All(more) => (Box::new(known.iter().map(|p| p.xml.as_str().into())), more),
        Wanted::These(names) => {
            let found = names.iter().filter_map(|name| by_name.get(name));
            (Box::new(found.map(|xml| Cow::Borrowed(*xml))), names)
        }
    };
    let missing = missing.iter().filter(|name| !by_name.contains_key(name));
    let missing: Properties<'_> = Box::new(missing.map(|name| name.empty().into()));
    let href = visit.href(names, about.is_folder());
    out.add(&href, [(StatusCode::OK, found), (StatusCode::NOT_FOUND, missing)])
}

/// What a PROPPATCH does to one property.
struct Edit {
    name: Name,
    /// None: it is removed.
    xml: Option<String>,
}

/// 507 if the language that is named around them makes them too much.
fn changes(text: &str) -> Result<Vec<Edit>, StatusCode> {
    let root = Element::parse(text).filter(|root| root.name.is_dav("propertyupdate"));
    let root = root.ok_or(StatusCode::BAD_REQUEST)?;
    let mut found = Vec::new();
    let mut left = WEBDAV_EXPANDED;
    let language = root.language().map(str::to_owned);
    for step in root.nodes {
        let super::xml::Node::Element(step) = step else { continue };
        let is_set = step.name.is_dav("set");
        if !is_set && !step.name.is_dav("remove") {
            continue;
        }
        let language = step.language().map(str::to_owned).or_else(|| language.clone());
        for prop in step.nodes {
            let super::xml::Node::Element(prop) = prop else { continue };
            if !prop.name.is_dav("prop") {
                continue;
            }
            let language = prop.language().map(str::to_owned).or_else(|| language.clone());
            for node in prop.nodes {
                let super::xml::Node::Element(mut element) = node else { continue };
                if let Some(language) = language.as_ref().filter(|_| element.language().is_none()) {
                    element.set_language(language);
                }
                let mut xml = String::new();
                element.write(&mut xml);
                left = left.checked_sub(xml.len()).ok_or(StatusCode::INSUFFICIENT_STORAGE)?;
                found.push(Edit { name: element.name, xml: is_set.then_some(xml) });
            }
        }
    }
    if found.is_empty() { Err(StatusCode::BAD_REQUEST) } else { Ok(found) }
}

/// Changes are one after another: each begins with what the one before has written.
static CHANGING: Mutex<()> = Mutex::new(());

/// Does all that a PROPPATCH asks for, or nothing (RFC 4918 section 9.2).
pub(super) fn patch(visit: &Visit, about: &About, text: &str) -> Result<Multistatus, Refusal> {
    let changes = changes(text)?;
    let mut told = Multistatus::new();
    let href = visit.href(&visit.names, about.is_folder());
    let is_live =
        |change: &&Edit| change.name.space == DAV && LIVE.contains(&change.name.local.as_str());
    let (fixed, free): (Vec<_>, Vec<_>) = changes.iter().partition(is_live);
    let names = |of: Vec<&Edit>| -> Properties<'_> {
        let names: Vec<_> = of.iter().map(|change| change.name.empty().into()).collect();
        Box::new(names.into_iter())
    };
    if !fixed.is_empty() {
        let failed = (StatusCode::FAILED_DEPENDENCY, names(free));
        told.add(&href, [(StatusCode::FORBIDDEN, names(fixed)), failed])?;
        return Ok(told);
    }
    let status = match store(visit, &changes) {
        Ok(()) => StatusCode::OK,
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT | Errno::E2BIG | Errno::ERANGE) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            // The file system has none.
            Some(Errno::EOPNOTSUPP) => StatusCode::FORBIDDEN,
            _ => return Err(error.into()),
        },
    };
    told.add(&href, [(status, names(free))])?;
    Ok(told)
}

fn store(visit: &Visit, changes: &[Edit]) -> io::Result<()> {
    let _turn = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let file = confined::open(visit.scope(), &visit.names)?;
    let mut known = dead(&file)?;
    for change in changes {
        known.retain(|property| property.name != change.name);
        if let Some(xml) = &change.xml {
            known.push(Property { name: change.name.clone(), xml: xml.clone() });
        }
    }
    if known.is_empty() {
        return write_attribute(&file, ATTRIBUTE, b"");
    }
    let each = known.iter().map(|p| json!([p.name.space, p.name.local, p.xml]));
    let value = Value::from_iter(each).to_string();
    if value.len() > WEBDAV_PROPERTIES {
        return Err(Errno::E2BIG.into());
    }
    write_attribute(&file, ATTRIBUTE, value.as_bytes())
}
