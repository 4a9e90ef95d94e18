//! What the engine keeps is sealed with the key of `-fleet-key`: the engine and whoever runs it
//! read neither contents nor names. A seal is bound to the entry and its version, so that one
//! cannot be put in the place of another.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;

use super::Stamp;
use super::common::Common;
use crate::hex::hex;

const LENGTH: usize = 32;
const NONCE: usize = 12;
const MAKE: &str = "make one by: head -c 32 /dev/urandom >FILE, and copy it to all machines";
const SALT: &[u8] = b"caddy fleet 1";

/// The name of an entry at the engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 16]);

/// The keys that are made of that of `-fleet-key`.
pub struct Seal {
    content: RandomizedNonceKey,
    names: hmac::Key,
    secrets: hmac::Key,
    /// Tells the key from another, and says nothing of it.
    fingerprint: String,
}

impl Seal {
    /// Reads the key from its file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let place = path.display();
        let failed = |error: std::io::Error| format!("-fleet-key {place}: {error}; {MAKE}");
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(format!("-fleet-key {place}: not a file; {MAKE}"));
        }
        if meta.mode() & 0o007 != 0 {
            return Err(format!(
                "-fleet-key {place}: every user of this machine can read it: chmod 0640 {place}"
            ));
        }
        let mut key = Vec::new();
        file.take(LENGTH as u64 + 1).read_to_end(&mut key).map_err(failed)?;
        let length = match key.len() {
            more if more > LENGTH => format!("more than {LENGTH}"),
            length => length.to_string(),
        };
        Self::new(&key).ok_or_else(|| {
            format!("-fleet-key {place}: it has {length} bytes and needs {LENGTH}; {MAKE}")
        })
    }

    /// `None` if the key has another length than 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        if key.len() != LENGTH {
            return None;
        }
        let root = Salt::new(HKDF_SHA256, SALT).extract(key);
        let content = RandomizedNonceKey::new(&AES_256_GCM, &derive(&root, &[b"content"])?).ok()?;
        let names = hmac::Key::new(hmac::HMAC_SHA256, &derive(&root, &[b"names"])?);
        let secrets = hmac::Key::new(hmac::HMAC_SHA256, &derive(&root, &[b"secrets"])?);
        let shown = derive(&root, &[b"fingerprint"])?;
        Some(Self { content, names, secrets, fingerprint: hex(&shown[..16]) })
    }

    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the fleet has in common beside entries.
    pub fn common(&self) -> Common {
        Common::new(self.secrets.clone())
    }

    /// What the entry is called at the engine.
    pub fn id(&self, name: &str) -> Id {
        let mut id = [0; 16];
        id.copy_from_slice(&hmac::sign(&self.names, name.as_bytes()).as_ref()[..16]);
        Id(id)
    }

    /// A name and its content, sealed; `None` if the library fails.
    pub fn close(&self, name: &str, content: Option<&[u8]>, version: Stamp) -> Option<Vec<u8>> {
        let length = u16::try_from(name.len()).ok()?;
        let mut text = vec![u8::from(content.is_some())];
        text.extend(length.to_be_bytes());
        text.extend(name.as_bytes());
        text.extend(content.unwrap_or_default());
        let aad = Aad::from(self.id(name).bound(version));
        let nonce = self.content.seal_in_place_append_tag(aad, &mut text).ok()?;
        Some([nonce.as_ref().as_slice(), &text].concat())
    }

    /// What was sealed under this ID and version; `None` for anything else.
    pub fn open(&self, id: Id, version: Stamp, sealed: &[u8]) -> Option<Opened> {
        let (nonce, text) = sealed.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let aad = Aad::from(id.bound(version));
        let text = self.content.open_in_place(nonce, aad, &mut text).ok()?;
        let (head, rest) = text.split_at_checked(3)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        let (name, content) = rest.split_at_checked(length)?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let content = (head[0] == 1).then(|| content.to_vec());
        (self.id(&name) == id).then_some(Opened { name, content })
    }
}

/// An entry as it was sealed; without content: a removed one.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    pub name: String,
    pub content: Option<Vec<u8>>,
}

impl Id {
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(id))
    }

    fn bound(self, version: Stamp) -> Vec<u8> {
        [SALT, &self.0, &version.to_be_bytes()].concat()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seal").field(&self.fingerprint).finish()
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        LENGTH
    }
}

fn derive(root: &Prk, purpose: &[&[u8]]) -> Option<[u8; LENGTH]> {
    let mut key = [0; LENGTH];
    root.expand(purpose, Bytes32).ok()?.fill(&mut key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_seal_is_bound_to_key_name_and_version() {
        let (seal, other) = (Seal::new(&[1; 32]).unwrap(), Seal::new(&[2; 32]).unwrap());
        let id = seal.id("a.crt");
        let sealed = seal.close("a.crt", Some(b"text"), 7).unwrap();
        let opened = Opened { name: "a.crt".to_owned(), content: Some(b"text".to_vec()) };
        assert_eq!(seal.open(id, 7, &sealed), Some(opened));
        assert_eq!(seal.open(id, 8, &sealed), None);
        assert_eq!(seal.open(seal.id("b.crt"), 7, &sealed), None);
        assert_eq!(other.open(id, 7, &sealed), None);
        assert_ne!(other.id("a.crt"), id);
        assert_ne!(other.fingerprint(), seal.fingerprint());
        let mut damaged = sealed.clone();
        damaged[20] ^= 1;
        assert_eq!(seal.open(id, 7, &damaged), None);
        assert_eq!(seal.open(id, 7, &sealed[..11]), None);
        assert!(!sealed.windows(4).any(|bytes| bytes == b"text"));
        let removed = seal.close("a.crt", None, 9).unwrap();
        assert_eq!(seal.open(id, 9, &removed).unwrap().content, None);
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse("x"), None);
    }

    #[test]
    fn a_bad_key_file_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let write = |content: &[u8], mode| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Seal::read(&path).map(|_| ())
        };
        assert_eq!(write(&[1; 32], 0o640), Ok(()));
        for (content, mode, why) in [
            (&[1; 31][..], 0o600, "it has 31 bytes and needs 32; make one by: head -c 32"),
            (&[1; 33], 0o600, "it has more than 32 bytes and needs 32"),
            (&[], 0o600, "it has 0 bytes"),
            (&[1; 32], 0o644, "every user of this machine can read it: chmod 0640"),
        ] {
            let error = write(content, mode).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let error = Seal::read(&dir.path().join("none")).unwrap_err();
        assert!(error.contains("No such file") && error.contains("make one by"), "{error}");
        let error = Seal::read(dir.path()).unwrap_err();
        assert!(error.contains("not a file"), "{error}");
    }
}
