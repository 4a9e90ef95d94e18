//! The handover of an upgrade: sockets, the keys for connection IDs, the pid file, and a Caddyfile
//! that was read from a pipe.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::daemon::upgrade::Message;
use crate::server::{self, FleetClient, HandoverSockets, Known, Passed, ServiceKeys};

/// The version of the text. A program that changes it must still read the previous one.
const FORM: u64 = 1;

/// The handover as it is sent.
pub(super) struct HandoverOut<'a> {
    pub(super) keys: &'a ServiceKeys,
    pub(super) handovers: &'a [HandoverSockets],
    pub(super) pidfile: Option<BorrowedFd<'a>>,
    pub(super) control: Option<BorrowedFd<'a>>,
    /// The keys of session tickets that several machines have.
    pub(super) tickets: Option<Vec<u8>>,
    /// The socket for packets of other machines.
    pub(super) way: Option<BorrowedFd<'a>>,
    /// What is known of them.
    pub(super) known: Option<Known>,
    /// Whether a Caddyfile was found.
    pub(super) found: bool,
    /// The active Caddyfile, if it was read from the standard input.
    pub(super) stdin: Option<&'a str>,
}

/// The handover as it is received.
pub(super) struct HandoverIn {
    pub(super) passed: Passed,
    pub(super) handovers: Vec<HandoverSockets>,
    pub(super) pidfile: Option<OwnedFd>,
    pub(super) control: Option<OwnedFd>,
    pub(super) tickets: Option<Vec<u8>>,
    pub(super) way: Option<OwnedFd>,
    pub(super) known: Option<Known>,
    pub(super) found: bool,
    pub(super) stdin: Option<String>,
}

impl HandoverOut<'_> {
    pub(super) fn text(&self) -> String {
        let handovers = self.handovers.iter().map(|handover| {
            let (tcp, udp) = (handover.tcp.len(), handover.udp.len());
            let (addr, outlets) = (handover.addr.to_string(), handover.outlets.len());
            json!({ "addr": addr, "tcp": tcp, "udp": udp, "outlets": outlets })
        });
        let (tcp, udp) = server::lent();
        json!({
            "form": FORM,
            "secret": STANDARD.encode(self.keys.secret()),
            "older": self.keys.older().map(|secret| STANDARD.encode(secret)),
            "generation": self.keys.generation(),
            "tickets": self.tickets.as_ref().map(|keys| STANDARD.encode(keys)),
            "found": self.found,
            "stdin": self.stdin,
            "pidfile": usize::from(self.pidfile.is_some()),
            "handovers": handovers.collect::<Vec<_>>(),
            "lent": { "tcp": tcp.len(), "udp": udp.len() },
            "control": usize::from(self.control.is_some()),
            "way": usize::from(self.way.is_some()),
            "known": self.known.as_ref().map(known_text),
        })
        .to_string()
    }

    /// The files that the text counts, in its order.
    pub(super) fn files(&self) -> Vec<BorrowedFd<'_>> {
        let (tcp, udp) = server::lent();
        let own =
            self.pidfile.into_iter().chain(self.handovers.iter().flat_map(HandoverSockets::files));
        own.chain(tcp).chain(udp).chain(self.control).chain(self.way).collect()
    }
}

impl HandoverIn {
    /// Reads a message and registers the sockets in it that a supervisor has passed.
    pub(super) fn open(message: Message) -> Result<Self, String> {
        let odd = || "the handover from the previous process cannot be read".to_owned();
        let text: Value = serde_json::from_str(&message.text).map_err(|_| odd())?;
        if text["form"] != FORM {
            return Err("the handover from the previous process has an unknown version".to_owned());
        }
        let mut files = message.files.into_iter();
        let pidfile = some(&mut files, &text["pidfile"]).ok_or_else(odd)?.pop();
        let handovers = text["handovers"].as_array().ok_or_else(odd)?;
        let handovers: Option<Vec<HandoverSockets>> =
            handovers.iter().map(|counts| handover(&mut files, counts)).collect();
        let tcp = some(&mut files, &text["lent"]["tcp"]).ok_or_else(odd)?;
        let udp = some(&mut files, &text["lent"]["udp"]).ok_or_else(odd)?;
        // A version that has no such sockets says nothing of them.
        let control = some(&mut files, &text["control"]).and_then(|mut files| files.pop());
        let way = some(&mut files, &text["way"]).and_then(|mut files| files.pop());
        let (tcp, udp) = (tcp.into_iter().map(Into::into), udp.into_iter().map(Into::into));
        server::inherit(tcp.collect(), udp.collect()).map_err(|error| error.to_string())?;
        Ok(Self {
            passed: passed(&text).ok_or_else(odd)?,
            handovers: handovers.ok_or_else(odd)?,
            pidfile,
            control,
            tickets: text["tickets"].as_str().and_then(|keys| STANDARD.decode(keys).ok()),
            way,
            known: known(&text["known"]),
            found: text["found"].as_bool().unwrap_or_default(),
            stdin: text["stdin"].as_str().map(str::to_owned),
        })
    }
}

/// The secrets, with the next generation number.
fn passed(text: &Value) -> Option<Passed> {
    let secret = |text: &Value| STANDARD.decode(text.as_str()?).ok()?.try_into().ok();
    let generation = u32::try_from(text["generation"].as_u64()?).ok()?.checked_add(1)?;
    Some(Passed { secret: secret(&text["secret"])?, generation, older: secret(&text["older"]) })
}

fn known_text(known: &Known) -> Value {
    let Known { seconds, address, machines, clients } = known;
    let client = |one: &FleetClient| {
        let FleetClient { client, listener, ip } = one;
        json!([client.to_string(), listener.to_string(), ip.map(|ip| ip.to_string())])
    };
    json!({
        "seconds": seconds,
        "address": address.to_string(),
        "machines": machines.iter().map(|(number, at)| json!([number, at.to_string()])).collect::<Vec<_>>(),
        "clients": clients.iter().map(client).collect::<Vec<_>>(),
    })
}

/// `None` if the previous process knew nothing.
fn known(text: &Value) -> Option<Known> {
    let machine = |text: &Value| Some((text[0].as_u64()?.try_into().ok()?, parsed(&text[1])?));
    let client = |text: &Value| {
        let ip = match &text[2] {
            Value::Null => None,
            ip => Some(parsed(ip)?),
        };
        Some(FleetClient { client: parsed(&text[0])?, listener: parsed(&text[1])?, ip })
    };
    Some(Known {
        seconds: text["seconds"].as_u64()?,
        address: parsed(&text["address"])?,
        machines: text["machines"].as_array()?.iter().map(machine).collect::<Option<_>>()?,
        clients: text["clients"].as_array()?.iter().map(client).collect::<Option<_>>()?,
    })
}

fn parsed<T: FromStr>(text: &Value) -> Option<T> {
    text.as_str()?.parse().ok()
}

fn handover(files: &mut impl Iterator<Item = OwnedFd>, counts: &Value) -> Option<HandoverSockets> {
    Some(HandoverSockets {
        addr: parsed(&counts["addr"])?,
        tcp: some(files, &counts["tcp"])?,
        udp: some(files, &counts["udp"])?,
        outlets: some(files, &counts["outlets"])?,
    })
}

/// Takes `count` files; `None` if there are fewer.
fn some(files: &mut impl Iterator<Item = OwnedFd>, count: &Value) -> Option<Vec<OwnedFd>> {
    let count = usize::try_from(count.as_u64()?).ok()?;
    let files: Vec<OwnedFd> = files.take(count).collect();
    (files.len() == count).then_some(files)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsFd as _;

    use super::*;

    fn text(edit: impl Fn(&mut Value)) -> String {
        let mut text = json!({
            "form": 1, "secret": STANDARD.encode([5; 32]), "generation": 6, "stdin": ":80",
            "pidfile": 0, "lent": {"tcp": 0, "udp": 0},
            "handovers": [{"addr": "[::]:443", "tcp": 1, "udp": 1, "outlets": 0}],
        });
        edit(&mut text);
        text.to_string()
    }

    fn open(text: String) -> Result<HandoverIn, String> {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("tcp");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("udp");
        HandoverIn::open(Message { text, files: vec![tcp.into(), udp.into()] })
    }

    #[test]
    fn what_is_sent_arrives() {
        let handover = open(text(|_| {})).expect("handover");
        let nothing = handover.control.is_none() && handover.way.is_none();
        assert!(nothing && handover.known.is_none(), "an older version");
        let keys = ServiceKeys::passed(Passed { older: Some([6; 32]), ..handover.passed });
        let keys = keys.expect("keys");
        let way = UdpSocket::bind("127.0.0.1:0").expect("way");
        let way_address = way.local_addr().expect("address");
        let client = FleetClient {
            client: "[2001:db8::1]:5000".parse().expect("address"),
            listener: "[::]:443".parse().expect("address"),
            ip: Some("2001:db8::2".parse().expect("address")),
        };
        let machines = vec![(3, "10.0.0.3:7440".parse().expect("address"))];
        let known =
            Known { seconds: 1 << 33, address: way_address, machines, clients: vec![client] };
        let control = TcpListener::bind("127.0.0.1:0").expect("control");
        let control_address = control.local_addr().expect("address");
        let sent = HandoverOut {
            keys: &keys,
            handovers: &handover.handovers,
            pidfile: None,
            control: Some(control.as_fd()),
            tickets: Some(vec![7]),
            way: Some(way.as_fd()),
            known: Some(known.clone()),
            found: true,
            stdin: handover.stdin.as_deref(),
        };
        let files = sent.files().into_iter().map(|file| file.try_clone_to_owned().expect("file"));
        let message = Message { text: sent.text(), files: files.collect() };
        let next = HandoverIn::open(message).expect("handover");
        assert_eq!(next.tickets.as_deref(), Some([7].as_slice()));
        let passed = Passed { secret: [5; 32], generation: 8, older: Some([6; 32]) };
        assert_eq!(next.passed, passed);
        assert_eq!(next.known, Some(known));
        let way = UdpSocket::from(next.way.expect("way")).local_addr();
        assert_eq!(way.expect("address"), way_address);
        assert_eq!((next.stdin.as_deref(), next.pidfile.is_none()), (Some(":80"), true));
        let control = TcpListener::from(next.control.expect("control")).local_addr();
        assert_eq!(control.expect("address"), control_address);
        assert_eq!((handover.found, next.found), (false, true));
        let handover = &next.handovers[0];
        assert_eq!(handover.addr.to_string(), "[::]:443");
        assert_eq!((handover.tcp.len(), handover.udp.len(), handover.outlets.len()), (1, 1, 0));
    }

    #[test]
    fn what_is_odd_is_refused() {
        for (edit, says) in [
            ((|text| text["form"] = json!(2)) as fn(&mut Value), "an unknown version"),
            (|text| text["secret"] = json!("short"), "cannot be read"),
            (|text| text["handovers"][0]["udp"] = json!(3), "cannot be read"),
            (|text| text["handovers"][0]["addr"] = json!("here"), "cannot be read"),
            (|text| text["lent"] = json!(null), "cannot be read"),
        ] {
            let error = open(text(edit)).err().expect("an error");
            assert!(error.contains(says), "{error}");
        }
        assert!(open("{".to_owned()).is_err());
    }
}
