//! The command line.

use std::fs;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

pub const USAGE: &str = "\
usage: h3load ADDRESS:PORT HOST PATH [OPTION...]
  -c N           connections (1)
  -m N           requests in flight on each (1)
  -n N           stop after so many requests
  -d SECONDS     stop after so long; not with -n
  --hold SECONDS make one request on each connection, then keep all open without a request
  --fresh        a new connection for every request
  --resume       with --fresh: resume the TLS session of an earlier connection
  --upload FILE  POST this file
  --expect FILE  compare every body with this file
  --length N     every body has this length
  --field 'NAME: VALUE'  one more field of the request";

/// What the connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Requests(u64),
    Elapsed(Duration),
    /// One request each, then idle for so long.
    Held(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// A connection carries requests until the end.
    Keep,
    /// Every request has a new connection, and every connection a full handshake.
    Fresh,
    /// The same, with the TLS session of an earlier connection.
    Resume,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub peer: SocketAddr,
    pub host: String,
    pub path: String,
    pub connections: usize,
    pub streams: usize,
    pub until: Until,
    pub reuse: Reuse,
    pub upload: Option<Vec<u8>>,
    pub expect: Option<Vec<u8>>,
    pub length: Option<u64>,
    pub fields: Vec<(String, String)>,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut positional = || words.next().ok_or("three words are needed");
        let (peer, host, path) = (positional()?, positional()?, positional()?);
        let mut options = Self {
            peer: number(&peer)?,
            host,
            path,
            connections: 1,
            streams: 1,
            until: Until::Requests(1),
            reuse: Reuse::Keep,
            upload: None,
            expect: None,
            length: None,
            fields: Vec::new(),
        };
        while let Some(word) = words.next() {
            options.take(&word, &mut words)?;
        }
        if options.connections == 0 || options.streams == 0 {
            return Err("-c and -m start at 1".to_owned());
        }
        Ok(options)
    }

    fn take(&mut self, word: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
        match word {
            "--fresh" if self.reuse == Reuse::Keep => self.reuse = Reuse::Fresh,
            "--fresh" => {}
            "--resume" => self.reuse = Reuse::Resume,
            _ => {
                let value = rest.next().ok_or_else(|| format!("{word} needs a value"))?;
                self.take_value(word, &value)?;
            }
        }
        Ok(())
    }

    fn take_value(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "-c" => self.connections = number(value)?,
            "-m" => self.streams = number(value)?,
            "-n" => self.until = Until::Requests(number(value)?),
            "-d" => self.until = Until::Elapsed(seconds(value)?),
            "--hold" => self.until = Until::Held(seconds(value)?),
            "--upload" => self.upload = Some(file(value)?),
            "--expect" => self.expect = Some(file(value)?),
            "--length" => self.length = Some(number(value)?),
            "--field" => {
                let (name, value) =
                    value.split_once(':').ok_or_else(|| format!("{value}: no colon"))?;
                self.fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => return Err(format!("{word} is not an option")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not what is expected there"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number(text)?).map_err(|_| format!("{text} is not a duration"))
}

fn file(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{path}: {error}"))
}
