//! qlog of chosen connections: which ones, and the head of each file. Where the files are is known
//! to whoever gives [`TraceFiles`].

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use quinn_proto::{ConnectionId, QlogConfig, QlogStream};
use serde_json::{Value, json};

use crate::http::ranges::Ranges;

/// Opens files for traces.
pub trait TraceFiles: Send + Sync {
    /// A file of this name without its ending, which takes whole records; `None` if there may be
    /// no further one.
    fn create(&self, name: &str) -> Option<Box<dyn Write + Send + Sync>>;
}

/// The choice of connections.
pub struct Qlog {
    pub files: Box<dyn TraceFiles>,
    /// Of so many connections, one is recorded.
    pub one_in: u32,
    /// Only those of these clients.
    pub from: Option<Ranges>,
}

impl Qlog {
    /// The stream for the events of a connection, if it is chosen. `id` is the connection ID that
    /// the client chose for its first packet.
    pub(crate) fn stream(&self, client: IpAddr, id: ConnectionId) -> Option<QlogStream> {
        let is_from = self.from.as_ref().is_none_or(|from| from.contains(client.to_canonical()));
        if !is_from || fastrand::u32(..self.one_in) > 0 {
            return None;
        }
        let name = id.to_string();
        let file = self.files.create(&name)?;
        let title = concat!("caddy ", env!("CARGO_PKG_VERSION")).to_owned();
        let mut config = QlogConfig::default();
        config.title(Some(title)).writer(Box::new(Records {
            file,
            id: Some(name),
            record: vec![],
        }));
        config.into_stream()
    }
}

/// Hands on whole records.
struct Records {
    file: Box<dyn Write + Send + Sync>,
    /// Until the first record, which is the head of the file.
    id: Option<String>,
    record: Vec<u8>,
}

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let taken = bytes.get(..end).unwrap_or_default();
        self.record.extend_from_slice(taken);
        if self.record.ends_with(b"\n") {
            let mut record = std::mem::take(&mut self.record);
            if let Some(head) = self.id.take().and_then(|id| head(&record, &id)) {
                record = head;
            }
            self.file.write_all(&record)?;
            record.clear();
            self.record = record;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The head with what quinn does not know: that this is the server, which connection it is, and
/// when the times begin.
fn head(record: &[u8], id: &str) -> Option<Vec<u8>> {
    let mut head: Value = serde_json::from_slice(record.strip_prefix(b"\x1e")?).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let trace = head.get_mut("trace")?;
    *trace.get_mut("vantage_point")? = json!({ "name": "caddy", "type": "server" });
    trace.as_object_mut()?.insert(
        "common_fields".to_owned(),
        json!({
            "ODCID": id,
            "protocol_type": ["QUIC", "HTTP3"],
            "time_format": "relative",
            "reference_time": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        }),
    );
    let text = serde_json::to_vec(&head).ok()?;
    Some([b"\x1e".as_slice(), &text, b"\n"].concat())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A name, and what was written, record by record.
    type Written = (String, Vec<Vec<u8>>);

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<Written>>>);

    struct File(Memory, usize);

    impl TraceFiles for Memory {
        fn create(&self, name: &str) -> Option<Box<dyn Write + Send + Sync>> {
            let mut files = self.0.lock().unwrap();
            files.push((name.to_owned(), Vec::new()));
            Some(Box::new(File(self.clone(), files.len() - 1)))
        }
    }

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.0.lock().unwrap()[self.1].1.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn qlog(memory: &Memory, one_in: u32, from: Option<&str>) -> Qlog {
        let ranges = |word: &str| {
            let mut ranges = Ranges::default();
            assert!(ranges.add(word));
            ranges
        };
        Qlog { files: Box::new(memory.clone()), one_in, from: from.map(ranges) }
    }

    fn id() -> ConnectionId {
        ConnectionId::new(&[0xab, 1, 2, 3, 4, 5, 6, 0xff])
    }

    #[test]
    fn the_head_names_the_server_and_the_connection() {
        let memory = Memory::default();
        drop(qlog(&memory, 1, None).stream([192, 0, 2, 7].into(), id()));
        let files = memory.0.lock().unwrap();
        let (name, records) = &files[0];
        assert_eq!((name.as_str(), records.len()), ("ab010203040506ff", 1));
        let head = records[0].strip_prefix(b"\x1e").unwrap();
        let head: Value = serde_json::from_slice(head).unwrap();
        assert_eq!(
            (&head["qlog_format"], &head["qlog_version"]),
            (&"JSON-SEQ".into(), &"0.3".into())
        );
        assert_eq!(head["trace"]["vantage_point"]["type"], "server");
        assert_eq!(head["trace"]["common_fields"]["ODCID"], "ab010203040506ff");
    }

    #[test]
    fn clients_are_chosen_by_address_and_at_random() {
        let memory = Memory::default();
        for (one_in, from, client, fewest, most) in [
            (1, Some("192.0.2.0/24"), "192.0.2.7", 1000, 1000),
            (1, Some("192.0.2.0/24"), "::ffff:192.0.2.7", 1000, 1000),
            (1, Some("192.0.2.0/24"), "192.0.3.7", 0, 0),
            (4, None, "2001:db8::1", 150, 350),
            (4, Some("2001:db8::/32"), "2001:db8::1", 150, 350),
        ] {
            let qlog = qlog(&memory, one_in, from);
            let client: IpAddr = client.parse().unwrap();
            let chosen = (0..1000).filter(|_| qlog.stream(client, id()).is_some()).count();
            assert!((fewest..=most).contains(&chosen), "{chosen} of 1000 for {client}");
        }
    }

    #[test]
    fn records_come_whole() {
        let memory = Memory::default();
        let file = memory.create("x").unwrap();
        let mut records = Records { file, id: None, record: vec![] };
        for piece in [&b"\x1e{\"a\""[..], b":1}\n\x1e", b"{}\n\x1e{", b"}\n"] {
            records.write_all(piece).unwrap();
        }
        let files = memory.0.lock().unwrap();
        assert_eq!(files[0].1, [&b"\x1e{\"a\":1}\n"[..], b"\x1e{}\n", b"\x1e{}\n"]);
    }
}
