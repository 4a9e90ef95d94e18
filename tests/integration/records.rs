//! TLS records: of one packet at the beginning of a connection and after a pause, full ones
//! between; a head does not wait for its content.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Caddy, Setup, TlsStream, pattern, tls_any, tls_speaking};

const SIZE: usize = 512 * 1024;
/// More than the buffers of the kernel hold while the client reads nothing.
const LARGE: usize = 16 * 1024 * 1024;
/// With its head, a packet over IPv6 with TCP timestamps.
const PACKET: usize = 1428;

#[test]
fn the_first_records_fit_a_packet() {
    let caddy = caddy();
    let mut tls = tls_any(caddy.port());
    let records = get(&mut tls);
    let small = records.iter().take_while(|length| **length <= PACKET).sum::<usize>();
    assert!((64 * 1024..80 * 1024).contains(&small), "{small} bytes: {records:?}");
    let rest = &records[records.iter().take_while(|length| **length <= PACKET).count()..];
    assert!(rest[0] > 16 * 1024 && rest.len() < 40, "{rest:?}");

    let records = get(&mut tls);
    assert!(records[0] < 1024, "the head alone: {records:?}");
    assert!(records[1] > 16 * 1024 && records.len() < 48, "{records:?}");

    sleep(Duration::from_millis(1200));
    let records = get(&mut tls);
    assert!(records[..40].iter().all(|length| *length <= PACKET), "{records:?}");
}

/// A client that takes what is queued for it, however slowly, has made no pause.
#[test]
fn records_stay_large_for_a_slow_client() {
    let caddy = caddy();
    let mut tls = tls_any(caddy.port());
    ask(&mut tls, "/large");
    content(&mut tls, 256 * 1024);
    sleep(Duration::from_millis(1200));
    let records = content(&mut tls, LARGE - 512 * 1024);
    let small = records.split(|length| *length > PACKET).map(<[usize]>::len).max();
    assert!(small < Some(20), "{small:?} small records in a row");
}

/// The same sizes over HTTP/2, where SETTINGS come before the response.
#[test]
fn the_first_records_of_http2_fit_a_packet() {
    let caddy = caddy();
    let mut client = H2::connect(caddy.port());
    let Response { records, head } = client.get(1);
    assert!(records[head] <= PACKET, "the head in {head} of {records:?}");
    let small = records.iter().take_while(|length| **length <= PACKET);
    let beginning = small.clone().sum::<usize>();
    assert!((64 * 1024..80 * 1024).contains(&beginning), "{beginning} bytes: {records:?}");
    assert!(head < small.count(), "the head in {head} of {records:?}");
    assert!(full(&records) >= 20, "{records:?}");

    let Response { records, head } = client.get(3);
    assert!(records[head] < 1024, "the head alone: {records:?}");
    assert!(full(&records) >= 24, "{records:?}");

    sleep(Duration::from_millis(1200));
    let Response { records, .. } = client.get(5);
    assert!(records[..40].iter().all(|length| *length <= PACKET), "{records:?}");
}

fn full(records: &[usize]) -> usize {
    records.iter().filter(|length| **length > 16_000).count()
}

fn caddy() -> Caddy {
    Setup::new("https://localhost:@PORT@ {\n tls self_signed\n root www\n}")
        .file("www/big", pattern(SIZE))
        .file("www/large", pattern(LARGE))
        .start()
}

/// Asks for the file: the lengths of the records that come, their heads included.
fn get(tls: &mut TlsStream) -> Vec<usize> {
    ask(tls, "/big");
    content(tls, SIZE)
}

fn ask(tls: &mut TlsStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    tls.write_all(request.as_bytes()).unwrap();
}

/// The lengths of the next records, which hold so many bytes or more.
fn content(tls: &mut TlsStream, bytes: usize) -> Vec<usize> {
    let (mut records, mut content) = (Vec::new(), 0);
    while content < bytes {
        let record = Record::read(tls);
        content += record.plain.len();
        records.push(record.length);
    }
    records
}

/// One with bytes of content or of a head.
struct Record {
    length: usize,
    plain: Vec<u8>,
}

impl Record {
    fn read(tls: &mut TlsStream) -> Self {
        loop {
            let mut head = [0; 5];
            tls.sock.read_exact(&mut head).unwrap();
            let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
            let mut record = vec![0; length];
            tls.sock.read_exact(&mut record).unwrap();
            let plain = plain(tls, &head, &record);
            if !plain.is_empty() {
                return Self { length: head.len() + length, plain };
            }
        }
    }
}

/// What stands in a record.
fn plain(tls: &mut TlsStream, head: &[u8], record: &[u8]) -> Vec<u8> {
    let bytes = [head, record].concat();
    let mut rest = bytes.as_slice();
    let mut waiting = 0;
    while !rest.is_empty() {
        tls.conn.read_tls(&mut rest).unwrap();
        waiting = tls.conn.process_new_packets().unwrap().plaintext_bytes_to_read();
    }
    let mut plain = vec![0; waiting];
    tls.conn.reader().read_exact(&mut plain).unwrap();
    plain
}

/// A client of HTTP/2 (RFC 9113) whose windows never close.
struct H2 {
    tls: TlsStream,
    /// Not a whole frame yet.
    bytes: Vec<u8>,
}

struct Response {
    /// The lengths of the records since the request.
    records: Vec<usize>,
    /// The one with the end of HEADERS.
    head: usize,
}

impl H2 {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const END_STREAM: u8 = 1;

    fn connect(port: u16) -> Self {
        let mut tls = tls_speaking(port, "localhost", b"h2").unwrap();
        tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        // SETTINGS_INITIAL_WINDOW_SIZE, and WINDOW_UPDATE of the connection: 16 MiB.
        tls.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x04\x01\0\0\0").unwrap();
        tls.write_all(b"\0\0\x04\x08\0\0\0\0\0\x01\0\0\0").unwrap();
        Self { tls, bytes: Vec::new() }
    }

    /// Asks for the file on this stream.
    fn get(&mut self, stream: u8) -> Response {
        // GET, https, and two literals (RFC 7541 section 6.2.2).
        let fields = b"\x82\x87\x04\x04/big\x01\x09localhost";
        let length = u8::try_from(fields.len()).unwrap();
        // END_STREAM and END_HEADERS.
        let head = [0, 0, length, Self::HEADERS, 5, 0, 0, 0, stream];
        self.tls.write_all(&[&head[..], &fields[..]].concat()).unwrap();
        let (mut records, mut has_head_in) = (Vec::new(), None);
        loop {
            let record = Record::read(&mut self.tls);
            records.push(record.length);
            self.bytes.extend(record.plain);
            while let Some([kind, flags]) = self.frame() {
                if kind == Self::HEADERS {
                    has_head_in = Some(records.len() - 1);
                }
                if kind == Self::DATA && flags & Self::END_STREAM != 0 {
                    return Response { records, head: has_head_in.unwrap() };
                }
            }
        }
    }

    /// Type and flags of the next frame, if all of it has come.
    fn frame(&mut self) -> Option<[u8; 2]> {
        let [a, b, c, kind, flags, ..] = *self.bytes.get(..9)? else { return None };
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        self.bytes.get(..end)?;
        self.bytes.drain(..end);
        Some([kind, flags])
    }
}
