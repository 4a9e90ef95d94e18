//! Properties of the HPACK decoder for arbitrary input.

use super::{Decoder, Field, Judged, write_literal};
use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] = &[Target { name: "hpack", run: hpack, seeds: SEEDS }];

/// Blocks, each preceded by its length.
const SEEDS: &[&[u8]] = &[
    b"\x14\x82\x86\x84\x41\x0fwww.example.com\x0c\x82\x86\x84\xbe\x58\x08no-cache\
        \x1d\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
    b"\x11\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\
        \x0c\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
    b"\x0e\x3f\x31\x40\x01a\x01b\x40\x02ab\x03abc\x02\xbe\x20\x05\x20\x3f\xe1\x1f\xbe",
];

impl Judged for usize {
    fn judge(field: Field<'_>) -> Self {
        field.size()
    }

    fn of_static(index: usize) -> Self {
        super::fixed(index).map_or(0, |field| field.size())
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// For any blocks, the verdict on a field stays with it, the table keeps its limit, and a block has
/// the same fields when it is decoded again and when it is re-encoded as literals.
fn hpack(mut data: &[u8]) {
    let mut decoder = Decoder::<usize>::new();
    while let Some((length, rest)) = data.split_first() {
        let (block, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        data = rest;
        let (mark, mut fields, mut literals) =
            (decoder.mark(), Fields::new(), bytes::BytesMut::new());
        let read = decoder.decode(block, |size, field| {
            assert_eq!(size, field.size());
            fields.push((field.name.to_vec(), field.value.to_vec()));
            write_literal(&mut literals, field);
        });
        decoder.table.check();
        if read.is_err() {
            return;
        }
        let mut again = Fields::new();
        decoder.recall(block, mark, |field| again.push((field.name.into(), field.value.into())));
        let mut all = fields.iter();
        assert!(again.iter().all(|field| all.any(|known| known == field)), "{again:?}");
        let mut own = Fields::new();
        let read = Decoder::<usize>::new()
            .decode(&literals, |_, field| own.push((field.name.into(), field.value.into())));
        assert_eq!((read, own), (Ok(()), fields));
    }
}
