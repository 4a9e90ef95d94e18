//! The Huffman code of RFC 7541. The code is canonical: the symbols of one length are consecutive,
//! and those of a greater length follow them.

/// Number of symbols with a code of 5 to 30 bits (RFC 7541 appendix B), including the end of
/// string.
const COUNTS: [u32; 26] =
    [10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];
/// The symbols in the order of their codes, without the end of string.
const SYMBOLS: &[u8; 256] = b"\
    012aceiost %-./3456789=A_bdfghlmnpru:BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz&*,;XZ!\"()?'+|#>\0$\
    @[]~^}<`{\\\xc3\xd0\x80\x82\x83\xa2\xb8\xc2\xe0\xe2\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\
    \xd9\xe3\xe5\xe6\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\
    \xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\
    \x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef\x09\x8e\x90\x91\x94\x9f\xab\
    \xce\xd7\xe1\xec\xed\xc7\xcf\xea\xeb\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\
    \xf3\xff\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe\x02\
    \x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\
    \x1d\x1e\x1f\x7f\xdc\xf9\x0a\x0d\x16";
/// Bits of the shortest and of the longest code.
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
/// Number of bits that determine the code length of nearly every symbol in a field.
const COMMON: usize = 8;

/// By length, the first window of 32 bits that starts with a longer code.
const LIMITS: [u64; COUNTS.len()] = limits();
/// By the first byte of a window, the symbol whose code has at most 8 bits.
const SHORT: [Short; 1 << COMMON] = short();

#[derive(Clone, Copy)]
struct Short {
    symbol: u8,
    /// 0 if the code is longer.
    length: u8,
}

const fn limits() -> [u64; COUNTS.len()] {
    let mut limits = [0; COUNTS.len()];
    let (mut at, mut limit) = (0, 0_u64);
    while at < COUNTS.len() {
        limit += (COUNTS[at] as u64) << (32 - SHORTEST - at);
        limits[at] = limit;
        at += 1;
    }
    limits
}

const fn short() -> [Short; 1 << COMMON] {
    let mut short = [Short { symbol: 0, length: 0 }; 1 << COMMON];
    let mut first = 0;
    while first < short.len() {
        let window = (first as u64) << (32 - COMMON);
        let length = length(window);
        if length <= COMMON {
            short[first] = Short { symbol: symbol(window, length), length: length as u8 };
        }
        first += 1;
    }
    short
}

/// The length of the code at the start of a window of 32 bits.
const fn length(window: u64) -> usize {
    let mut length = SHORTEST;
    while length < LONGEST && window >= LIMITS[length - SHORTEST] {
        length += 1;
    }
    length
}

/// The symbol of that code.
const fn symbol(window: u64, length: usize) -> u8 {
    let (mut before, mut at) = (0, 0);
    while at < length - SHORTEST {
        before += COUNTS[at] as usize;
        at += 1;
    }
    let first = if at == 0 { 0 } else { LIMITS[at - 1] };
    SYMBOLS[before + ((window - first) >> (32 - length)) as usize]
}

/// Appends the decoded string to `out`. False if the input is not a sequence of whole symbols
/// without the end of string, followed by at most seven padding bits of ones (section 5.2).
pub(crate) fn decode(string: &[u8], out: &mut Vec<u8>) -> bool {
    // The shortest code has 5 bits.
    out.reserve(string.len() * 8 / SHORTEST);
    each_symbol(string, |symbol| out.push(symbol))
}

fn each_symbol(string: &[u8], mut each: impl FnMut(u8)) -> bool {
    let mut rest = string.iter();
    // Bits that have not been decoded, the next one at the top.
    let (mut window, mut held) = (0_u64, 0_usize);
    loop {
        while held <= 56 {
            let Some(byte) = rest.next() else { break };
            window |= u64::from(*byte) << (56 - held);
            held += 8;
        }
        if held < SHORTEST {
            return is_padding(window, held);
        }
        let Short { symbol, length } = SHORT[(window >> (64 - COMMON)) as usize];
        let (length, symbol) = match usize::from(length) {
            0 => {
                let length = self::length(window >> 32);
                if length == LONGEST && window >> (64 - LONGEST) == (1 << LONGEST) - 1 {
                    return is_padding(window, held);
                }
                (length, self::symbol(window >> 32, length))
            }
            length => (length, symbol),
        };
        if length > held {
            return is_padding(window, held);
        }
        each(symbol);
        window <<= length;
        held -= length;
    }
}

fn is_padding(window: u64, held: usize) -> bool {
    held < 8 && window == !(u64::MAX >> held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_padding() {
        for (string, want) in [
            (&b""[..], true),
            // www.example.com, no-cache, custom-value (RFC 7541 appendix C.4).
            (b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", true),
            (b"\xa8\xeb\x10\x64\x9c\xbf", true),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", true),
            // The last symbol is incomplete, zeros in the padding, and too much padding.
            (b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4", false),
            (b"\xa8\xeb\x10\x64\x9c\xbe", false),
            (b"\xa8\xeb\x10\x64\x9c\xbf\xff", false),
            (b"\xff", false),
            // A symbol of 28 bits (0x02), and one of 30 (LF) with its two bits of padding.
            (b"\xff\xff\xfe\x2f", true),
            (b"\xff\xff\xff\xf3", true),
            (b"\xff\xff\xff\xf0", false),
            // The end of string, alone and after a symbol.
            (b"\xff\xff\xff\xff", false),
            (b"\x1f\xff\xff\xff\xff", false),
        ] {
            assert_eq!(decode(string, &mut vec![]), want, "{string:x?}");
        }
        assert_eq!(LIMITS[LONGEST - SHORTEST], 1 << 32, "a code for every window");
    }

    #[test]
    fn symbols() {
        let mut in_order = *SYMBOLS;
        in_order.sort_unstable();
        assert!(in_order.iter().copied().eq(0..=255), "each once");
        for (string, want) in [
            (&b""[..], &b""[..]),
            (b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", b"www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", b"no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", b"custom-value"),
            // RFC 7541 appendix C.6.3.
            (
                b"\x94\xe7\x82\x1d\xd7\xf2\xe6\xc7\xb3\x35\xdf\xdf\xcd\x5b\x39\x60\xd5\xaf\x27\x08\x7f\x36\
                \x72\xc1\xab\x27\x0f\xb5\x29\x1f\x95\x87\x31\x60\x65\xc0\x03\xed\x4e\xe5\xb1\x06\x3d\x50\x07",
                b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
            (b"\xff\xff\xfe\x2f", b"\x02"),
            (b"\xff\xff\xff\xf3", b"\n"),
        ] {
            let mut out = b"> ".to_vec();
            assert!(decode(string, &mut out), "{string:x?}");
            assert_eq!(&out[2..], want);
        }
    }
}
