//! The directive `tls`.

use super::address::Global;
use super::syntax::Segment;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

const CURVES: &[(&str, &str)] = &[
    ("x25519mlkem768", "X25519MLKEM768"),
    ("x25519", "X25519"),
    ("secp256r1", "p256"),
    ("secp384r1", "p384"),
];

/// All lines of a site as one: each may say a part.
pub(super) fn merged(lines: &[Segment]) -> Option<Segment> {
    let mut all = lines.iter().filter(|line| line.name() == "tls").cloned();
    let mut first = all.next()?;
    for other in all {
        if first.args().is_empty() {
            first.words.clone_from(&other.words);
        }
        first.block.get_or_insert_default().extend(other.block.unwrap_or_default());
    }
    Some(first)
}

/// The directive of a site with TLS, written or implied.
pub(super) fn lines(
    written: Option<&Segment>,
    is_local: bool,
    global: &Global,
    files: &dyn Files,
) -> Vec<Item> {
    let mut notes = Vec::new();
    let args = written.map_or(&[][..], Segment::args);
    let wants_own = is_local || global.local_certs;
    let mut line = match args {
        [word] if word == "internal" => Line::new(["tls", "self_signed"]),
        [word] if word.contains('@') => Line::new(["tls", word]),
        [cert, key] => Line::new(["tls"]).and([files.absolute(cert), files.absolute(key)]),
        _ if wants_own => Line::new(["tls", "self_signed"]),
        _ if !global.email.is_empty() => Line::new(["tls", &global.email]),
        _ => Line::new(["tls"]),
    };
    let is_bare = args.is_empty() && !wants_own && global.email.is_empty();
    if !global.ca.is_empty() && !wants_own && args.len() < 2 {
        line.add(Line::new(["ca", &global.ca]));
    }
    let mut is_internal = false;
    for one in written.map_or(&[][..], Segment::block) {
        match one.name() {
            "issuer" if one.arg(0) == "internal" => is_internal = true,
            _ => option(one, files, &mut line, &mut notes),
        }
    }
    if is_internal {
        line = line.starting(["tls", "self_signed"]);
    }
    if !is_bare || line.has_block() || is_internal {
        notes.push(line.into());
    }
    notes
}

fn option(one: &Segment, files: &dyn Files, line: &mut Line, notes: &mut Vec<Item>) {
    let args = one.args();
    match one.name() {
        "protocols" => line.add(Line::new(["protocols"]).and(args.iter().cloned())),
        "curves" => {
            let names = args.iter().map(|name| {
                let known = CURVES.iter().find(|(theirs, _)| theirs == name);
                known.map(|(_, ours)| (*ours).to_owned())
            });
            match names.collect::<Option<Vec<_>>>() {
                Some(names) => line.add(Line::new(["curves"]).and(names)),
                None => notes.push(note(&one.at, format!("{}: left out", one.shown()))),
            }
        }
        "alpn" => line.add(Line::new(["alpn"]).and(args.iter().cloned())),
        "ca" => line.add(Line::new(["ca", one.arg(0)])),
        "eab" => line.add(Line::new(["eab", one.arg(0), one.arg(1)])),
        "key_type" => {
            let name = one.arg(0).to_ascii_uppercase();
            line.add(Line::new(["key_type", &name]));
        }
        "client_auth" => clients(one, files, line, notes),
        "import" => {
            notes.push(note(&one.at, format!("tls {}: nobody is let in", one.shown())));
            notes.push(Line::new(["status", "403", "/"]).into());
        }
        _ => notes.push(note(&one.at, format!("tls {}: left out", one.shown()))),
    }
}

fn clients(one: &Segment, files: &dyn Files, line: &mut Line, notes: &mut Vec<Item>) {
    let mut mode = "require_and_verify";
    let mut trusted = Vec::new();
    let mut is_known = true;
    for option in one.block() {
        match (option.name(), option.arg(0)) {
            ("mode", name) => mode = name,
            ("trusted_ca_cert_file", file) => trusted.push(files.absolute(file)),
            ("trust_pool", "file") => {
                let args = option.args().iter().skip(1).cloned();
                let inner = option.block().iter().flat_map(|one| one.args().to_vec());
                trusted.extend(args.chain(inner).map(|file| files.absolute(&file)));
            }
            _ => {
                is_known = false;
                let text = format!("client_auth {}: nobody is let in", option.shown());
                notes.push(note(&option.at, text));
            }
        }
    }
    if !is_known {
        notes.push(Line::new(["status", "403", "/"]).into());
    }
    let word = match mode {
        "request" => Some("request"),
        "require" => Some("require"),
        "verify_if_given" => Some("verify_if_given"),
        _ if trusted.is_empty() => Some("require"),
        _ => None,
    };
    line.add(Line::new(["clients"]).and(word.map(str::to_owned)).and(trusted));
}
