//! The command line.

use std::str::FromStr;
use std::time::Duration;

pub const USAGE: &str = "\
usage: roadlink [OPTION...] <TUN >TUN     standard input: the clients' end, output: the servers'
  --rtt MS              round-trip time, half of it each way (0)
  --rate MBIT           rate each way; 0 for no limit (0)
  --queue BYTES         what may wait for the link, each way (no limit)
  --loss PERCENT        packets that get lost, each way (0)
  --burst N             packets that get lost in a row, on average (1)
  --jitter MS           so much later at most, in order (0)
  --reorder PERCENT     packets that come later than those behind them (0)
  --reorder-delay MS    so much later (10)
  --mtu BYTES           larger packets are answered by \"fragmentation needed\" (1500)
  --move-after BYTES    the client's address changes when it has received so many
  --udp-dies-after BYTES  UDP passes no more when the client has received so many
  --seed N              of the draws (1)";

/// The least that every host of IPv4 has to take (RFC 791).
const LEAST_MTU: u16 = 576;

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub rtt: Duration,
    /// Bits in a second; 0 for no limit.
    pub rate: f64,
    pub queue: f64,
    /// Shares, from 0 to 1.
    pub loss: f64,
    pub reorder: f64,
    pub burst: f64,
    pub jitter: Duration,
    pub reorder_delay: Duration,
    pub mtu: u16,
    pub move_after: Option<u64>,
    pub udp_dies_after: Option<u64>,
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rtt: Duration::ZERO,
            rate: 0.0,
            queue: f64::INFINITY,
            loss: 0.0,
            reorder: 0.0,
            burst: 1.0,
            jitter: Duration::ZERO,
            reorder_delay: Duration::from_millis(10),
            mtu: 1500,
            move_after: None,
            udp_dies_after: None,
            seed: 1,
        }
    }
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            options.take(&word, &value).map_err(|problem| format!("{word} {value}: {problem}"))?;
        }
        if options.burst > 1.0 && options.loss * (options.burst + 1.0) > options.burst {
            return Err("runs of this length cannot lose so much".to_owned());
        }
        Ok(options)
    }

    fn take(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "--rtt" => self.rtt = milliseconds(value)?,
            "--rate" => self.rate = positive(value)? * 1e6,
            "--queue" => self.queue = positive(value)?,
            "--loss" => self.loss = share(value)?,
            "--burst" => self.burst = positive(value)?,
            "--jitter" => self.jitter = milliseconds(value)?,
            "--reorder" => self.reorder = share(value)?,
            "--reorder-delay" => self.reorder_delay = milliseconds(value)?,
            "--mtu" => self.mtu = mtu(value)?,
            "--move-after" => self.move_after = Some(number(value)?),
            "--udp-dies-after" => self.udp_dies_after = Some(number(value)?),
            "--seed" => self.seed = number(value)?,
            _ => return Err("no such option".to_owned()),
        }
        Ok(())
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a number is expected".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = number(text)?;
    if value >= 0.0 && value.is_finite() { Ok(value) } else { Err("0 or more is expected".into()) }
}

fn share(text: &str) -> Result<f64, String> {
    let percent = positive(text)?;
    if percent <= 100.0 { Ok(percent / 100.0) } else { Err("0 to 100 is expected".to_owned()) }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(positive(text)? / 1e3).map_err(|error| error.to_string())
}

fn mtu(text: &str) -> Result<u16, String> {
    let mtu = number(text)?;
    if mtu >= LEAST_MTU { Ok(mtu) } else { Err(format!("{LEAST_MTU} or more is expected")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, String> {
        Options::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn units_are_those_of_the_usage() {
        let parsed = parse(
            "--rtt 16.5 --rate 20 --queue 30720 --loss 0.5 --burst 4 --jitter 3 --reorder 1 \
             --reorder-delay 7 --mtu 1280 --move-after 5 --udp-dies-after 6 --seed 9",
        );
        let want = Options {
            rtt: Duration::from_micros(16_500),
            rate: 2e7,
            queue: 30_720.0,
            loss: 0.005,
            reorder: 0.01,
            burst: 4.0,
            jitter: Duration::from_millis(3),
            reorder_delay: Duration::from_millis(7),
            mtu: 1280,
            move_after: Some(5),
            udp_dies_after: Some(6),
            seed: 9,
        };
        assert_eq!(parsed, Ok(want));
        assert_eq!(parse(""), Ok(Options::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, problem) in [
            ("--rtt", "--rtt needs a value"),
            ("--rtt x", "--rtt x: a number is expected"),
            ("--rtt -1", "--rtt -1: 0 or more is expected"),
            ("--rtt nan", "--rtt nan: 0 or more is expected"),
            ("--loss 101", "--loss 101: 0 to 100 is expected"),
            ("--mtu 500", "--mtu 500: 576 or more is expected"),
            ("--speed 1", "--speed 1: no such option"),
            ("--loss 90 --burst 2", "runs of this length cannot lose so much"),
        ] {
            assert_eq!(parse(words), Err(problem.to_owned()), "{words}");
        }
    }
}
