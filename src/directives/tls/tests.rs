//! Every invalid `tls` line and its error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::caddyfile;
use crate::http::address::Address;
use crate::http::sink::{OpenSink, Sink, SinkTarget};
use crate::tls::HttpsRecord;

struct NoSinks;

impl OpenSink for NoSinks {
    fn open(&self, _: &SinkTarget) -> std::io::Result<Arc<dyn Sink>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// Sets up the block of one site; returns the site or the error text.
fn site(block: &str) -> Result<SiteBuilder, String> {
    let text = format!("a.example {{\n{block}\n}}\n");
    let parsed = caddyfile::parse("Caddyfile", &text, Path::new("."), &["tls"]);
    let parsed = parsed.map_err(|error| error.to_string())?;
    let address = Address::parse("a.example").unwrap();
    let mut site = SiteBuilder::new(address, PathBuf::from("."), Arc::new(NoSinks));
    let mut args = Args::new(&parsed.blocks[0].directives[0]);
    let done = setup(&mut args, &mut site).and_then(|()| args.finish());
    let warnings = done.map_err(|error| error.to_string())?;
    site.warnings.extend(warnings);
    Ok(site)
}

fn check(block: &str, expected: &[&str]) {
    let Err(error) = site(block) else { panic!("no error: {block}") };
    for words in expected {
        assert!(error.contains(words), "{block}\n{error}\ndoes not say: {words}");
    }
    assert!(error.contains("Caddyfile:"), "{error}");
}

#[test]
fn wrong_lines_say_what_to_write() {
    for (block, expected) in [
        ("tls", &["Wrong argument count"][..]),
        ("tls /none/c.pem /none/k.pem", &["Caddyfile:2", "'/none/c.pem'", "for 'a.example'"]),
        ("tls {\nprotocols\n}", &["Wrong argument count"]),
        ("tls {\nprotocols tls1.3 tls1.2\n}", &["Caddyfile:3", "reverse the order"]),
        ("tls {\nprotocols tls1.0 tls1.2\n}", &["insecure", "tls1.2 tls1.3"]),
        ("tls {\nprotocols ssl3\n}", &["Wrong protocol name or protocol not supported: 'ssl3'"]),
        ("tls {\nciphers RSA-AES128-CBC-SHA\n}", &["Wrong cipher name", "instead"]),
        ("tls {\nciphers NONE\n}", &["Wrong cipher name or cipher not supported: 'NONE'"]),
        ("tls {\ncurves p521\n}", &["Wrong curve name", "p384"]),
        ("tls {\ncurves x448\n}", &["Wrong curve name", "X25519"]),
        ("tls {\nkey_type RSA8192\n}", &["Wrong KeyType name", "RSA4096"]),
        ("tls {\nkey_type DSA\n}", &["Wrong KeyType name or KeyType not supported: 'DSA'"]),
        ("tls {\nload\n}", &["Wrong argument count"]),
        ("tls {\nload /none\n}", &["cannot read folder '/none'"]),
        ("tls {\nclients\n}", &["Wrong argument count"]),
        ("tls {\nclients verify_if_given\n}", &["Wrong argument count"]),
        ("tls {\nclients /none/ca.pem\n}", &["client CA '/none/ca.pem'", "write: clients"]),
        ("tls {\nmax_certs 0\n}", &["max_certs must be a positive integer"]),
        ("tls {\nmax_certs many\n}", &["max_certs must be a positive integer"]),
        ("tls {\nask me\n}", &["ask must be an http or https URL, not 'me'", "write: ask URL"]),
        (
            "tls self_signed {\nmax_certs 5\n}",
            &["cannot be combined with self_signed", "tls E-MAIL"],
        ),
        ("tls {\nca http://ca.example/dir\n}", &["insecure CA URL (HTTPS required)"]),
        ("tls {\neab id\n}", &["Wrong argument count"]),
        ("tls {\neab id ***\n}", &["not base64url", "write: eab ID KEY"]),
        ("tls {\ndns\n}", &["Wrong argument count"]),
        ("tls {\ndns cloudflair\n}", &["Unsupported DNS provider", "did you mean 'cloudflare'?"]),
        ("tls {\ndns godady\n}", &["Caddyfile:3", "did you mean 'godaddy'?"]),
        ("tls {\ndns dnspod\n}", &["'dnspod' is not supported", "dns tencentcloud", "dns exec"]),
        ("tls {\ndns dyn\n}", &["'dyn' is not supported", "dns exec /path/to/program"]),
        ("tls {\ndns bunny key\n}", &["dns bunny takes no arguments", "environment"]),
        ("tls {\ndns bunny\n}", &["Caddyfile:3", "BUNNY_API_KEY is not set", "NAME_FILE"]),
        ("tls {\ndns exec\n}", &["a command is missing", "present NAME VALUE"]),
        ("tls {\ndns rfc2136 1.2.3.4\n}", &["takes no arguments", "RFC2136_NAMESERVER"]),
        ("tls {\nwildcard\n}", &["'wildcard' requires 'dns'", "DNS-01"]),
        ("tls {\nhttps_record\n}", &["Wrong argument count"]),
        (
            "tls {\nhttps_record yes\n}",
            &["Caddyfile:3", "unknown https_record 'yes': write one of off, check, publish"],
        ),
        (
            "tls {\nhttps_record off\nhttps_record check\n}",
            &["Caddyfile:4", "https_record is written twice"],
        ),
        (
            "tls {\nhttps_record publish\n}",
            &["'https_record publish' requires 'dns'", "dns rfc2136"],
        ),
        ("tls {\nstorage consul\n}", &["Unsupported storage provider 'consul'", "file"]),
        ("tls {\nnonsense\n}", &["Caddyfile:3", "unknown property 'nonsense'"]),
    ] {
        check(block, expected);
    }
}

#[test]
fn right_lines_are_taken() {
    let got = site(
        "tls me@mail.example {\n ca ca.example/dir\n max_certs 5\n ask http://localhost/ok\n \
         must_staple\n key_type P384\n eab id c2VjcmV0\n dns exec /bin/x y\n wildcard\n \
         profile short\n storage file\n https_record publish\n clients request\n}",
    );
    let site = got.unwrap_or_else(|error| panic!("{error}"));
    let managed = &site.tls.managed;
    assert!(matches!(site.tls.certificates, Some(Certificates::Managed)));
    assert_eq!(managed.email.as_deref(), Some("me@mail.example"));
    assert_eq!(managed.ca.as_deref(), Some("https://ca.example/dir"));
    assert_eq!(managed.eab.as_ref().map(|eab| eab.key.clone()), Some(b"secret".to_vec()));
    assert_eq!(managed.subject("www.a.example").as_deref(), Some("*.a.example"));
    assert!(managed.must_staple && site.tls.clients.is_some());
    assert_eq!(site.tls.https_record, Some(HttpsRecord::Publish));
    let demand = managed.on_demand.clone().unwrap();
    assert_eq!((demand.max, demand.ask.as_deref()), (Some(5), Some("http://localhost/ok")));
}

#[test]
fn one_word_is_an_address() {
    for (line, email, warnings) in [
        ("tls me@mail.example", Some("me@mail.example"), 0),
        ("tls admin", Some("admin"), 1),
        ("tls \"\"", None, 0),
        ("tls \"\" {\nkey_type P384 must_staple\n}", None, 0),
    ] {
        let site = site(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(matches!(site.tls.certificates, Some(Certificates::Managed)), "{line}");
        assert_eq!(site.tls.managed.email.as_deref(), email, "{line}");
        assert_eq!(site.warnings.len(), warnings, "{line}");
    }
}

#[test]
fn files_add_up_and_other_sources_replace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pem").display().to_string();
    let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let both = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(&path, both).unwrap();
    let files =
        format!("tls self_signed\ntls {path} {path}\ntls {{\nload {}\n}}", dir.path().display());
    let policy = site(&files).unwrap_or_else(|error| panic!("{error}")).tls;
    assert!(matches!(policy.certificates, Some(Certificates::Files(_))));
    assert_eq!(policy.more.len(), 1);
    let policy = site(&format!("{files}\ntls off")).unwrap_or_else(|e| panic!("{e}")).tls;
    assert!(matches!(policy.certificates, Some(Certificates::Off)));
}
