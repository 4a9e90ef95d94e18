//! An origin on plain threads. It records every request byte for byte and sends the valid or
//! invalid response that the path selects.
//!
//! `/echo` request body back; `/head` request head back; `/size/N` N pattern bytes; `/status/N`;
//! `/upload` "LEN CRC"; `/slow/MS` waits first, `/hang/MS` too unless its client goes; `/drip/N`
//! N bytes, ten a second; `/chunked`, `/trailers`, `/hints` (103 first); `/reset` no answer;
//! `/cut` half a body by length; `/chunkcut` chunks without the last; `/accel/PATH`
//! X-Accel-Redirect to PATH; `/early` 401 before the body; `/moved?URL` 302 there, where `SELF`
//! is the origin's own address; `/fault/NAME` of `faults.rs`; `/raw/NAME` a wrong answer from
//! [`RAW`]; `/sums` with sums of its content, `/sums/trailing` one of them behind it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{crc, pattern};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The whole body came.
    pub complete: bool,
    /// Which connection, counted from 0.
    pub connection: usize,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// Wrong or odd answers: name and bytes.
pub const RAW: &[(&str, &[u8])] = &[
    ("garbage", b"this is not HTTP\r\n\r\n"),
    ("status", b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n"),
    ("two-lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
    (
        "length-and-chunks",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    ("nul", b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("bare-cr", b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 0\r\n\r\n"),
    ("switch", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\nxx"),
    ("chunk-size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
    ("304-length", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 8\r\n\r\n"),
    ("204-body", b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled"),
    ("204-length", b"HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\nsmuggled"),
    ("304-body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\nsmuggled"),
    ("extra", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"),
    ("hop", b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok"),
];

/// A listening origin; its threads end with the test process.
pub struct Origin {
    pub addr: SocketAddr,
    log: Arc<Mutex<Vec<Recorded>>>,
    /// Connections that are open now.
    pub open: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
}

impl Origin {
    pub fn start() -> Self {
        Self::named("")
    }

    /// `name` is sent in `X-Origin`.
    pub fn named(name: &'static str) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), name)
    }

    /// Origins on ports that follow one another.
    pub fn row(names: &[&'static str]) -> Vec<Self> {
        for _ in 0..100 {
            // Those that follow would else be another test's.
            let ports: Vec<u16> = names.iter().map(|_| super::free_port()).collect();
            if ports.windows(2).any(|two| two[1] != two[0] + 1) {
                continue;
            }
            let bound = |port: &u16| TcpListener::bind(("127.0.0.1", *port));
            let listeners: Result<Vec<_>, _> = ports.iter().map(bound).collect();
            if let Ok(listeners) = listeners {
                return listeners
                    .into_iter()
                    .zip(names)
                    .map(|(l, name)| Self::on(l, name))
                    .collect();
            }
        }
        panic!("no free ports in a row");
    }

    /// On a socket of the test's choice.
    pub fn on(listener: TcpListener, name: &'static str) -> Self {
        let origin = Self {
            addr: listener.local_addr().unwrap(),
            log: Arc::default(),
            open: Arc::default(),
            down: Arc::default(),
        };
        let (log, open, down) = (origin.log.clone(), origin.open.clone(), origin.down.clone());
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                if down.load(Ordering::SeqCst) {
                    continue;
                }
                let (log, open) = (log.clone(), open.clone());
                std::thread::spawn(move || {
                    open.fetch_add(1, Ordering::SeqCst);
                    let _ = Conn { stream, name, connection, log, buffer: vec![] }.serve();
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        origin
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.log.lock().unwrap().clone()
    }

    pub fn last(&self) -> Recorded {
        self.requests().pop().expect("the origin saw no request")
    }

    pub fn clear(&self) {
        self.log.lock().unwrap().clear();
    }

    /// From now on closes every new connection at once (or not).
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

struct Conn {
    stream: TcpStream,
    name: &'static str,
    connection: usize,
    log: Arc<Mutex<Vec<Recorded>>>,
    buffer: Vec<u8>,
}

impl Conn {
    fn serve(mut self) -> std::io::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        while let Some((mut request, head)) = self.head()? {
            let early = request.target.starts_with("/early");
            if early {
                self.log.lock().unwrap().push(request.clone());
                self.reply("401 Unauthorized", "", b"no")?;
                // As servers do: a close with unread bytes would reset what was just answered.
                self.stream.shutdown(std::net::Shutdown::Write)?;
                self.stream.set_read_timeout(Some(Duration::from_secs(2)))?;
                while self.stream.read(&mut [0; 65536]).is_ok_and(|taken| taken > 0) {}
                return Ok(());
            }
            let body = self.body(&request);
            request.complete = body.is_ok();
            request.body = body.unwrap_or_default();
            let whole = request.complete;
            self.log.lock().unwrap().push(request.clone());
            if !whole || !self.answer(&request, &head)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn more(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 65536];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    fn head(&mut self) -> std::io::Result<Option<(Recorded, Vec<u8>)>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.lines();
        let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let request = Recorded {
            method: first.next().unwrap_or_default(),
            target: first.next().unwrap_or_default(),
            headers,
            body: vec![],
            complete: false,
            connection: self.connection,
        };
        Ok(Some((request, head)))
    }

    fn take(&mut self, len: usize) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < len {
            if self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..len).collect())
    }

    fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn body(&mut self, request: &Recorded) -> std::io::Result<Vec<u8>> {
        if request.header("expect").is_some() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if request.header("transfer-encoding").is_none() {
            let len = request.header("content-length").unwrap_or("0").parse().unwrap_or(0);
            return self.take(len);
        }
        let mut body = vec![];
        loop {
            let size =
                usize::from_str_radix(&self.line()?, 16).map_err(|_| ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size)?);
            self.line()?;
        }
    }

    fn reply(&mut self, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
        let name = self.name;
        let len = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nX-Origin: {name}\r\n{headers}Content-Length: {len}\r\n\r\n"
        );
        self.stream.write_all(&[head.as_bytes(), body].concat())
    }

    /// False ends the connection.
    fn answer(&mut self, request: &Recorded, head: &[u8]) -> std::io::Result<bool> {
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (word, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        // Below any folder, as an application of its own.
        let word = if path.ends_with("/moved") { "moved" } else { word };
        let number = rest.parse::<usize>().unwrap_or(0);
        let plain = "Content-Type: text/plain\r\n";
        if word == "sums" {
            return self.sums(rest, request.method == "HEAD").map(|()| true);
        }
        if request.method == "HEAD" {
            return self.headless(number).map(|()| true);
        }
        if word == "fault" {
            return super::faults::commit(rest, &mut self.stream);
        }
        match word {
            "echo" => self.reply("200 OK", plain, &request.body)?,
            "head" => self.reply("200 OK", plain, head)?,
            "upload" => {
                let said = format!("{} {}", request.body.len(), crc(&request.body));
                self.reply("200 OK", plain, said.as_bytes())?;
            }
            "size" => self.reply("200 OK", plain, &pattern(number))?,
            "status" if number == 204 => self.stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?,
            "status" => self.reply(&format!("{number} Text"), plain, b"told")?,
            "slow" => {
                std::thread::sleep(Duration::from_millis(number as u64));
                self.reply("200 OK", plain, b"slow")?;
            }
            "hang" => {
                self.stream.set_read_timeout(Some(Duration::from_millis(number as u64)))?;
                return Ok(self.more().is_err() && self.reply("200 OK", plain, b"late").is_ok());
            }
            "drip" => self.drip(number)?,
            "chunked" => self.stream.write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
            )?,
            "trailers" => self.stream.write_all(
                b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
            )?,
            "hints" => {
                self.stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
                self.reply("200 OK", plain, b"after")?;
            }
            "accel" => self.reply("200 OK", &format!("X-Accel-Redirect: /{rest}\r\n"), b"")?,
            "moved" => self.moved(request.target.split_once('?').map_or("", |(_, url)| url))?,
            "reset" => return Ok(false),
            "cut" => return self.cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"),
            "chunkcut" => {
                return self.cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
            }
            "raw" => {
                let bytes = RAW.iter().find(|(name, _)| *name == rest).expect("a name of RAW").1;
                self.stream.write_all(bytes)?;
            }
            _ => self.reply("200 OK", plain, b"hello")?,
        }
        Ok(true)
    }

    fn moved(&mut self, to: &str) -> std::io::Result<()> {
        let own = self.stream.local_addr()?.to_string();
        let to = to.replace("SELF", &own);
        let ip = own.split(':').next().unwrap_or_default();
        let fields = format!(
            "Location: {to}\r\nContent-Location: {to}\r\nSet-Cookie: a=b; Domain={ip}; Path=/app/\r\n"
        );
        self.reply("302 Found", &fields, b"")
    }

    fn sums(&mut self, rest: &str, is_head: bool) -> std::io::Result<()> {
        let sum = "sha-256=:AAAA:";
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"strong\"\r\n\
             Content-Digest: {sum}\r\nRepr-Digest: {sum}\r\nDigest: sha-256=AAAA\r\n\
             Content-MD5: AAAA\r\n"
        );
        let body = "x".repeat(500);
        let content = match rest {
            "trailing" => {
                head += "Trailer: Repr-Digest\r\nTransfer-Encoding: chunked\r\n\r\n";
                format!("1f4\r\n{body}\r\n0\r\nRepr-Digest: {sum}\r\n\r\n")
            }
            _ => {
                head += "Content-Length: 500\r\n\r\n";
                body
            }
        };
        let content = if is_head { String::new() } else { content };
        self.stream.write_all(&[head, content].concat().into_bytes())
    }

    fn headless(&mut self, len: usize) -> std::io::Result<()> {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n");
        self.stream.write_all(head.as_bytes())
    }

    fn cut(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        self.stream.write_all(bytes)?;
        std::thread::sleep(Duration::from_millis(50));
        Ok(false)
    }

    fn drip(&mut self, count: usize) -> std::io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n");
        self.stream.write_all(head.as_bytes())?;
        for _ in 0..count {
            self.stream.write_all(b".")?;
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}
