//! A FastCGI responder on plain threads. It records every request and sends the valid or invalid
//! response that the path of REQUEST_URI selects.
//!
//! `/echo` the content; `/name/NAME` a variable; `/stderr/N` N bytes on standard error first;
//! `/early` a response before the content is read, `/early/MS` with its content so much later;
//! `/close` closes after a response despite KEEP_CONN; protocol violations are listed in
//! [`FAULTS`].

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong: a path's first word, and the bytes that are sent before the connection is
/// closed.
const FAULTS: &[(&str, &[u8])] = &[
    ("silent", b""),
    ("half-head", b"\x01\x06\0\x01\0\x06\0\0X: y\r\n"),
    ("half", b"\x01\x06\0\x01\0\x0c\0\0X: y\r\n\r\nhalf"),
    ("no-end", b"\x01\x06\0\x01\0\x0d\0\0X: y\r\n\r\nwhole\x01\x06\0\x01\0\0\0\0"),
    ("wrong-id", b"\x01\x06\0\x02\0\x0c\0\0X: y\r\n\r\nevil"),
    ("wrong-id-later", b"\x01\x06\0\x01\0\x0c\0\0X: y\r\n\r\nhalf\x01\x06\0\x09\0\x04\0\0evil"),
    ("long-record", b"\x01\x06\0\x01\xff\xff\0\0X: y\r\n\r\nshort"),
    ("short-end", b"\x01\x06\0\x01\0\x0c\0\0X: y\r\n\r\nhalf\x01\x03\0\x01\0\x02\0\0\0\0"),
    ("other-protocol", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("no-head", b"\x01\x06\0\x01\0\x06\0\0<html>\x01\x03\0\x01\0\x08\0\0\0\0\0\0\0\0\0\0"),
    ("refused", b"\x01\x03\0\x01\0\x08\0\0\0\0\0\0\x03\0\0\0"),
    ("overloaded", b"\x01\x03\0\x01\0\x08\0\0\0\0\0\0\x02\0\0\0"),
];

/// One request as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub params: HashMap<String, String>,
    pub content: Vec<u8>,
    /// The content came to its end.
    pub complete: bool,
}

/// A listening responder; its threads end with the test process.
pub struct Responder {
    pub addr: String,
    log: Arc<Mutex<Vec<Asked>>>,
    /// Connections that are open now.
    pub open: Arc<AtomicUsize>,
    /// Requests whose parameters have arrived.
    pub begun: Arc<AtomicUsize>,
}

impl Responder {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let addr = listener.local_addr().unwrap().to_string();
        let (log, open, begun) = Default::default();
        let responder = Self { addr, log, open, begun };
        let (log, open) = (responder.log.clone(), responder.open.clone());
        let begun = responder.begun.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, open, begun) = (log.clone(), open.clone(), begun.clone());
                std::thread::spawn(move || {
                    open.fetch_add(1, Ordering::SeqCst);
                    let _ = Conn { stream, log, begun }.serve();
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        responder
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    pub fn last(&self) -> Asked {
        self.asked().pop().expect("the responder saw no request")
    }
}

struct Conn {
    stream: TcpStream,
    log: Arc<Mutex<Vec<Asked>>>,
    begun: Arc<AtomicUsize>,
}

impl Conn {
    fn serve(mut self) -> std::io::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        loop {
            let mut asked = Asked::default();
            let keep = self.begin(&mut asked)?;
            self.begun.fetch_add(1, Ordering::SeqCst);
            let uri = asked.params.get("REQUEST_URI").cloned().unwrap_or_default();
            let mut words = uri.trim_start_matches('/').splitn(2, '/');
            let word = words.next().unwrap_or_default().to_owned();
            let rest = words.next().unwrap_or_default().to_owned();
            if let ("early", Ok(wait)) = (word.as_str(), rest.parse()) {
                self.record(6, b"Status: 401 No\r\n\r\n")?;
                std::thread::sleep(Duration::from_millis(wait));
                self.answer(b"no")?;
                asked.complete = self.content(&mut asked.content).is_ok();
                self.log.lock().unwrap().push(asked);
                return Ok(());
            }
            if word == "early" {
                self.log.lock().unwrap().push(asked);
                self.answer(b"Status: 401 No\r\n\r\nno")?;
                while self.stream.read(&mut [0; 65536]).is_ok_and(|taken| taken > 0) {}
                return Ok(());
            }
            asked.complete = self.content(&mut asked.content).is_ok();
            self.log.lock().unwrap().push(asked.clone());
            if !asked.complete {
                return Ok(());
            }
            if let Some((_, bytes)) = FAULTS.iter().find(|(name, _)| *name == word) {
                return self.stream.write_all(bytes);
            }
            match word.as_str() {
                "echo" => self.answer(&[b"X: y\r\n\r\n", &asked.content[..]].concat())?,
                "stderr" => {
                    let flood = vec![b'!'; rest.parse().unwrap_or(0)];
                    flood.chunks(60_000).try_for_each(|piece| self.record(7, piece))?;
                    self.answer(b"\r\nfine")?;
                }
                "hang" => {
                    while self.stream.read(&mut [0; 1024]).is_ok_and(|taken| taken > 0) {}
                    return Ok(());
                }
                "name" => {
                    let value = asked.params.get(&rest).map_or("(none)", |value| value);
                    self.answer(format!("\r\n{value}").as_bytes())?;
                }
                "close" => return self.answer(b"\r\nclosing"),
                _ => self.answer(b"\r\nhello")?,
            }
            if !keep {
                return Ok(());
            }
        }
    }

    /// Reads up to the end of the parameters; whether the connection is to stay.
    fn begin(&mut self, asked: &mut Asked) -> std::io::Result<bool> {
        let (kind, begin) = self.take()?;
        assert_eq!((kind, begin.len()), (1, 8), "BEGIN_REQUEST");
        let mut params = Vec::new();
        loop {
            match self.take()? {
                (4, piece) if piece.is_empty() => break,
                (4, piece) => params.extend(piece),
                other => panic!("{other:?} within the parameters"),
            }
        }
        let mut rest = &params[..];
        while !rest.is_empty() {
            let (name, value) = (length(&mut rest), length(&mut rest));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            asked.params.insert(text(&rest[..name]), text(&rest[name..name + value]));
            rest = &rest[name + value..];
        }
        Ok(begin[2] & 1 == 1)
    }

    fn content(&mut self, content: &mut Vec<u8>) -> std::io::Result<()> {
        loop {
            match self.take()? {
                (5, piece) if piece.is_empty() => return Ok(()),
                (5, piece) => content.extend(piece),
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    fn take(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head)?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut content = vec![0; length + usize::from(head[6])];
        self.stream.read_exact(&mut content)?;
        content.truncate(length);
        Ok((head[1], content))
    }

    fn answer(&mut self, content: &[u8]) -> std::io::Result<()> {
        let mut records: Vec<_> = content.chunks(60_000).map(|piece| record(6, piece)).collect();
        records.extend([record(6, b""), record(3, &[0; 8])]);
        // In one write, so that a short response has its end with it.
        self.stream.write_all(&records.concat())
    }

    fn record(&mut self, kind: u8, content: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(&record(kind, content))
    }
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = [1, kind, 0, 1, length[0], length[1], 0, 0];
    [&head, content].concat()
}

fn length(bytes: &mut &[u8]) -> usize {
    let (head, rest) = bytes.split_at(if bytes[0] & 0x80 == 0 { 1 } else { 4 });
    *bytes = rest;
    head.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)) & 0x7fff_ffff
}
