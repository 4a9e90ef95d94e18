//! Seals messages between machines, and opens each once: AES-256-GCM under a key of the fleet and
//! of the sending process, with a number that is never used twice and the engine's time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::rand;

use super::message::Message;
use super::time::Times;
use super::window::Window;

/// The first bytes: a mark, and the version of the format.
const MARK: [u8; 2] = [0xcf, 1];
const SESSION: usize = 16;
/// Mark, machine, session, time, number.
const HEAD: usize = 2 + 2 + SESSION + 4 + 8;
/// Bytes that a message adds to a packet, at most: head, tag, kind, ECN, two addresses.
pub(super) const OVERHEAD: usize = HEAD + 16 + 2 + 2 * 23;
/// Seconds between the clocks of two machines, the way included.
const APART: u32 = 30;
/// Senders that are remembered.
const SESSIONS: usize = 4096;

/// What seals the messages of this process.
pub(super) struct Sealer {
    key: LessSafeKey,
    session: [u8; SESSION],
    number: AtomicU64,
}

/// What opens those of others.
pub(super) struct Opener {
    root: Prk,
    sessions: HashMap<[u8; SESSION], Session>,
}

struct Session {
    key: LessSafeKey,
    window: Window,
    /// The second in which the last message came.
    last: u32,
}

/// A message with its sender.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received<'a> {
    pub(super) machine: u16,
    /// Whether its time is by the engine's clock of now, not by that before a jump.
    pub(super) is_current: bool,
    pub(super) message: Message<'a>,
}

/// The root of all keys of the way.
pub(super) fn root(secret: &[u8]) -> Prk {
    Prk::new_less_safe(HKDF_SHA256, secret)
}

impl Sealer {
    pub(super) fn new(root: &Prk) -> Result<Self, Unspecified> {
        let mut session = [0; SESSION];
        rand::fill(&mut session)?;
        Ok(Self { key: key(root, &session)?, session, number: AtomicU64::new(0) })
    }

    /// `None` if the library fails. `now` is the engine's time in seconds.
    pub(super) fn seal(&self, machine: u16, now: u32, message: &Message<'_>) -> Option<Vec<u8>> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut datagram = Vec::with_capacity(OVERHEAD + 1500);
        datagram.extend(MARK);
        datagram.extend(machine.to_be_bytes());
        datagram.extend(self.session);
        datagram.extend(now.to_be_bytes());
        datagram.extend(number.to_be_bytes());
        let head = <[u8; HEAD]>::try_from(&datagram[..]).ok()?;
        message.write(&mut datagram);
        let nonce = nonce(now, number);
        let (_, text) = datagram.split_at_mut(HEAD);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(head), text).ok()?;
        datagram.extend(tag.as_ref());
        Some(datagram)
    }
}

impl Opener {
    pub(super) fn new(root: Prk) -> Self {
        Self { root, sessions: HashMap::new() }
    }

    /// `None`: it is not of the fleet, too old, or was here before.
    pub(super) fn open<'a>(
        &mut self,
        times: Times,
        datagram: &'a mut [u8],
    ) -> Option<Received<'a>> {
        let now = times.now;
        let (head, text) = datagram.split_first_chunk_mut::<HEAD>()?;
        let (mark, rest) = head.split_first_chunk::<2>()?;
        let (machine, rest) = rest.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk::<SESSION>()?;
        let (time, number) = rest.split_first_chunk()?;
        let (machine, time) = (u16::from_be_bytes(*machine), u32::from_be_bytes(*time));
        let number = u64::from_be_bytes(*number.first_chunk()?);
        let is_near = |one: u32| one.abs_diff(time) <= APART;
        if *mark != MARK || !(is_near(now) || times.before.is_some_and(is_near)) {
            return None;
        }
        let (nonce, aad) = (nonce(time, number), Aad::from(*head));
        let text: &'a [u8] = match self.sessions.get_mut(session) {
            Some(known) => {
                if !known.window.is_new(number) {
                    return None;
                }
                let text = known.key.open_in_place(nonce, aad, text).ok()?;
                known.window.note(number);
                known.last = now;
                text
            }
            None => {
                let key = key(&self.root, session).ok()?;
                let text = key.open_in_place(nonce, aad, text).ok()?;
                self.make_room(times)?;
                let mut window = Window::default();
                window.note(number);
                self.sessions.insert(*session, Session { key, window, last: now });
                text
            }
        };
        let is_current = times.is_current(time);
        Some(Received { machine, is_current, message: Message::read(text)? })
    }

    /// Forgets those whose messages are all too old by now: none after a jump of the clock.
    fn make_room(&mut self, times: Times) -> Option<()> {
        if self.sessions.len() >= SESSIONS && times.before.is_none() {
            self.sessions.retain(|_, one| times.now.abs_diff(one.last) <= 2 * APART + 1);
        }
        (self.sessions.len() < SESSIONS).then_some(())
    }
}

fn key(root: &Prk, session: &[u8; SESSION]) -> Result<LessSafeKey, Unspecified> {
    let info = [b"packets".as_slice(), session];
    let key = root.expand(&info, &AES_256_GCM)?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}

fn nonce(time: u32, number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..4].copy_from_slice(&time.to_be_bytes());
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
