//! Signs of life: what a machine says of itself to the others, and its claim of a number.

use super::{Link, Polled, Trouble, eval, micros, scripts, stamp};
use crate::fleet::Stamp;
use crate::fleet::members::{Claim, Number};
use crate::limits::FLEET_NUMBER;

/// A sign of life.
#[derive(Debug)]
pub struct Sign<'a> {
    pub claim: Claim,
    /// `None`: the machine leaves.
    pub sealed: Option<&'a [u8]>,
    /// Whether the list of all is wanted.
    pub lists: bool,
}

/// The engine's answer to it.
#[derive(Debug)]
pub struct Signed {
    pub polled: Polled,
    /// Whether another machine has the number.
    pub is_taken: bool,
    /// What was at the number before.
    pub before: Option<Listed>,
    pub listed: Vec<Listed>,
}

/// A machine as the engine has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub claim: Claim,
    pub seen: Stamp,
    pub sealed: Vec<u8>,
}

impl Link {
    /// Asks what has changed, as [`Link::poll`] does, with a sign of life.
    pub async fn sign(&mut self, sign: &Sign<'_>) -> Result<Signed, Trouble> {
        let keys = [
            self.keys.revision(),
            self.keys.of("members"),
            self.keys.entries(),
            self.keys.versions(),
        ];
        let Claim { number, holder } = sign.claim;
        let mut asked = eval(scripts::SIGN, &keys);
        asked
            .arg(number)
            .arg(format!("{holder:016x}"))
            .arg(sign.sealed.unwrap_or_default())
            .arg(micros(FLEET_NUMBER))
            .arg(u8::from(sign.lists));
        let answer: Answer = self.wire.ask(&asked).await?;
        let (seconds, micros, revision, outcome, before, listed) = answer;
        let listed = listed.chunks_exact(2).filter_map(|pair| {
            let number = std::str::from_utf8(&pair[0]).ok()?.parse().ok()?;
            Listed::read(number, &pair[1])
        });
        Ok(Signed {
            polled: Polled { now: stamp(seconds, micros), revision },
            is_taken: outcome == "taken",
            before: Listed::read(number, &before),
            listed: listed.collect(),
        })
    }
}

type Answer = (u64, u64, String, String, Vec<u8>, Vec<Vec<u8>>);

impl Listed {
    /// Reads `SEEN HOLDER SEALED`.
    fn read(number: Number, entry: &[u8]) -> Option<Self> {
        let mut parts = entry.splitn(3, |byte| *byte == b' ');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let seen = text()?.parse().ok()?;
        let holder = u64::from_str_radix(text()?, 16).ok()?;
        let sealed = parts.next()?.to_vec();
        Some(Self { claim: Claim { number, holder }, seen, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let read = |entry: &[u8]| Listed::read(7, entry);
        let listed = read(b"1700000000000000 00000000000000ff a b").unwrap();
        assert_eq!(listed.claim, Claim { number: 7, holder: 255 });
        assert_eq!((listed.seen, &listed.sealed[..]), (1_700_000_000_000_000, &b"a b"[..]));
        for entry in [&b""[..], b"1", b"1 2", b"x ff a", b"1 x a", b"\xff ff a"] {
            assert_eq!(read(entry), None, "{entry:?}");
        }
    }
}
