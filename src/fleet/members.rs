//! The machines of a fleet as each of them sees the others: what a machine says of itself, and the
//! small number that is its own. Pure: all times are the engine's.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stamp;
use crate::limits::{FLEET_BEAT, FLEET_GONE};

/// Machines up to which each reads the list with every sign of life; of more, it reads less often.
const AT_ONCE: usize = 256;

/// A machine's number, which no other has that was there within `FLEET_NUMBER`.
pub type Number = u16;

/// A machine as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub number: Number,
    pub said: Said,
    /// When its last sign of life came.
    pub seen: Stamp,
}

/// What a machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The name of its host.
    pub host: String,
    pub version: String,
    /// When its process was connected first.
    pub since: Stamp,
    /// How long the engine took for its last answer.
    pub lag: Duration,
    /// Where it takes packets from the others.
    pub way: Option<SocketAddr>,
    /// A random number of its process.
    pub process: u64,
}

/// Who a machine is, over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub number: Number,
    /// A random number that tells it from others that want the same number.
    pub holder: u64,
}

/// The machines as they were read from the engine.
#[derive(Debug, Clone, Default)]
pub struct Roll {
    read: Stamp,
    members: Vec<Member>,
    /// Those that were there when the engine's clock jumped ahead, with that time.
    kept: Vec<Member>,
}

impl Said {
    pub fn text(&self) -> String {
        let Self { host, version, since, lag, way, process } = self;
        json!({
            "host": host, "version": version, "since": since, "process": process,
            "lag": u64::try_from(lag.as_micros()).unwrap_or(u64::MAX),
            "way": way.map(|way| way.to_string()),
        })
        .to_string()
    }

    /// Members of the text that are not known are of later versions.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: Value = serde_json::from_slice(text).ok()?;
        Some(Self {
            host: text["host"].as_str()?.to_owned(),
            version: text["version"].as_str()?.to_owned(),
            since: text["since"].as_u64()?,
            lag: Duration::from_micros(text["lag"].as_u64()?),
            way: text["way"].as_str().and_then(|way| way.parse().ok()),
            process: text["process"].as_u64()?,
        })
    }
}

impl Claim {
    /// Of a machine that has none, or whose number is another's.
    pub fn draw() -> Self {
        Self { number: fastrand::u16(1..), holder: fastrand::u64(..) }
    }

    /// As it is kept on the disk.
    pub fn text(&self) -> String {
        format!("{} {:016x}\n", self.number, self.holder)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (number, holder) = text.trim_end().split_once(' ')?;
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(Self { number, holder: u64::from_str_radix(holder, 16).ok()? })
    }

    /// What its entry is bound to.
    pub fn name(&self) -> String {
        format!("member/{}/{:016x}", self.number, self.holder)
    }
}

impl Roll {
    /// The engine's clock is at `now`, where it should be at `expected`. If it has jumped ahead,
    /// the signs of life of all look old until they have come anew.
    pub fn went_on(&mut self, expected: Stamp, now: Stamp) {
        if now <= expected.saturating_add(micros(FLEET_BEAT)) {
            return;
        }
        self.kept = self.there(expected).map(|one| Member { seen: now, ..one.clone() }).collect();
        self.replace(now, Vec::new());
    }

    /// Takes the list of the engine.
    pub fn replace(&mut self, read: Stamp, members: Vec<Member>) {
        let end = micros(2 * FLEET_BEAT);
        self.kept.retain(|one| (one.seen..one.seen.saturating_add(end)).contains(&read));
        (self.read, self.members) = (read, members);
        for one in &self.kept {
            match self.members.iter_mut().find(|known| known.number == one.number) {
                Some(known) => known.seen = known.seen.max(one.seen),
                None => self.members.push(one.clone()),
            }
        }
    }

    /// Those that were there at this time. Without news of the engine they stay as they were.
    pub fn there(&self, now: Stamp) -> impl Iterator<Item = &Member> {
        let now = now.min(self.read.saturating_add(micros(FLEET_BEAT)));
        let limit = now.saturating_sub(micros(FLEET_GONE));
        self.members.iter().filter(move |member| member.seen >= limit)
    }

    /// After how many signs of life the list is read again.
    pub fn pause(&self) -> u32 {
        u32::try_from(self.members.len() / AT_ONCE).unwrap_or(u32::MAX).saturating_add(1)
    }
}

pub fn micros(time: Duration) -> Stamp {
    Stamp::try_from(time.as_micros()).unwrap_or(Stamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        Said {
            host: "web1 \"a\"".to_owned(),
            version: "1.2.3".to_owned(),
            since: 1_700_000_000_000_000,
            lag: Duration::from_micros(440),
            way: Some("[::1]:7".parse().unwrap()),
            process: u64::MAX,
        }
    }

    #[test]
    fn what_is_said_is_read() {
        assert_eq!(Said::parse(said().text().as_bytes()), Some(said()));
        let alone = Said { way: None, ..said() };
        assert_eq!(Said::parse(alone.text().as_bytes()), Some(alone));
        let later = said().text().replacen('{', "{\"new\":[1],", 1);
        assert_eq!(Said::parse(later.as_bytes()), Some(said()));
        for text in ["", "{}", "[1]", "{\"host\":1}"] {
            assert_eq!(Said::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_claim_is_kept() {
        for _ in 0..100 {
            let claim = Claim::draw();
            assert!(claim.number > 0);
            assert_eq!(Claim::parse(&claim.text()), Some(claim));
        }
        for text in ["", "1", "0 00", "65536 00", "1 x", "x 1"] {
            assert_eq!(Claim::parse(text), None, "{text}");
        }
    }

    #[test]
    fn who_is_silent_is_gone() {
        let second = 1_000_000;
        let start = 1000 * second;
        let member = |number, seen| Member { number, said: said(), seen };
        let read = start + 100 * second;
        let mut roll = Roll::default();
        roll.replace(read, vec![member(1, read), member(2, read - 40 * second), member(3, start)]);
        let there = |now| roll.there(now).map(|one| one.number).collect::<Vec<_>>();
        assert_eq!(there(read), [1, 2]);
        assert_eq!(there(read + 6 * second), [1]);
        // The engine is away since.
        assert_eq!(there(read + 1000 * second), [1]);
        assert_eq!(roll.pause(), 1);
        roll.replace(read, vec![member(1, read); 10_000]);
        assert_eq!(roll.pause(), 40);
    }

    #[test]
    fn a_clock_that_jumps_ahead_loses_nobody() {
        let second = 1_000_000;
        let start = 1000 * second;
        let member = |number, seen| Member { number, said: said(), seen };
        let there = |roll: &Roll, now| {
            let mut found: Vec<_> = roll.there(now).map(|one| one.number).collect();
            found.sort_unstable();
            found
        };
        let mut roll = Roll::default();
        roll.replace(
            start,
            vec![member(1, start), member(2, start), member(3, start - 60 * second)],
        );
        roll.went_on(start + 5 * second, start + 6 * second);
        assert_eq!(there(&roll, start + 6 * second), [1, 2]);
        let later = start + 3600 * second;
        roll.went_on(start + 10 * second, later);
        assert_eq!(there(&roll, later), [1, 2]);
        // The first one has given a sign since, and the second one is lost.
        let read = |at| vec![member(1, at), member(2, start)];
        roll.replace(later + 15 * second, read(later + 14 * second));
        assert_eq!(there(&roll, later + 15 * second), [1, 2]);
        roll.replace(later + 30 * second, read(later + 29 * second));
        assert_eq!(there(&roll, later + 30 * second), [1]);
        // The clock goes back: the engine lists nobody as seen later than now.
        roll.went_on(later + 31 * second, later + 7200 * second);
        roll.replace(start, vec![member(4, start)]);
        assert_eq!(there(&roll, start), [4]);
    }
}
