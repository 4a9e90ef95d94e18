//! The examples of RFC 7541 appendix C, invalid blocks, and the output of h2's encoder.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// No verdict.
impl Judged for () {
    fn judge(_: Field<'_>) -> Self {}
    fn of_static(_: usize) -> Self {}
}

type Fields = Vec<(String, String)>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn decode(decoder: &mut Decoder<()>, block: &[u8]) -> Result<Fields, Undecodable> {
    let mut fields = vec![];
    decoder.decode(block, |(), field| fields.push((text(field.name), text(field.value))))?;
    Ok(fields)
}

fn fields(lines: &str) -> Fields {
    let line = |line: &str| {
        let at = line[1..].find(": ").unwrap() + 1;
        (line[..at].to_owned(), line[at + 2..].to_owned())
    };
    lines.lines().map(line).collect()
}

const FIRST: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com";
const SECOND: &str = "\ncache-control: no-cache";
const THIRD: &str = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
    custom-key: custom-value";

/// Appendix C.3 and C.4.
const REQUESTS: [[&[u8]; 3]; 2] = [
    [
        b"\x82\x86\x84\x41\x0fwww.example.com",
        b"\x82\x86\x84\xbe\x58\x08no-cache",
        b"\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
    ],
    [
        b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
        b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
        b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\
            \xb4\xbf",
    ],
];

#[test]
fn the_examples_of_the_rfc() {
    for blocks in REQUESTS {
        let mut decoder = Decoder::new();
        let want = [FIRST.to_owned(), format!("{FIRST}{SECOND}"), THIRD.to_owned()];
        for (block, want) in blocks.iter().zip(want) {
            let mark = decoder.mark();
            assert_eq!(decode(&mut decoder, block), Ok(fields(&want)));
            let mut again = vec![];
            decoder.recall(block, mark, |field| again.push((text(field.name), text(field.value))));
            assert_eq!(again, fields(&want), "once more");
        }
    }
}

#[test]
fn entries_leave_a_table_that_is_full() {
    let mut decoder = Decoder::new();
    let keep = |n: u8| [&b"\x40\x03x-"[..], &[n], b"\x7f\xe9\x06", &[b'a'; 1000]].concat();
    for n in b'a'..=b'z' {
        decode(&mut decoder, &keep(n)).unwrap();
    }
    // The table has room for three of 1035 bytes each.
    for (index, name) in [(b'\xbe', "x-z"), (b'\xbf', "x-y"), (b'\xc0', "x-x")] {
        assert_eq!(decode(&mut decoder, &[index]).unwrap()[0].0, name);
    }
    assert_eq!(decode(&mut decoder, b"\xc1"), Err(Undecodable));
    // The name of an entry that is evicted to make room for the new one.
    let heir = [&b"\x7f\x01\x7f\xe9\x06"[..], &[b'b'; 1000]].concat();
    assert_eq!(decode(&mut decoder, &heir).unwrap()[0].0, "x-x");
    assert_eq!(decode(&mut decoder, b"\xbe").unwrap()[0], ("x-x".to_owned(), "b".repeat(1000)));
    // A smaller table, and one entry that exceeds it.
    assert_eq!(decode(&mut decoder, b"\x3f\x95\x10\xbf").unwrap()[0].0, "x-z");
    assert_eq!(decode(&mut decoder, b"\x3f\xe1\x0f\xbf"), Err(Undecodable));
    let large = [&b"\x40\x01y\x7f\xf1\x1e"[..], &[b'c'; 4080]].concat();
    assert_eq!(decode(&mut decoder, b"\xbe").unwrap()[0].0, "x-x");
    assert_eq!(decode(&mut decoder, &large).unwrap()[0].1.len(), 4080);
    assert_eq!(decode(&mut decoder, b"\xbe"), Err(Undecodable));
}

#[test]
fn what_cannot_be_decoded() {
    for block in [
        // Index 0, indexes beyond the tables, also for a name; a size that is too large or too
        // late.
        &b"\x80"[..],
        b"\xbe",
        b"\x7e\x01a",
        b"\x3f\xe2\x1f",
        b"\x82\x20",
        // Incomplete: an integer, a name, a value; an integer without an end.
        b"\xff",
        b"\x40",
        b"\x40\x02a",
        b"\x40\x01a",
        b"\x40\x01a\x02b",
        b"\x40\x01a\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
        // Huffman code with eight bits of padding, and with an end of string.
        b"\x40\x01a\x82\x63\xff",
        b"\x40\x84\xff\xff\xff\xff\x01a",
    ] {
        assert_eq!(decode(&mut Decoder::new(), block), Err(Undecodable), "{block:x?}");
    }
    assert_eq!(decode(&mut Decoder::new(), b""), Ok(vec![]));
    assert_eq!(decode(&mut Decoder::new(), b"\x20\x3f\xe1\x1f\x82").unwrap().len(), 1);
}

#[test]
fn literals_are_read_as_they_are_written() {
    let field = Field { name: b"x-a", value: &[b'b'; 300] };
    let mut out = BytesMut::new();
    write_literal(&mut out, field);
    assert_eq!(decode(&mut Decoder::new(), &out), Ok(vec![("x-a".to_owned(), "b".repeat(300))]));
}

/// The server's end of a connection: it sends nothing and stores what it receives.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<u8>>>);

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The field blocks of requests as h2's client encodes them.
fn by_h2(requests: &[http::Request<()>]) -> Vec<Vec<u8>> {
    let (wire, cx) = (Wire::default(), &mut Context::from_waker(Waker::noop()));
    let mut builder = h2::client::Builder::new();
    let mut handshake =
        Box::pin(builder.initial_max_send_streams(1000).handshake::<_, bytes::Bytes>(wire.clone()));
    let Poll::Ready(Ok((mut sender, mut connection))) = handshake.as_mut().poll(cx) else {
        panic!("h2 waits for the server");
    };
    let mut streams = vec![];
    for request in requests {
        streams.push(sender.send_request(request.clone(), true).unwrap());
        assert!(Pin::new(&mut connection).poll(cx).is_pending());
    }
    let bytes = wire.0.borrow().clone();
    let (mut rest, mut blocks) = (&bytes[24..], vec![]);
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        match head[3] {
            1 => blocks.push(after[..length].to_vec()),
            9 => blocks.last_mut().unwrap().extend_from_slice(&after[..length]),
            _ => {}
        }
        rest = &after[length..];
    }
    blocks
}

fn field() -> impl Strategy<Value = (String, String)> {
    ("(cookie|accept|x-[a-c])", "[ -~\u{80}-\u{ff}]{0,300}")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_h2_writes_is_read(
        requests in prop::collection::vec(
            (
                "/[a-z?=&%\u{e9}]{0,40}",
                prop::collection::vec(field(), 0..6),
            ),
            1..20,
        ),
    ) {
        let built: Vec<_> = requests.iter().map(|(path, fields)| {
            let mut request = http::Request::builder().uri(format!("https://a.b{path}"));
            for (name, value) in fields {
                let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
                request = request.header(name, value);
            }
            request.body(()).unwrap()
        }).collect();
        let (mut decoder, blocks) = (Decoder::<()>::new(), by_h2(&built));
        prop_assert_eq!(blocks.len(), built.len());
        for (block, request) in blocks.iter().zip(built) {
            let mark = decoder.mark();
            let (mut read, mut again) = (vec![], vec![]);
            let own = |field: Field<'_>| (field.name.to_vec(), field.value.to_vec());
            prop_assert_eq!(decoder.decode(block, |(), field| read.push(own(field))), Ok(()));
            decoder.recall(block, mark, |field| again.push(own(field)));
            prop_assert!(again.iter().all(|field| read.contains(field)));
            let path = request.uri().path_and_query().unwrap().as_str();
            let own = [("method", "GET"), ("scheme", "https"), ("authority", "a.b"), ("path", path)];
            let mut want: Vec<_> = own
                .map(|(name, value)| (format!(":{name}").into_bytes(), value.as_bytes().to_vec()))
                .into();
            want.extend(request.headers().iter().map(|(name, value)| {
                (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
            }));
            want.sort();
            read.sort();
            prop_assert_eq!(read, want);
        }
    }
}
