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
/// Number of bits that contain the codes of two symbols of nearly every field.
const PAIR: usize = 12;

/// By length, the first window of 32 bits that starts with a longer code.
const LIMITS: [u64; COUNTS.len()] = limits();
/// By the first bits of a window, the symbols whose codes they contain.
static PAIRS: [Pair; 1 << PAIR] = pairs();

/// The first symbols of a window, at most two.
#[derive(Clone, Copy)]
struct Pair {
    symbols: [u8; 2],
    /// 0 if the code of the first is longer than the bits.
    count: u8,
    /// Of the codes together.
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

const fn pairs() -> [Pair; 1 << PAIR] {
    let mut pairs = [Pair { symbols: [0; 2], count: 0, length: 0 }; 1 << PAIR];
    let mut bits = 0;
    while bits < pairs.len() {
        let mut window = (bits as u64) << (32 - PAIR);
        let mut pair = pairs[bits];
        while pair.count < 2 {
            let length = length(window);
            if pair.length as usize + length > PAIR {
                break;
            }
            pair.symbols[pair.count as usize] = symbol(window, length);
            pair.count += 1;
            pair.length += length as u8;
            window = (window << length) & 0xffff_ffff;
        }
        pairs[bits] = pair;
        bits += 1;
    }
    pairs
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
    let start = out.len();
    // The shortest code has 5 bits, and symbols are written two at a time.
    out.resize(start + string.len() * 8 / SHORTEST + 2, 0);
    let length = decode_into(string, &mut out[start..]);
    out.truncate(start + length.unwrap_or(0));
    length.is_some()
}

/// Returns how many bytes were written.
fn decode_into(string: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut rest = string;
    // Bits that have not been decoded, the next one at the top; those behind them are bits of the
    // string too, or zeros.
    let (mut window, mut held) = (0_u64, 0_usize);
    let mut at = 0;
    loop {
        if let Some(next) = rest.first_chunk() {
            window |= u64::from_be_bytes(*next) >> held;
            let bytes = (64 - held) / 8;
            rest = &rest[bytes..];
            held += 8 * bytes;
        } else {
            while held <= 56
                && let Some((next, after)) = rest.split_first()
            {
                window |= u64::from(*next) << (56 - held);
                rest = after;
                held += 8;
            }
        }
        while held >= PAIR {
            let pair = &PAIRS[(window >> (64 - PAIR)) as usize];
            if pair.count == 0 {
                break;
            }
            *out[at..].first_chunk_mut()? = pair.symbols;
            at += usize::from(pair.count);
            window <<= pair.length;
            held -= usize::from(pair.length);
        }
        if held < LONGEST && !rest.is_empty() {
            continue;
        }
        // A long code, or the last ones.
        let length = length(window >> 32);
        let is_end = length == LONGEST && window >> (64 - LONGEST) == (1 << LONGEST) - 1;
        if held < SHORTEST || length > held || is_end {
            return is_padding(window, held).then_some(at);
        }
        *out.get_mut(at)? = symbol(window >> 32, length);
        at += 1;
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

    /// A bit at a time.
    fn plainly(string: &[u8]) -> Option<Vec<u8>> {
        let bits = string.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
        let (mut out, mut code, mut length) = (Vec::new(), 0_u64, 0);
        for bit in bits {
            (code, length) = (code << 1 | u64::from(bit), length + 1);
            let window = code << (32 - length);
            if length >= SHORTEST && self::length(window) == length {
                if length == LONGEST && code == (1 << LONGEST) - 1 {
                    return None;
                }
                out.push(symbol(window, length));
                (code, length) = (0, 0);
            }
        }
        (length < 8 && code == (1 << length) - 1).then_some(out)
    }

    #[test]
    fn every_string_is_decoded_as_bit_by_bit() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut sound = 0;
        for round in 0..200_000 {
            let length = random.usize(..40);
            let mut string: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            // Long codes begin with ones.
            if round % 2 == 0 && length > 4 {
                let at = random.usize(..length - 3);
                string[at..at + 3].fill(0xff);
            }
            if let Some(last) = string.last_mut() {
                *last |= 0xff >> random.u32(1..8);
            }
            let mut out = b"> ".to_vec();
            let is_sound = decode(&string, &mut out);
            let want = plainly(&string);
            assert_eq!(is_sound.then(|| out[2..].to_vec()), want, "{string:x?}");
            sound += usize::from(is_sound);
        }
        assert!(sound > 20_000, "{sound}");
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
