//! The engine: a server of the Redis protocol (6.2 and later) that all machines of a fleet reach.
//! What is asked of it here is one connection's; who asks, and when, is in `store`.

mod connect;
pub mod members;
mod scripts;
mod writes;

use std::net::IpAddr;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Stamp;
use super::lease::{Answer, Question, TTL};
use super::seal::Id;
pub use connect::{Early, Engine};
use connect::{Message, Wire};

/// Why the engine cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(pub String);

/// A connection.
pub struct Link {
    wire: Wire,
    keys: Keys,
    machine: String,
    /// Where the engine lies, for messages.
    pub place: String,
    /// The address of this machine that the engine sees.
    pub local: Option<IpAddr>,
}

/// The names of the keys. A cluster keeps them together, for what is in braces.
#[derive(Debug, Clone)]
struct Keys {
    prefix: String,
}

/// All that the engine has.
#[derive(Debug)]
pub struct Survey {
    /// Of the key with which the fleet seals its entries; empty if there is no fleet.
    pub fingerprint: String,
    pub now: Stamp,
    pub revision: String,
    pub versions: Vec<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub id: Id,
    pub version: Stamp,
}

/// An entry as the engine has it.
#[derive(Debug)]
pub struct Sealed {
    pub id: Id,
    pub version: Stamp,
    pub sealed: Vec<u8>,
}

#[derive(Debug)]
pub struct Polled {
    pub now: Stamp,
    pub revision: String,
}

/// An entry to be written.
#[derive(Debug)]
pub struct Put<'a> {
    pub id: Id,
    pub before: Option<Stamp>,
    pub version: Stamp,
    pub sealed: &'a [u8],
    /// The lease that covers it, and its fencing number if this machine has it.
    pub lease: &'a str,
    pub fence: Option<Stamp>,
    /// Writes what the engine has lost, whoever has the lease.
    pub is_restored: bool,
    /// Has the content come with the message to all machines, so that none must fetch it first.
    pub is_told: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Written(Change),
    /// The engine has another version, or none.
    Other(Option<Stamp>),
    /// Another machine has the lease.
    Fenced,
}

/// What comes of itself.
#[derive(Debug)]
pub enum News {
    Changed(Change),
    /// What another machine tells, or this one, sealed.
    Told(Vec<u8>),
}

/// A write, as the machines are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision of the engine before it.
    pub before: String,
    pub after: String,
    pub id: Id,
}

impl Link {
    /// What the engine has. If there is no fleet, our fingerprint becomes its own if `founds`.
    pub async fn survey(&mut self, fingerprint: &str, founds: bool) -> Result<Survey, Trouble> {
        let keys = [
            self.keys.fingerprint(),
            self.keys.revision(),
            self.keys.versions(),
            self.keys.entries(),
        ];
        let mut asked = eval(scripts::SURVEY, &keys);
        asked.arg(fingerprint).arg(u8::from(founds));
        let answer: Surveyed = self.wire.ask(&asked).await?;
        let (fingerprint, seconds, micros, revision, listed) = answer;
        let versions = listed.chunks_exact(2).filter_map(|pair| {
            Some(Version { id: Id::parse(&pair[0])?, version: pair[1].parse().ok()? })
        });
        let versions = versions.collect();
        Ok(Survey { fingerprint, now: stamp(seconds, micros), revision, versions })
    }

    /// Whether anything has changed.
    pub async fn poll(&mut self) -> Result<Polled, Trouble> {
        let asked = eval(scripts::POLL, &[self.keys.revision()]);
        let (seconds, micros, revision): (u64, u64, String) = self.wire.ask(&asked).await?;
        Ok(Polled { now: stamp(seconds, micros), revision })
    }

    /// The sealed entries, without those that the engine has no longer.
    pub async fn fetch(&mut self, ids: &[Id]) -> Result<Vec<Sealed>, Trouble> {
        let mut asked = redis::cmd("HMGET");
        asked.arg(self.keys.entries());
        for id in ids {
            asked.arg(id.to_string());
        }
        let found: Vec<Option<Vec<u8>>> = self.wire.ask(&asked).await?;
        let read = |id: Id, bytes: Vec<u8>| {
            let (version, sealed) = bytes.split_first_chunk::<8>()?;
            Some(Sealed { id, version: Stamp::from_be_bytes(*version), sealed: sealed.to_vec() })
        };
        Ok(ids.iter().zip(found).filter_map(|(id, bytes)| read(*id, bytes?)).collect())
    }

    /// `seen` is the highest number that this machine knows.
    pub async fn lease(
        &mut self,
        name: &str,
        question: Question,
        seen: Stamp,
    ) -> Result<Answer, Trouble> {
        let (act, number) = match question {
            Question::Acquire => ("acquire", seen),
            Question::Renew(fence) => ("renew", fence),
            Question::Release(fence) => ("release", fence),
        };
        let mut asked = eval(scripts::LEASE, &[self.keys.lease(name)]);
        asked.arg(act).arg(&self.machine).arg(number).arg(micros(TTL));
        let (answer, number): (String, Stamp) = self.wire.ask(&asked).await?;
        Ok(match answer.as_str() {
            "granted" => Answer::Granted(number),
            "taken" => Answer::Taken(Duration::from_micros(number)),
            "lost" => Answer::Lost,
            _ => Answer::Released,
        })
    }

    /// Has what machines tell each other come, too.
    pub async fn listen(&mut self) -> Result<(), Trouble> {
        self.wire.ask(redis::cmd("SUBSCRIBE").arg(self.keys.told())).await
    }

    /// Tells all machines that listen; returns how many they are, this one among them.
    pub async fn tell(&mut self, message: &[u8]) -> Result<usize, Trouble> {
        self.wire.ask(redis::cmd("PUBLISH").arg(self.keys.told()).arg(message)).await
    }

    /// The pages of a shelf, by place; each with its version before it.
    pub async fn pages(&mut self, shelf: Id) -> Result<Vec<Sealed>, Trouble> {
        let found: Vec<(String, Vec<u8>)> =
            self.wire.ask(redis::cmd("HGETALL").arg(self.keys.shelf(shelf))).await?;
        let read = |(place, bytes): (String, Vec<u8>)| {
            let (version, sealed) = bytes.split_first_chunk::<8>()?;
            let (id, version) = (Id::parse(&place)?, Stamp::from_be_bytes(*version));
            Some(Sealed { id, version, sealed: sealed.to_vec() })
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Writes a page; the shelf is kept so long from now on.
    pub async fn write_page(
        &mut self,
        shelf: Id,
        page: &Sealed,
        kept: Duration,
    ) -> Result<(), Trouble> {
        let key = self.keys.shelf(shelf);
        let content = [&page.version.to_be_bytes(), page.sealed.as_slice()].concat();
        let write = redis::cmd("HSET").arg(&key).arg(page.id.to_string()).arg(content).to_owned();
        self.wire.ask::<()>(&write).await?;
        let expire = redis::cmd("PEXPIRE").arg(&key).arg(micros(kept) / 1000).to_owned();
        self.wire.ask(&expire).await
    }

    /// What machines have told by now. That one has written is not said: the revision shows it.
    pub fn told_meanwhile(&mut self) -> Vec<Vec<u8>> {
        let mut told = Vec::new();
        while let Some(Message { channel, content }) = self.wire.message_that_came() {
            if let (true, Value::BulkString(content)) = (channel == self.keys.told(), content) {
                told.push(content);
            }
        }
        told
    }

    /// Waits for what any machine writes or tells; `None` when the connection has ended.
    pub async fn news(&mut self) -> Option<News> {
        loop {
            let Message { channel, content } = self.wire.message().await?;
            if channel == self.keys.told() {
                if let Value::BulkString(told) = content {
                    return Some(News::Told(told));
                }
                continue;
            }
            if let Some((change, _)) = changed(&content) {
                return Some(News::Changed(change));
            }
        }
    }
}

/// What a message of a write says: the change, and the entry if it comes with it. Further words are
/// of later versions.
fn changed(content: &Value) -> Option<(Change, Option<Sealed>)> {
    let Value::BulkString(bytes) = content else { return None };
    let mut words = std::str::from_utf8(bytes).ok()?.split(' ');
    let (before, after) = (words.next()?.to_owned(), words.next()?.to_owned());
    let id = Id::parse(words.next()?)?;
    let sealed = words.next().and_then(|word| {
        let bytes = BASE64.decode(word).ok()?;
        let (version, sealed) = bytes.split_first_chunk::<8>()?;
        Some(Sealed { id, version: Stamp::from_be_bytes(*version), sealed: sealed.to_vec() })
    });
    Some((Change { before, after, id }, sealed))
}

type Surveyed = (String, u64, u64, String, Vec<String>);
type Pushes = UnboundedReceiver<redis::PushInfo>;

impl Keys {
    fn of(&self, what: &str) -> String {
        format!("{{{}}}:{what}", self.prefix)
    }

    fn fingerprint(&self) -> String {
        self.of("fingerprint")
    }

    fn revision(&self) -> String {
        self.of("revision")
    }

    fn versions(&self) -> String {
        self.of("versions")
    }

    fn entries(&self) -> String {
        self.of("entries")
    }

    fn channel(&self) -> String {
        self.of("changes")
    }

    fn shelf(&self, shelf: Id) -> String {
        self.of(&format!("page:{shelf}"))
    }

    fn told(&self) -> String {
        self.of("told")
    }

    fn lease(&self, name: &str) -> String {
        self.of(&format!("lease:{name}"))
    }
}

fn eval(script: &str, keys: &[String]) -> Cmd {
    let mut asked = redis::cmd("EVAL");
    asked.arg(script).arg(keys.len()).arg(keys);
    asked
}

fn stamp(seconds: u64, micros: u64) -> Stamp {
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn text(value: &Value) -> Option<String> {
    String::from_redis_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        let id = "00112233445566778899aabbccddeeff";
        let read = |text: &str| changed(&Value::BulkString(text.as_bytes().to_vec()));
        let change = Change { before: "a".into(), after: "b".into(), id: Id::parse(id).unwrap() };
        let entry = BASE64.encode(b"\0\0\0\0\0\0\0\x07sealed");
        for (rest, expected) in [
            (String::new(), None),
            (format!(" {entry}"), Some((7, b"sealed".to_vec()))),
            (format!(" {entry} more"), Some((7, b"sealed".to_vec()))),
            (" of=later".to_owned(), None),
            (" AAAA".to_owned(), None),
        ] {
            let (found, sealed) = read(&format!("a b {id}{rest}")).unwrap();
            assert_eq!(found, change, "{rest}");
            assert_eq!(sealed.map(|sealed| (sealed.version, sealed.sealed)), expected, "{rest}");
        }
        for text in ["", "a b", "a b c", "a"] {
            assert!(read(text).is_none(), "{text}");
        }
        assert!(changed(&Value::BulkString(vec![0xff])).is_none());
        assert!(changed(&Value::Nil).is_none());
    }
}
