//! Faults of an origin after it has read a request, by name.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use socket2::SockRef;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Len";
const BODY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it";

/// Does it; false ends the connection.
pub fn commit(name: &str, stream: &mut TcpStream) -> std::io::Result<bool> {
    match name.split('/').next().unwrap_or_default() {
        "close" => {}
        "close-head" => apart(stream, HEAD)?,
        "close-body" => apart(stream, BODY)?,
        "reset" => SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?,
        "reset-head" => {
            apart(stream, HEAD)?;
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
        }
        "reset-body" => {
            apart(stream, BODY)?;
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
        }
        "short-length" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole and more")?;
            return Ok(true);
        }
        "long-length" => silence(stream, BODY)?,
        "never" => silence(stream, b"")?,
        "open-chunks" => {
            silence(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")?;
        }
        "no-last-chunk" => {
            apart(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")?;
        }
        "slowly" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")?;
            for letter in b"slow" {
                sleep(Duration::from_secs(1));
                stream.write_all(&[*letter])?;
            }
            return Ok(true);
        }
        "large-head" => {
            let fields = format!("X-Large: {}\r\n", "x".repeat(8_000)).repeat(131);
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            silence(stream, fields.as_bytes())?;
        }
        "storm" => {
            let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(1_000);
            silence(stream, &hints)?;
        }
        name if name.contains("hint") => return hint(name, stream),
        // A whole answer that promises to stay, and a close.
        "quit" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nquit")?,
        other => panic!("no fault '{other}'"),
    }
    Ok(false)
}

/// The same of one that sends early hints.
fn hint(name: &str, stream: &mut TcpStream) -> std::io::Result<bool> {
    match name {
        "some-hints" => {
            stream.write_all(&b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(5))?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter")?;
            return Ok(true);
        }
        // With more than goes to a client: of its fields, of its size, of their number.
        "rich-hints" => {
            let fields = "Link: </a>\r\nServer: s\r\nSet-Cookie: a=b\r\nConnection: x-hop\r\n\
                X-Hop: 1\r\nReferrer-Policy: origin\r\n";
            write!(stream, "HTTP/1.1 103 Early Hints\r\n{fields}\r\n")?;
            let long = "x".repeat(20_000);
            write!(stream, "HTTP/1.1 103 Early Hints\r\nLink: {long}\r\n\r\n")?;
            write!(stream, "HTTP/1.1 102 Processing\r\nLink: </no>\r\n\r\n")?;
            write!(stream, "HTTP/1.1 103 Early Hints\r\nServer: s\r\n\r\n")?;
            stream.write_all(&b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n".repeat(20))?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter")?;
            return Ok(true);
        }
        // A page that refers to nothing.
        "hinted-page" => {
            let link = "</preloaded.css>; rel=preload; as=style";
            apart(stream, format!("HTTP/1.1 103 Early Hints\r\nLink: {link}\r\n\r\n").as_bytes())?;
            let page = "<!doctype html><title>t</title>";
            let length = page.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{page}"
            )?;
            return Ok(true);
        }
        "hints-close" => apart(stream, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?,
        "hints-garbage" => {
            apart(stream, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nx\r\n\r\n")?
        }
        // Behind the final head and its content, where the next response is expected.
        "late-hints" => {
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
            // In one segment: hints that come after the next request belong to it.
            let all = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter{hints}");
            stream.write_all(all.as_bytes())?;
            return Ok(true);
        }
        other => panic!("no fault '{other}'"),
    }
    Ok(false)
}

/// Written so that it is read before what comes next.
fn apart(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    sleep(Duration::from_millis(100));
    Ok(())
}

/// Nothing more, until the other side has enough.
fn silence(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    while stream.read(&mut [0; 4096]).is_ok_and(|taken| taken > 0) {}
    Ok(())
}
