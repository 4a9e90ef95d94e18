//! What holds of an OCSP answer, whoever writes it.

use chrono::DateTime;

use super::message::{self, Window};
use crate::fuzzing::{Target, two};

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "ocsp_answer", run: answer, seeds: ANSWERS },
    Target { name: "ocsp_made", run: made, seeds: &[b"1\n\x01\x02", b"700\n\x80\0\x7f", b"0\n"] },
];

const ANSWERS: &[&[u8]] = &[
    b"\x30\x64\x0a\x01\0\xa0\x5f\x30\x5d\x06\x01t\x04\x58\x30\x56\x30\x4e\xa2\x03\x04\x01k\x18\x0f\
        20260101000000Z\x30\x36\x30\x34\x30\x0c\x30\0\x04\x01n\x04\x01k\x02\x02\x01\x02\x80\0\x18\x0f\
        20260101000000Z\xa0\x11\x18\x0f20260108000000Z\x30\0\x03\x02\0s",
    b"\x30\x03\x0a\x01\x06",
    b"\x30\x84\xff\xff\xff\xff\x0a\x01\x00",
];

/// An answer has a window or says why not; the window's ends are times that can be written.
fn answer(data: &[u8]) {
    let Some(Ok(window)) = message::read(data, Some(&[1, 2])) else {
        assert!(data != ANSWERS[0], "a good answer is none");
        return;
    };
    for second in [window.from, window.until] {
        assert!(DateTime::from_timestamp(second, 0).is_some(), "{second}");
    }
}

/// An answer as RFC 6960 has it says what was put into it, to its own certificate only.
fn made(data: &[u8]) {
    let (hours, serial) = two(data);
    let hours = std::str::from_utf8(hours).ok().and_then(|text| text.parse::<u16>().ok());
    let Some(hours) = hours.filter(|_| serial.len() <= 40) else { return };
    let from = 1_000_000_000;
    let until = from + i64::from(hours) * 3600;
    for (status, is_good) in [(0x80, true), (0xa1, false), (0x82, false)] {
        let id = der(
            0x30,
            &[&der(0x30, &[]), &der(4, &[b"name"]), &der(4, &[b"key"]), &der(2, &[serial])],
        );
        let next = der(0xa0, &[&time(until)]);
        let single = der(0x30, &[&id, &der(status, &[]), &time(from), &next]);
        let responder = der(0xa2, &[&der(4, &[b"key"])]);
        let list = der(0x30, &[&single]);
        let data = der(0x30, &[&responder, &time(from), &list]);
        let basic = der(0x30, &[&data, &der(0x30, &[]), &der(3, &[b"\0signature"])]);
        let typed = der(0x30, &[&der(6, &[b"type"]), &der(4, &[&basic])]);
        let whole = der(0x30, &[&der(10, &[&[0]]), &der(0xa0, &[&typed])]);
        let read = message::read(&whole, Some(serial));
        if is_good {
            assert_eq!(read, Some(Ok(Window { from, until })));
        } else {
            assert!(matches!(read, Some(Err(_))), "{read:?}");
        }
        let other = message::read(&whole, Some(&[serial, b"x"].concat()));
        assert!(matches!(other, Some(Err(_))), "{other:?}");
        for end in 0..whole.len() {
            let cut = message::read(&whole[..end], Some(serial));
            assert_eq!(cut, None, "{end} of {} bytes", whole.len());
        }
    }
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len() as u16;
    let mut out = vec![tag];
    match length {
        0..128 => out.push(length as u8),
        128..256 => out.extend([0x81, length as u8]),
        _ => out.extend([&[0x82][..], &length.to_be_bytes()].concat()),
    }
    out.extend(content);
    out
}

fn time(second: i64) -> Vec<u8> {
    let Some(time) = DateTime::from_timestamp(second, 0) else { panic!("{second} is no time") };
    der(0x18, &[time.format("%Y%m%d%H%M%SZ").to_string().as_bytes()])
}
