//! Whether a string in the Huffman code of RFC 7541 ends as it must. The code is canonical: its
//! lengths are enough to tell symbol from symbol, and what they mean is not asked here.

/// How many symbols have a code of 5 to 30 bits (RFC 7541 appendix B), the end of string counted.
const COUNTS: [u32; 26] =
    [10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];
/// Bits of the shortest code, and of the longest.
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
/// Bits that tell the length of nearly every symbol in a field.
const COMMON: usize = 8;

/// By length, the first window of 32 bits that begins with a longer code.
const LIMITS: [u64; COUNTS.len()] = limits();
/// By the first byte of a window: how many bits its symbol has, 0 where they are more than 8.
const LENGTHS: [u8; 1 << COMMON] = lengths();

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

const fn lengths() -> [u8; 1 << COMMON] {
    let mut lengths = [0; 1 << COMMON];
    let mut first = 0;
    while first < lengths.len() {
        let (window, mut length) = ((first as u64) << (32 - COMMON), SHORTEST);
        while length <= COMMON && window >= LIMITS[length - SHORTEST] {
            length += 1;
        }
        lengths[first] = if length <= COMMON { length as u8 } else { 0 };
        first += 1;
    }
    lengths
}

/// Whether the string is whole symbols, none of them the end of string, and behind them at most
/// seven bits that are all ones (section 5.2).
pub(crate) fn is_sound(string: &[u8]) -> bool {
    let mut rest = string.iter();
    // Bits not looked at yet, the next one on top.
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
        let length = match LENGTHS[(window >> (64 - COMMON)) as usize] {
            0 => long(window >> 32),
            length => usize::from(length),
        };
        if length > held {
            return is_padding(window, held);
        }
        if length == LONGEST && window >> (64 - LONGEST) == (1 << LONGEST) - 1 {
            return false;
        }
        window <<= length;
        held -= length;
    }
}

/// The length of the code that a window begins with.
fn long(window: u64) -> usize {
    let shorter = LIMITS.iter().take_while(|limit| window >= **limit).count();
    (SHORTEST + shorter).min(LONGEST)
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
            // The last symbol cut off, ones for zeros in the padding, and too much of it.
            (b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4", false),
            (b"\xa8\xeb\x10\x64\x9c\xbe", false),
            (b"\xa8\xeb\x10\x64\x9c\xbf\xff", false),
            (b"\xff", false),
            // A symbol of 28 bits (0xfe), and of 30 (LF) with its two bits of padding.
            (b"\xff\xff\xfe\x2f", true),
            (b"\xff\xff\xff\xf3", true),
            (b"\xff\xff\xff\xf0", false),
            // The end of string, alone and behind a symbol.
            (b"\xff\xff\xff\xff", false),
            (b"\x1f\xff\xff\xff\xff", false),
        ] {
            assert_eq!(is_sound(string), want, "{string:x?}");
        }
        assert_eq!(LIMITS[LONGEST - SHORTEST], 1 << 32, "a code for every window");
    }
}
