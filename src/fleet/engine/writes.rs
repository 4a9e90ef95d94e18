//! Entries as they are written at the engine, and dropped.

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use redis::Cmd;

use super::{Change, Link, Outcome, Put, Trouble, eval, micros, scripts};
use crate::fleet::Stamp;
use crate::fleet::lease::TTL;
use crate::fleet::seal::Id;

impl Link {
    pub async fn put(&mut self, put: &Put<'_>) -> Result<Outcome, Trouble> {
        let outcome = self.put_all(std::slice::from_ref(put)).await?.pop();
        outcome.ok_or_else(|| Trouble(format!("{}: no answer to a write", self.place)))
    }

    /// Writes several entries, each by itself, in one go.
    pub async fn put_all(&mut self, puts: &[Put<'_>]) -> Result<Vec<Outcome>, Trouble> {
        if puts.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked = redis::pipe();
        let mut revisions = Vec::new();
        for put in puts {
            let after = format!("{:016x}", fastrand::u64(..));
            asked.add_command(self.put_asked(put, &after));
            revisions.push(after);
        }
        let answers: Vec<(String, String)> = self.wire.ask_all(&asked).await?;
        let outcomes = answers.into_iter().zip(revisions).zip(puts);
        let outcomes = outcomes.map(|(((outcome, said), after), put)| match outcome.as_str() {
            "written" => Outcome::Written(Change { before: said, after, id: put.id }),
            "fenced" => Outcome::Fenced,
            _ => Outcome::Other(said.parse().ok()),
        });
        Ok(outcomes.collect())
    }

    /// The write of an entry that makes this revision of the engine.
    fn put_asked(&self, put: &Put<'_>, after: &str) -> Cmd {
        let keys = [
            self.keys.entries(),
            self.keys.versions(),
            self.keys.revision(),
            self.keys.lease(put.lease),
        ];
        let content = [&put.version.to_be_bytes(), put.sealed].concat();
        let number = |number: Option<Stamp>| number.map(|it| it.to_string()).unwrap_or_default();
        let mut asked = eval(scripts::PUT, &keys);
        asked
            .arg(put.id.to_string())
            .arg(number(put.before))
            .arg(put.version)
            .arg(&content)
            .arg(number(put.fence))
            .arg(&self.machine)
            .arg(self.keys.channel())
            .arg(after)
            .arg(u8::from(put.is_restored))
            .arg(micros(TTL))
            .arg(if put.is_told { format!(" {}", BASE64.encode(&content)) } else { String::new() });
        asked
    }

    /// Drops these versions, if they are the last ones.
    pub async fn forget(&mut self, versions: &[(Id, Stamp)]) -> Result<(), Trouble> {
        let mut asked = eval(scripts::FORGET, &[self.keys.versions(), self.keys.entries()]);
        for (id, version) in versions {
            asked.arg(id.to_string()).arg(version.to_string());
        }
        self.wire.ask::<u64>(&asked).await.map(drop)
    }
}
