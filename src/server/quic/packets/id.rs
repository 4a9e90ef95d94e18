//! Connection IDs that this service issues. Each names the machine, the process and the socket of
//! its connection, encrypted as one AES block: to others it is random, and no two of a connection
//! can be linked (RFC 9000 section 5.1).

use aws_lc_rs::cipher::{
    AES_128, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
/// Bytes of an ID: one cipher block.
pub(crate) const LEN: usize = 16;

/// The home of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// The generation of the process.
    pub(crate) generation: u32,
    /// The place of the socket among those of its address.
    pub(crate) place: u16,
    /// The number of the machine in its fleet; 0: it has none.
    pub(crate) machine: u16,
}

/// Encrypts and decrypts IDs.
pub(crate) struct Ids {
    seal: EncryptingKey,
    open: DecryptingKey,
}

impl Ids {
    pub(crate) fn new(key: &[u8]) -> Result<Self, Unspecified> {
        Ok(Self {
            seal: EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, key)?)?,
            open: DecryptingKey::ecb(UnboundCipherKey::new(&AES_128, key)?)?,
        })
    }

    /// A new ID: generation, place, two zero bytes by which it is recognized, machine, and random
    /// bytes.
    pub(crate) fn issue(&self, home: Home) -> Result<[u8; LEN], Unspecified> {
        let mut block = [0; LEN];
        block[..4].copy_from_slice(&home.generation.to_be_bytes());
        block[4..6].copy_from_slice(&home.place.to_be_bytes());
        block[8..10].copy_from_slice(&home.machine.to_be_bytes());
        rand::fill(&mut block[10..])?;
        self.seal.encrypt(&mut block)?;
        Ok(block)
    }

    /// The home in an ID; `None` if the ID is not ours.
    pub(crate) fn read(&self, id: &[u8; LEN]) -> Option<Home> {
        let mut block = *id;
        self.open.decrypt(&mut block, DecryptionContext::None).ok()?;
        let [g0, g1, g2, g3, p0, p1, 0, 0, m0, m1, ..] = block else { return None };
        let generation = u32::from_be_bytes([g0, g1, g2, g3]);
        let place = u16::from_be_bytes([p0, p1]);
        Some(Home { generation, place, machine: u16::from_be_bytes([m0, m1]) })
    }
}

/// The destination connection ID of a packet, if it has the length of ours (RFC 8999 section 5).
pub(super) fn addressee(packet: &[u8]) -> Option<&[u8; LEN]> {
    let at = match packet.first()? & 0x80 {
        0 => 1,
        _ if usize::from(*packet.get(5)?) == LEN => 6,
        _ => return None,
    };
    packet.get(at..at + LEN)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_home_to_the_family_only() {
        let ids = Ids::new(&[7; 16]).expect("key");
        let others = Ids::new(&[8; 16]).expect("key");
        for (generation, place, machine) in [(1, 0, 0), (1, 63, 9), (u32::MAX, u16::MAX, u16::MAX)]
        {
            let home = Home { generation, place, machine };
            let (one, two) = (ids.issue(home).expect("id"), ids.issue(home).expect("id"));
            assert_eq!((ids.read(&one), ids.read(&two)), (Some(home), Some(home)));
            assert_ne!(one, two);
            let same = one.iter().zip(two).filter(|(one, two)| *one == two).count();
            assert!(same < 8, "{one:?} {two:?}");
            assert_eq!(others.read(&one), None);
        }
    }

    #[test]
    fn the_addressee_of_a_packet() {
        let short = [&[0x40][..], &[9; LEN], b"payload"].concat();
        let long = [&[0xc0, 0, 0, 0, 1, 16][..], &[9; LEN], &[0]].concat();
        let chosen = [&[0xc0, 0, 0, 0, 1, 8][..], &[9; 30]].concat();
        for (packet, known) in [
            (&short[..], true),
            (&long, true),
            (&chosen, false),
            (&short[..LEN], false),
            (&long[..LEN], false),
            (&[0xc0], false),
            (&[], false),
        ] {
            assert_eq!(addressee(packet), known.then_some(&[9; LEN]), "{packet:?}");
        }
    }
}
