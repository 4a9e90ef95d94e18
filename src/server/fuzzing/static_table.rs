//! A reader of field sections that use no table but the static one of QPACK. It shares no code
//! with the writer that it tests.

use crate::server::compression::qpack_table::TABLE;

/// What a section says: names and values.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads a section without Huffman codes.
pub(super) fn read(section: &[u8]) -> Fields {
    let Some(mut rest) = section.strip_prefix(&[0, 0]) else { panic!("a dynamic table is used") };
    let mut fields = Fields::new();
    while let Some(first) = rest.first() {
        fields.push(match first {
            0xc0.. => entry(integer(&mut rest, 6)),
            0x50..=0x5f | 0x70..=0x7f => {
                let (name, _) = entry(integer(&mut rest, 4));
                (name, string(&mut rest, 7))
            }
            0x20..=0x27 | 0x30..=0x37 => {
                let name = string(&mut rest, 3);
                (name, string(&mut rest, 7))
            }
            other => panic!("{other:#x} needs a dynamic table or a Huffman code"),
        });
    }
    fields
}

fn entry(index: usize) -> (Vec<u8>, Vec<u8>) {
    let Some((name, value)) = TABLE.get(index) else { panic!("no entry {index}") };
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn string(rest: &mut &[u8], bits: u32) -> Vec<u8> {
    let length = integer(rest, bits);
    let Some((text, after)) = rest.split_at_checked(length) else { panic!("a string is cut") };
    *rest = after;
    text.to_vec()
}

/// RFC 7541 section 5.1.
fn integer(rest: &mut &[u8], bits: u32) -> usize {
    let mut byte = || {
        let Some((first, after)) = rest.split_first() else { panic!("an integer is cut") };
        *rest = after;
        usize::from(*first)
    };
    let most = (1 << bits) - 1;
    let mut value = byte() & most;
    if value == most {
        let mut shift = 0;
        loop {
            let more = byte();
            value += (more & 0x7f) << shift;
            shift += 7;
            if more < 0x80 {
                break;
            }
        }
    }
    value
}
