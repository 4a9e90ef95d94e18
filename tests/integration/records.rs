//! TLS records: of one packet at the beginning of a connection and after a pause, full ones
//! between; a head does not wait for its content.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Caddy, Setup, TlsStream, pattern, tls_any};

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
