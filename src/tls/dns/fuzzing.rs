//! What holds of messages to and from a name server, whatever is in them.

use aws_lc_rs::hmac::{HMAC_SHA256, Key};
use hickory_resolver::proto::op::Message as Judge;
use hickory_resolver::proto::rr::RData;

use super::message::{self, Entry, Message, Section, Signer, UPDATE};
use crate::fuzzing::{Target, text, two};

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "dns_answer", run: answer, seeds: ANSWERS },
    Target { name: "dns_update", run: update, seeds: UPDATES },
];

const ANSWERS: &[&[u8]] = &[
    b"\x12\x34\x80\x05\0\0\0\0\0\0\0\0",
    b"\x12\x34\x84\x00\0\x01\0\x02\0\0\0\0\x01a\0\0\x06\0\x01",
    b"\x12\x34\x00",
];
const UPDATES: &[&[u8]] =
    &[b"Example.\nvalue", b"_acme-challenge.a.b.example.\n", b"a..b\n\"quoted\" \\text"];

/// An answer is read only where it has a head, is one, and is to our question.
fn answer(data: &[u8]) {
    let code = message::code(data, 0x1234);
    let is_ours = data.len() >= 12 && data[..2] == [0x12, 0x34] && data[2] >= 0x80;
    assert_eq!(code, is_ours.then(|| data[3] & 0xf));
    assert!(code.is_none_or(|code| !message::meaning(code).is_empty()));
    let answers = message::answers(data);
    let Ok(judge) = Judge::from_vec(data) else { return };
    assert_eq!(usize::from(answers), judge.answers.len());
}

/// What is put into an update is what another reader gets out of it.
fn update(data: &[u8]) {
    let (name, value) = two(data);
    let (name, value) = (text(name), text(value));
    let mut message = Message::new(0x1234, UPDATE);
    let put = message.question(&name, message::SOA);
    let put = put.and_then(|()| {
        let data = message::txt(&value)?;
        let (section, kind, class) = (Section::Update, message::TXT, message::IN);
        message.record(&Entry { section, name: &name, kind, class, ttl: 60, data: &data })
    });
    let signer = Signer {
        key_name: "key.example.",
        algorithm: "hmac-sha256.",
        key: Key::new(HMAC_SHA256, b"secret"),
        now: 1_000_000_000,
    };
    let Ok(bytes) = put.and_then(|()| message.finish(Some(&signer))) else { return };
    let judge = Judge::from_vec(&bytes);
    let judge = judge.unwrap_or_else(|error| panic!("{name:?}: {error}: {bytes:?}"));
    assert_eq!((judge.queries.len(), judge.authorities.len()), (1, 1));
    let record = &judge.authorities[0];
    assert_eq!(record.name, judge.queries[0].name);
    let labels: Vec<Vec<u8>> = record.name.iter().map(<[u8]>::to_vec).collect();
    let lower = name.to_ascii_lowercase();
    let written = lower.split('.').filter(|label| !label.is_empty());
    assert_eq!(labels, written.map(|label| label.as_bytes().to_vec()).collect::<Vec<_>>());
    let RData::TXT(txt) = &record.data else { panic!("no TXT: {record:?}") };
    assert_eq!(txt.txt_data.concat(), value.as_bytes());
    assert!(judge.signature.is_some(), "its signature");
}
