//! The storage as entries that several machines share: accounts, certificates each with its key,
//! orders in progress, answers to challenges, failures, advice when to renew, staples. Each is
//! whole by itself, unlike the files of v1's layout.

use std::io;

use super::challenge_answers;
use super::managed::{install, parse};
use super::places::Places;
use crate::tls::ocsp;
use crate::tls::storage::Storage;

const STAPLES: &str = "ocsp/";

/// The entry that a stored file belongs to, if it is shared. That of a certificate is its `.crt`.
pub fn entry_of(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let (folder, file) = key.rsplit_once('/')?;
    match parts[..] {
        ["acme", _, "sites", domain, file] => {
            match file.strip_prefix(domain)?.strip_prefix('.')? {
                "crt" | "key" => Some(format!("{folder}/{domain}.crt")),
                "json" | "order" | "retry" => Some(key.to_owned()),
                _ => None,
            }
        }
        ["acme", _, "users", _, _] => {
            let is_whole = [".key", ".json"].iter().any(|kind| file.ends_with(kind));
            (is_whole && !file.starts_with('.')).then(|| key.to_owned())
        }
        ["ocsp" | "challenges" | "advice", file] => {
            (!file.starts_with('.')).then(|| key.to_owned())
        }
        _ => None,
    }
}

/// The name of the lock under which an entry is written.
pub fn lock_of(entry: &str) -> String {
    let parts: Vec<&str> = entry.split('/').collect();
    match parts[..] {
        ["acme", _, "sites", domain, _] => domain.to_owned(),
        ["acme", ca, "users", ..] => format!("accounts-{ca}"),
        ["advice", page] => format!("advice-{page}"),
        [kind, ..] => kind.to_owned(),
        [] => String::new(),
    }
}

/// Whether the entry is there for a while only. Of others, a file that is missing is no sign that
/// it was to be removed.
pub fn is_transient(entry: &str) -> bool {
    [".order", ".retry"].iter().any(|kind| entry.ends_with(kind))
        || challenge_answers::is_challenge_answer(entry)
}

/// Whether the entry is a certificate with its key.
pub fn is_certificate(entry: &str) -> bool {
    Places::of_certificate(entry).is_some()
}

/// Whether the entry is the answer to a challenge.
pub fn is_challenge_answer(entry: &str) -> bool {
    challenge_answers::is_challenge_answer(entry)
}

/// Whether an entry may have served though nobody has removed it.
pub fn may_end(entry: &str) -> bool {
    is_transient(entry) || entry.starts_with(STAPLES)
}

/// The Unix second at which the content of an entry is good no longer, if it says so: of a staple.
pub fn end(entry: &str, content: &[u8]) -> Option<i64> {
    entry.starts_with(STAPLES).then(|| ocsp::end(content)).flatten()
}

/// All entries of a storage.
pub fn list(store: &dyn Storage) -> Vec<String> {
    let names = |folder: &str| store.list(folder).unwrap_or_default();
    let mut files = Vec::new();
    for kind in ["ocsp", "challenges", "advice"] {
        files.extend(names(kind).iter().map(|name| format!("{kind}/{name}")));
    }
    for ca in names("acme") {
        for kind in ["sites", "users"] {
            for one in names(&format!("acme/{ca}/{kind}")) {
                let folder = format!("acme/{ca}/{kind}/{one}");
                files.extend(names(&folder).iter().map(|file| format!("{folder}/{file}")));
            }
        }
    }
    let mut entries: Vec<_> = files.iter().filter_map(|file| entry_of(file)).collect();
    // An account's key before what tells that there is an account.
    entries.sort_by(|a, b| b.cmp(a));
    entries.dedup();
    entries
}

/// The content of an entry. A certificate with another key than its own is none.
pub fn read(store: &dyn Storage, entry: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(places) = Places::of_certificate(entry) else { return store.read(entry) };
    if let Some(both) = store.read(&places.arrived())?
        && parse(&both, &both, entry).is_ok()
    {
        return Ok(Some(both));
    }
    let (chain, key) = (store.read(&places.certificate())?, store.read(&places.key())?);
    Ok(chain.zip(key).filter(|(chain, key)| parse(chain, key, entry).is_ok()).map(
        |(chain, key)| {
            let end = chain.trim_ascii_end().len();
            [&chain[..end], b"\n", &key].concat()
        },
    ))
}

/// Replaces the content; without one the entry is removed. `WouldBlock` while a process of this
/// machine works on it.
pub fn replace(store: &dyn Storage, entry: &str, content: Option<&[u8]>) -> io::Result<()> {
    let Some(_lock) = store.try_lock(&lock_of(entry))? else {
        return Err(io::ErrorKind::WouldBlock.into());
    };
    match (content, Places::of_certificate(entry)) {
        (None, _) => store.remove(entry),
        (Some(content), None) => {
            if let Some(told) = told_of(entry)
                && store.read(entry)?.is_some_and(|here| here != content)
            {
                // Of the old key: whoever needs the account finds it by the new one.
                store.remove(&told)?;
            }
            store.write(entry, content)
        }
        (Some(both), Some(places)) => {
            let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            parse(both, both, entry).map_err(invalid)?;
            store.write(&places.arrived(), both)?;
            install(&places, both, store)
        }
    }
}

/// What the CA has told of the account whose key this entry is.
fn told_of(entry: &str) -> Option<String> {
    let parts: Vec<&str> = entry.split('/').collect();
    let ["acme", _, "users", ..] = parts[..] else { return None };
    entry.strip_suffix(".key").map(|account| format!("{account}.json"))
}

/// Whether `one` is a certificate that was issued later than `other`.
pub fn is_later(one: &[u8], other: &[u8]) -> bool {
    let issued = |both: &[u8]| parse(both, both, "").ok().map(|loaded| loaded.from);
    issued(one) > issued(other)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    use crate::tls::Folder;

    /// From 1 to 8 January 2026.
    pub(crate) const STAPLE: &[u8] = b"\x30\x64\x0a\x01\0\xa0\x5f\x30\x5d\x06\x01t\x04\x58\x30\x56\
        \x30\x4e\xa2\x03\x04\x01k\x18\x0f20260101000000Z\x30\x36\x30\x34\x30\x0c\x30\0\x04\x01n\
        \x04\x01k\x02\x02\x01\x02\x80\0\x18\x0f20260101000000Z\xa0\x11\x18\x0f20260108000000Z\
        \x30\0\x03\x02\0s";

    #[test]
    fn a_staple_says_when_it_ends() {
        assert_eq!(end("ocsp/a-1", STAPLE), Some(1_767_830_400));
        assert_eq!(end("ocsp/a-1", b"junk"), None);
        assert_eq!(end("challenges/http-a", STAPLE), None);
        let sites = "acme/ca/sites/a/a";
        assert!(is_certificate(&format!("{sites}.crt")));
        assert!(!is_certificate(&format!("{sites}.order")) && !is_certificate("ocsp/a-1"));
    }

    #[test]
    fn files_belong_to_entries() {
        let sites = "acme/ca.example:14000/sites/a.example/";
        for (file, entry) in [
            ("a.example.crt", Some("a.example.crt")),
            ("a.example.key", Some("a.example.crt")),
            ("a.example.json", Some("a.example.json")),
            ("a.example.order", Some("a.example.order")),
            ("a.example.retry", Some("a.example.retry")),
            ("a.example.arrived", None),
            ("a.example.crt.damaged-1", None),
            (".a.example.crt.new", None),
        ] {
            let expected = entry.map(|entry| format!("{sites}{entry}"));
            assert_eq!(entry_of(&format!("{sites}{file}")), expected, "{file}");
        }
        for key in [
            "acme/ca/users/default/default.key",
            "acme/ca/users/me@x/me.json",
            "ocsp/a-1",
            "challenges/http-a",
            "advice/1-7",
        ] {
            assert_eq!(entry_of(key).as_deref(), Some(key));
        }
        for key in ["locks/a.lock", "fleet/records", "acme/ca/users/x/.x.key.new", "ocsp/.a.new"] {
            assert_eq!(entry_of(key), None, "{key}");
        }
        assert_eq!(lock_of("acme/ca.example/sites/a.example/a.example.crt"), "a.example");
        assert_eq!(lock_of("acme/ca:1/users/me/me.key"), "accounts-ca:1");
        assert_eq!(
            (lock_of("advice/1-7").as_str(), lock_of("ocsp/a").as_str()),
            ("advice-1-7", "ocsp")
        );
    }

    #[test]
    fn what_was_told_of_another_key_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let entry = |kind: &str| format!("acme/ca/users/me@x/me.{kind}");
        let has = |kind: &str| store.read(&entry(kind)).unwrap().is_some();
        for (content, stays) in [(b"one", true), (b"one", true), (b"two", false)] {
            store.write(&entry("json"), b"{}").unwrap();
            replace(&store, &entry("key"), Some(content)).unwrap();
            assert_eq!((has("key"), has("json")), (true, stays));
        }
        replace(&store, &entry("json"), Some(b"{}")).unwrap();
        assert!(has("key") && has("json"));
    }

    #[test]
    fn the_later_certificate_was_issued_later() {
        let made = |from, until| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
            let cert = params.self_signed(&key).unwrap();
            format!("{}{}", cert.pem(), key.serialize_pem()).into_bytes()
        };
        // Whichever lasts longer.
        let (old, new, junk) = (made(2020, 2040), made(2021, 2030), b"junk".to_vec());
        for (name, one, other, expected) in [
            ("new, old", &new, &old, true),
            ("old, new", &old, &new, false),
            ("new, new", &new, &new, false),
            ("new, junk", &new, &junk, true),
            ("junk, new", &junk, &new, false),
            ("junk, junk", &junk, &junk, false),
        ] {
            assert_eq!(is_later(one, other), expected, "{name}");
        }
    }

    #[test]
    fn a_certificate_and_its_key_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let made = || {
            let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
            format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()).into_bytes()
        };
        let entry = "acme/ca/sites/a.example/a.example.crt";
        let (one, two) = (made(), made());
        replace(&store, entry, Some(&one)).unwrap();
        let read = || read(&store, entry).unwrap().map(|both| String::from_utf8(both).unwrap());
        let same = |both: Option<String>, made: &[u8]| {
            let plain = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(plain(&both.unwrap()), plain(std::str::from_utf8(made).unwrap()));
        };
        same(read(), &one);
        assert_eq!(list(&store), [entry]);
        // Half of another one.
        let text = String::from_utf8(two.clone()).unwrap();
        let key = &text[text.rfind("-----BEGIN").unwrap()..];
        store.write("acme/ca/sites/a.example/a.example.key", key.as_bytes()).unwrap();
        assert_eq!(read(), None);
        assert!(replace(&store, entry, Some(b"junk")).is_err());
        replace(&store, entry, Some(&two)).unwrap();
        same(read(), &two);
        let held = store.try_lock("a.example").unwrap();
        let busy = replace(&store, entry, Some(&one)).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        replace(&store, entry, None).unwrap();
        assert_eq!(read(), None);
    }
}
