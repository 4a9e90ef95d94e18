//! Sends and receives raw bytes, for requests that no valid client would send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Sends `bytes` to the port and reads until the server closes or, after its first byte, says
/// nothing for `quiet`.
pub fn exchange(port: u16, bytes: &[u8], quiet: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // A loaded machine may take its time to begin.
    stream.set_read_timeout(Some(quiet.max(Duration::from_secs(20)))).unwrap();
    // The server may close before all is sent.
    let _ = stream.write_all(bytes);
    let mut got = vec![];
    let mut chunk = [0; 16384];
    while let Ok(read) = stream.read(&mut chunk) {
        if read == 0 {
            break;
        }
        got.extend_from_slice(&chunk[..read]);
        stream.set_read_timeout(Some(quiet)).unwrap();
    }
    let _ = stream.shutdown(Shutdown::Both);
    got
}

/// The status codes of the responses in `bytes`, by their status lines.
pub fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    text.match_indices("HTTP/1.")
        .filter_map(|(at, _)| text[at..].get(9..12)?.parse().ok())
        .collect()
}

/// One GET that has to be answered with 200: None where it was not, else the connection, unless
/// the response says that it closes.
pub fn raw_get(mut stream: TcpStream, path: &str) -> Option<Option<TcpStream>> {
    let (status, head) = get(&mut stream, path)?;
    let closes = head.lines().any(|line| line == "connection: close");
    (status == 200).then_some((!closes).then_some(stream))
}

/// One GET on an open connection; gives the status, or None where the connection failed.
pub fn keep_alive_get(stream: &mut TcpStream, path: &str) -> Option<u16> {
    get(stream, path).map(|(status, _)| status)
}

/// Status, and the head in lower case.
fn get(stream: &mut TcpStream, path: &str) -> Option<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    keep_alive(stream, &request).map(|(status, head, _)| (status, head))
}

/// Any request on an open connection; gives the status, the head and the body, both in lower
/// case, or None where the connection failed.
pub fn keep_alive(stream: &mut TcpStream, request: &str) -> Option<(u16, String, String)> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut got = vec![];
    let mut chunk = [0; 16384];
    loop {
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        got.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&got).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
        if body.len() >= len.trim().parse().ok()? {
            return Some((head.get(9..12)?.parse().ok()?, head.to_owned(), body.to_owned()));
        }
    }
}
