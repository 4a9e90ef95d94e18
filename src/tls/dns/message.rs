//! The DNS messages of a dynamic update (RFC 1035, RFC 2136), signed by TSIG (RFC 8945).

use aws_lc_rs::hmac;

/// Opcodes.
pub(super) const QUERY: u16 = 0;
pub(super) const UPDATE: u16 = 5 << 11;
/// Types and classes.
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const TXT: u16 = 16;
pub(super) const HTTPS: u16 = 65;
const TSIG: u16 = 250;
pub(super) const IN: u16 = 1;
/// The class that deletes a record by its value, and of a prerequisite that there is none.
pub(super) const NONE: u16 = 254;
const ANY: u16 = 255;

/// Maximum size of a name, with the lengths of its labels (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 255;
/// The allowed clock difference in seconds.
const FUDGE: u16 = 300;

/// A message under construction.
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// The sections of an update (RFC 2136 section 2), by the place of their record counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Section {
    Prerequisite = 6,
    Update = 8,
}

/// A record of an update.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) section: Section,
    pub(super) name: &'a str,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: &'a [u8],
}

/// A TSIG key.
pub(super) struct Signer<'a> {
    pub(super) key_name: &'a str,
    /// As a DNS name: `hmac-sha256.`.
    pub(super) algorithm: &'a str,
    pub(super) key: hmac::Key,
    /// Unix seconds.
    pub(super) now: u64,
}

impl Message {
    pub(super) fn new(id: u16, kind: u16) -> Self {
        let mut bytes = Vec::with_capacity(512);
        for field in [id, kind, 0, 0, 0, 0] {
            bytes.extend(field.to_be_bytes());
        }
        Self { bytes }
    }

    /// Adds a question, or the zone of an update: both are in the first section.
    pub(super) fn question(&mut self, name: &str, kind: u16) -> Result<(), String> {
        self.name(name)?;
        self.number(kind);
        self.number(IN);
        self.count(4);
        Ok(())
    }

    pub(super) fn record(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        self.name(entry.name)?;
        self.number(entry.kind);
        self.number(entry.class);
        self.bytes.extend(entry.ttl.to_be_bytes());
        self.sized(entry.data)?;
        self.count(entry.section as usize);
        Ok(())
    }

    pub(super) fn finish(mut self, signer: Option<&Signer<'_>>) -> Result<Vec<u8>, String> {
        if let Some(signer) = signer {
            self.sign(signer)?;
        }
        Ok(self.bytes)
    }

    fn sign(&mut self, signer: &Signer<'_>) -> Result<(), String> {
        let time = signer.now.to_be_bytes();
        let mut variables = Self { bytes: self.bytes.clone() };
        variables.name(signer.key_name)?;
        variables.number(ANY);
        variables.bytes.extend([0; 4]);
        variables.name(signer.algorithm)?;
        variables.bytes.extend(&time[2..]);
        variables.number(FUDGE);
        variables.bytes.extend([0; 4]);
        let mac = hmac::sign(&signer.key, &variables.bytes);
        let id = [self.bytes[0], self.bytes[1]];
        let mut data = Self { bytes: Vec::new() };
        data.name(signer.algorithm)?;
        data.bytes.extend(&time[2..]);
        data.number(FUDGE);
        data.sized(mac.as_ref())?;
        data.bytes.extend(id);
        data.bytes.extend([0; 4]);
        self.name(signer.key_name)?;
        self.number(TSIG);
        self.number(ANY);
        self.bytes.extend([0; 4]);
        self.sized(&data.bytes)?;
        self.count(10);
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        let start = self.bytes.len();
        for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
            let length = u8::try_from(label.len()).ok().filter(|length| *length < 64);
            self.bytes.push(length.ok_or_else(|| format!("'{name}' is not a DNS name"))?);
            self.bytes.extend(label.to_ascii_lowercase().bytes());
        }
        self.bytes.push(0);
        if self.bytes.len() - start > NAME_BYTES {
            return Err(format!("'{name}' is too long for a DNS name"));
        }
        Ok(())
    }

    fn sized(&mut self, data: &[u8]) -> Result<(), String> {
        self.number(u16::try_from(data.len()).map_err(|_| "too long".to_owned())?);
        self.bytes.extend(data);
        Ok(())
    }

    fn number(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// Increments the record count of a section at this offset.
    fn count(&mut self, at: usize) {
        let now = u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]).wrapping_add(1);
        self.bytes[at..at + 2].copy_from_slice(&now.to_be_bytes());
    }
}

/// The data of a TXT record.
pub(super) fn txt(value: &str) -> Result<Vec<u8>, String> {
    let length = u8::try_from(value.len()).map_err(|_| "the value is too long".to_owned())?;
    Ok([&[length], value.as_bytes()].concat())
}

/// The RCODE of the response to the message with this ID; `None` if it is not that response.
pub(super) fn code(answer: &[u8], id: u16) -> Option<u8> {
    let head: &[u8; 12] = answer.first_chunk()?;
    let ours = head[..2] == id.to_be_bytes() && head[2] & 0x80 != 0;
    ours.then_some(head[3] & 0x0f)
}

/// The number of records in the answer section.
pub(super) fn answers(answer: &[u8]) -> u16 {
    answer.get(6..8).map_or(0, |count| u16::from_be_bytes([count[0], count[1]]))
}

/// The RCODEs of a prerequisite that does not hold: there is a record, or not the one named.
pub(super) const YXRRSET: u8 = 7;
pub(super) const NXRRSET: u8 = 8;

/// The meaning of an RCODE (RFC 2136 section 2.2).
pub(super) fn meaning(code: u8) -> &'static str {
    match code {
        1 => "FORMERR: the message was not understood",
        2 => "SERVFAIL: the server failed",
        3 => "NXDOMAIN: no such name",
        5 => "REFUSED: the key may not update this name",
        9 => "NOTAUTH: not this server's zone, or a wrong key",
        10 => "NOTZONE: the name is not in the zone",
        _ => "an error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_laid_out_as_the_rfc_says() {
        let mut message = Message::new(0x1234, UPDATE);
        message.question("Example.", SOA).unwrap();
        let entry = Entry {
            section: Section::Update,
            name: "_acme-challenge.example.",
            kind: TXT,
            class: IN,
            ttl: 60,
            data: &txt("abc").unwrap(),
        };
        message.record(&entry).unwrap();
        let bytes = message.finish(None).unwrap();
        let expected: &[u8] = &[
            &[0x12, 0x34, 0x28, 0, 0, 1, 0, 0, 0, 1, 0, 0][..],
            b"\x07example\0\0\x06\0\x01",
            b"\x0f_acme-challenge\x07example\0\0\x10\0\x01\0\0\0\x3c\0\x04\x03abc",
        ]
        .concat();
        assert_eq!(bytes, expected);
        assert_eq!(code(&[0x12, 0x34, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0], 0x1234), Some(5));
        assert_eq!(code(&[0x12, 0x35, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0], 0x1234), None);
        assert_eq!(code(&[0x12], 0x1234), None);
    }

    #[test]
    fn names_have_their_longest() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for (name, fits) in [
            (longest.clone(), true),
            (format!("{longest}a"), false),
            (format!("{longest}.a"), false),
            (format!("a{label}.example"), false),
        ] {
            let made = Message::new(1, UPDATE).question(&name, SOA);
            assert_eq!(made.is_ok(), fits, "{name}");
        }
    }
}
