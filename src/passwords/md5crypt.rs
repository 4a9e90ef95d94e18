//! The MD5-based password scheme of `htpasswd` (`$apr1$`) and of old crypt(3) (`$1$`).

use md5::{Digest, Md5};

/// The hash of a password, as written after the salt.
pub(super) fn sum(password: &[u8], magic: &str, salt: &str) -> String {
    let (magic, salt) = (magic.as_bytes(), salt.as_bytes());
    let inner = digest(&[password, salt, password]);
    let mut outer = Md5::new();
    outer.update(password);
    outer.update(magic);
    outer.update(salt);
    for start in (0..password.len()).step_by(inner.len()) {
        outer.update(&inner[..inner.len().min(password.len() - start)]);
    }
    let mut bits = password.len();
    while bits > 0 {
        outer.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut sum: [u8; 16] = outer.finalize().into();
    for round in 0..1000 {
        let is_odd = round % 2 == 1;
        let (first, last) = if is_odd { (password, &sum[..]) } else { (&sum[..], password) };
        let salt = if round % 3 == 0 { &[][..] } else { salt };
        let middle = if round % 7 == 0 { &[][..] } else { password };
        sum = digest(&[first, salt, middle, last]);
    }
    encoded(&sum)
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().into()
}

/// Six bits per character, the low ones first; the scheme defines the order of the bytes.
fn encoded(sum: &[u8; 16]) -> String {
    const CHARACTERS: &[u8; 64] =
        b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let mut out = String::with_capacity(22);
    let mut put = |bits: u32, count: u32| {
        for nth in 0..count {
            out.push(char::from(CHARACTERS[(bits >> (6 * nth) & 63) as usize]));
        }
    };
    for [high, middle, low] in GROUPS {
        let byte = |at: usize| u32::from(sum[at]);
        put(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    put(u32::from(sum[11]), 2);
    out
}
