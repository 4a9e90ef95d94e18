//! The division of one day's visitors into two arms, by a keyed hash of their network and the day.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{hmac, rand};

use crate::fleet::common::Common;
use crate::quic_report::Arm;

const DAY: u64 = 86_400;
pub(super) const KEY_BYTES: usize = 32;

/// Whom an address belongs to: its network, on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// In memory only.
    pub(super) id: u64,
    pub(super) day: u32,
    pub arm: Arm,
}

impl Visitor {
    /// How long the visitor stays in its arm.
    pub fn rest_of_day(&self, now: SystemTime) -> Duration {
        let end = Duration::from_secs((u64::from(self.day) + 1) * DAY);
        end.saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Whether it is still that day.
    pub fn is_of(&self, now: SystemTime) -> bool {
        self.day == day_of(now)
    }
}

/// The day of a time, numbered from 1970-01-01, in UTC.
pub(super) fn day_of(now: SystemTime) -> u32 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / DAY).unwrap_or(u32::MAX)
}

/// A day's key. When the day ends it is forgotten, and with it who was in which arm.
pub(super) struct Draw {
    pub(super) day: u32,
    pub(super) key: [u8; KEY_BYTES],
    hmac: hmac::Key,
}

impl Draw {
    pub(super) fn new(now: SystemTime) -> Self {
        let mut key = [0; KEY_BYTES];
        if rand::fill(&mut key).is_err() {
            log::error!("quic_report: the system gives no random numbers");
        }
        Self::of(day_of(now), key)
    }

    /// That of all machines of a fleet.
    pub(super) fn common(common: &Common, site: &str, now: SystemTime) -> Self {
        let day = day_of(now);
        Self::of(day, common.secret(&format!("quic_report {day} {site}")))
    }

    pub(super) fn of(day: u32, key: [u8; KEY_BYTES]) -> Self {
        Self { day, key, hmac: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    pub(super) fn holds(&self, now: SystemTime) -> bool {
        self.day == day_of(now)
    }

    /// The visitor of an address: all of its /24 or /56, as one household or company shares it and
    /// its clients take turns with its addresses.
    pub(super) fn visitor(&self, address: IpAddr) -> Visitor {
        let mut context = hmac::Context::with_key(&self.hmac);
        match address.to_canonical() {
            IpAddr::V4(address) => context.update(&address.octets()[..3]),
            IpAddr::V6(address) => context.update(&address.octets()[..7]),
        }
        context.update(&self.day.to_le_bytes());
        let tag = context.sign();
        let (id, rest) = tag.as_ref().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let arm = Arm::ALL[usize::from(rest.first().is_some_and(|byte| byte & 1 == 1))];
        Visitor { id: u64::from_le_bytes(*id), day: self.day, arm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_network_is_one_visitor_for_a_day() {
        let draw = Draw::of(20_000, [7; KEY_BYTES]);
        let visitor = |address: &str| draw.visitor(address.parse().unwrap());
        for (one, other) in [
            ("192.0.2.1", "192.0.2.200"),
            ("192.0.2.1", "::ffff:192.0.2.9"),
            ("2001:db8:0:1::1", "2001:db8:0:ff:1::2"),
        ] {
            assert_eq!(visitor(one), visitor(other), "{one} {other}");
        }
        for (one, other) in [("192.0.2.1", "192.0.3.1"), ("2001:db8:0:1::1", "2001:db8:0:100::1")] {
            assert_ne!(visitor(one).id, visitor(other).id, "{one} {other}");
        }
        let next = Draw::of(20_001, [7; KEY_BYTES]).visitor("192.0.2.1".parse().unwrap());
        assert_ne!(next.id, visitor("192.0.2.1").id);
    }

    #[test]
    fn the_arms_are_halves_that_the_key_draws() {
        let offered = |key: u8| {
            let draw = Draw::of(20_000, [key; KEY_BYTES]);
            let all = (0..=u16::MAX).map(|n| [10, (n >> 8) as u8, n as u8, 1]);
            all.map(|address| draw.visitor(address.into()).arm == Arm::Offered).collect::<Vec<_>>()
        };
        let (one, other) = (offered(1), offered(2));
        let count = one.iter().filter(|offered| **offered).count();
        // Half of 65,536, and five standard deviations.
        assert!(count.abs_diff(32_768) < 640, "{count}");
        let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!(same.abs_diff(32_768) < 640, "{same}");
    }

    #[test]
    fn a_day_is_one_of_utc() {
        let draw = Draw::of(1, [7; KEY_BYTES]);
        for (seconds, holds) in [(86_399, false), (86_400, true), (172_799, true), (172_800, false)]
        {
            assert_eq!(draw.holds(at(seconds)), holds, "{seconds}");
        }
        let visitor = draw.visitor([192, 0, 2, 1].into());
        assert_eq!(visitor.rest_of_day(at(172_700)), Duration::from_secs(100));
        assert_eq!(visitor.rest_of_day(at(200_000)), Duration::ZERO);
        assert!(visitor.is_of(at(90_000)) && !visitor.is_of(at(200_000)));
    }
}
