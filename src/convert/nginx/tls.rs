//! `ssl_*` as the directive `tls`.

use super::scope::Scope;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

/// The cipher suites of TLS 1.2 here, by OpenSSL's names.
const CIPHERS: &[(&str, &str)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-WITH-CHACHA20-POLY1305"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
];

const CURVES: &[(&str, &str)] = &[
    ("X25519MLKEM768", "X25519MLKEM768"),
    ("X25519", "X25519"),
    ("prime256v1", "p256"),
    ("P-256", "p256"),
    ("secp384r1", "p384"),
    ("P-384", "p384"),
];

pub(super) fn lines(server: &Scope<'_>, files: &dyn Files) -> Vec<Item> {
    let mut notes = Vec::new();
    let mut line = certificate(server, files, &mut notes);
    protocols(server, &mut line, &mut notes);
    list(server, "ssl_ciphers", &mut line, &mut notes);
    list(server, "ssl_ecdh_curve", &mut line, &mut notes);
    clients(server, files, &mut line, &mut notes);
    notes.push(line.into());
    notes
}

fn certificate(server: &Scope<'_>, files: &dyn Files, notes: &mut Vec<Item>) -> Line {
    let certificates = server.all("ssl_certificate");
    let keys = server.all("ssl_certificate_key");
    let mut pairs = certificates.iter().zip(&keys).map(|(cert, key)| (cert.arg(0), key.arg(0)));
    let fits = |path: &str| !path.is_empty() && !path.contains(['$', ':']);
    let first = pairs.next().filter(|(cert, key)| fits(cert) && fits(key));
    for (cert, _) in pairs {
        let text = format!("ssl_certificate {cert}: one certificate of each name is served");
        notes.push(note(&certificates[0].at, text));
    }
    if let Some((cert, key)) = first {
        return Line::new(["tls"]).and([files.absolute(cert), files.absolute(key)]);
    }
    if let Some(one) = certificates.first() {
        let text = format!("{}: tls needs the files of a certificate and a key", one.shown());
        notes.push(note(&one.at, text));
    } else if let Some(one) = server.own().first() {
        notes.push(note(&one.at, "no ssl_certificate: a self-signed one is served"));
    }
    Line::new(["tls", "self_signed"])
}

fn protocols(server: &Scope<'_>, line: &mut Line, notes: &mut Vec<Item>) {
    let Some(one) = server.one("ssl_protocols") else { return };
    let has = |name: &str| one.args.iter().any(|arg| arg == name);
    for old in one.args.iter().filter(|name| !matches!(&***name, "TLSv1.2" | "TLSv1.3")) {
        notes.push(note(&one.at, format!("ssl_protocols {old}: TLS begins with 1.2 here")));
    }
    match (has("TLSv1.2"), has("TLSv1.3")) {
        (true, false) => line.add(Line::new(["protocols", "tls1.2"])),
        (false, true) => line.add(Line::new(["protocols", "tls1.3"])),
        _ => {}
    }
}

/// The suites or curves of a list that are here too.
fn list(server: &Scope<'_>, name: &str, line: &mut Line, notes: &mut Vec<Item>) {
    let Some(one) = server.one(name) else { return };
    let (word, table) = match name {
        "ssl_ciphers" => ("ciphers", CIPHERS),
        _ => ("curves", CURVES),
    };
    let mut found = Vec::new();
    let mut others = Vec::new();
    for part in one.arg(0).split([':', ' ', ',']).filter(|part| !part.is_empty()) {
        match table.iter().find(|(theirs, _)| *theirs == part) {
            Some((_, ours)) if !found.contains(ours) => found.push(*ours),
            Some(_) => {}
            None if part.starts_with(['!', '-', '@']) || part == "auto" => {}
            None => others.push(part),
        }
    }
    if !others.is_empty() {
        let most: Vec<_> = others.iter().take(6).copied().collect();
        let rest = if found.is_empty() { "; all of ours are offered" } else { "" };
        let text = format!("{name}: none of ours is named {}{rest}", most.join(", "));
        notes.push(note(&one.at, text));
    }
    if !found.is_empty() {
        line.add(Line::new([word]).and(found.iter().map(|name| (*name).to_owned())));
    }
}

fn clients(server: &Scope<'_>, files: &dyn Files, line: &mut Line, notes: &mut Vec<Item>) {
    let Some(verify) = server.one("ssl_verify_client") else { return };
    let ca = server.word("ssl_client_certificate");
    let mode = match verify.arg(0) {
        "off" => return,
        "optional" => "verify_if_given",
        "optional_no_ca" => "request",
        _ => "",
    };
    if ca.is_empty() && mode != "request" {
        let text = format!("{}: no ssl_client_certificate", verify.shown());
        notes.push(note(&verify.at, text));
        // Whoever asked for certificates gets no site without.
        line.add(Line::new(["clients", "require"]));
        return;
    }
    if let Some(depth) = server.one("ssl_verify_depth") {
        let text = format!("{}: up to 6 CAs may be between a client and `clients`", depth.shown());
        notes.push(note(&depth.at, text));
    }
    let words = (!mode.is_empty()).then(|| mode.to_owned()).into_iter();
    let ca = (mode != "request").then(|| files.absolute(ca));
    line.add(Line::new(["clients"]).and(words.chain(ca)));
}
