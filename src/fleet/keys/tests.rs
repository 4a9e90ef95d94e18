//! The rotation step by step; the interleavings try it in any order.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const TIMES: Times = Times {
    wait: Duration::from_secs(10),
    period: HOUR,
    aged: Duration::from_secs(600),
    kept: 3,
    used: Duration::from_secs(4 * 3600),
    life: Duration::from_secs(6 * 3600),
};
const SECOND: u64 = 1_000_000;

fn generation(id: u8, published: Stamp) -> Generation {
    let secret = [id; 32];
    Generation { id: [id; 16], secret, published, made: published, edition: published }
}

fn at(second: u64) -> Read {
    let now = Duration::from_secs(second);
    let version = 100 * SECOND;
    Read { sent: now, received: now, engine: second * SECOND, version }
}

fn current(keys: &Keys, second: u64) -> Option<u8> {
    keys.current(Duration::from_secs(second)).map(|generation| generation.id[0])
}

fn accepted(keys: &Keys, second: u64) -> usize {
    keys.accepted(Duration::from_secs(second)).count()
}

fn is_due(keys: &Keys, second: u64) -> bool {
    keys.is_due(Duration::from_secs(second))
}

#[test]
fn a_generation_is_used_once_all_have_had_time_to_read_it() {
    let mut keys = Keys::new(TIMES);
    let one = generation(1, 100 * SECOND);
    for (second, expected) in [(101, None), (110, None), (111, Some(1))] {
        keys.read(&[one], at(second));
        assert_eq!(current(&keys, second), expected, "{second}");
    }
    let two = generation(2, 120 * SECOND);
    for (second, expected) in [(121, 1), (130, 1), (131, 2)] {
        keys.read(&[one, two], at(second));
        assert_eq!(current(&keys, second), Some(expected), "{second}");
        assert_eq!(accepted(&keys, second), 2);
    }
}

#[test]
fn a_machine_that_joins_uses_old_ones_at_once() {
    for (second, expected) in [(699, None), (700, Some(2))] {
        let mut keys = Keys::new(TIMES);
        keys.read(&[generation(1, 10 * SECOND), generation(2, 90 * SECOND)], at(second));
        assert_eq!(current(&keys, second), expected, "{second}");
    }
}

#[test]
fn what_the_engine_lost_is_used_and_published_again() {
    let mut keys = Keys::new(TIMES);
    let one = generation(1, 100 * SECOND);
    keys.read(&[one], at(101));
    keys.read(&[one], at(112));
    assert!(!is_due(&keys, 112));
    keys.read(&[], at(113));
    assert_eq!((current(&keys, 113), accepted(&keys, 113)), (Some(1), 1));
    assert!(is_due(&keys, 113));
    let again = keys.proposal(113 * SECOND, generation(9, 0));
    assert_eq!(again, [Generation { published: 113 * SECOND, edition: 0, ..one }]);
    keys.read(&again, at(115));
    assert_eq!(current(&keys, 115), Some(1));
    assert!(!is_due(&keys, 115));
    // It is no younger for that.
    assert!(!is_due(&keys, 3699) && is_due(&keys, 3701));
    let mut other = Keys::new(TIMES);
    other.read(&again, at(115));
    assert_eq!(current(&other, 115), None);
    assert!(!is_due(&other, 3699) && is_due(&other, 3701));
}

#[test]
fn the_oldest_are_dropped() {
    let mut keys = Keys::new(TIMES);
    assert!(is_due(&keys, 0));
    let mut shown = Vec::new();
    for round in 1..8u8 {
        let second = u64::from(round) * 4000;
        assert!(is_due(&keys, second));
        shown = keys.proposal(second * SECOND, generation(round, 0));
        keys.read(&shown, at(second));
    }
    let ids: Vec<u8> = shown.iter().map(|generation| generation.id[0]).collect();
    assert_eq!(ids, [5, 6, 7]);
    assert_eq!(accepted(&keys, 28_000), 3);
}

#[test]
fn without_the_engine_they_are_used_and_accepted_for_a_while() {
    let mut keys = Keys::new(TIMES);
    keys.read(&[generation(1, 100 * SECOND)], at(100));
    keys.read(&[generation(1, 100 * SECOND)], at(110));
    let (used, life) = (100 + 4 * 3600, 100 + 6 * 3600);
    assert_eq!((current(&keys, used - 1), current(&keys, used)), (Some(1), None));
    assert_eq!((accepted(&keys, life - 1), accepted(&keys, life)), (1, 0));
}

#[test]
fn a_clock_that_was_wrong_by_years_keeps_no_key_in_use() {
    let year = 365 * 24 * 3600 * SECOND;
    let ahead = generation(1, 20 * year);
    // The engine's clock is right again. What was there when the process began:
    let mut keys = Keys::new(TIMES);
    keys.read(&[ahead], at(10));
    assert!(!is_due(&keys, 609) && is_due(&keys, 610));
    // What has come since, whose numbers have to be higher still:
    let next = generation(2, 20 * year + 1);
    keys.read(&[ahead, next], at(20));
    assert!(!is_due(&keys, 3619) && is_due(&keys, 3620));
    // The clock was behind, and goes on far ahead.
    let mut keys = Keys::new(TIMES);
    keys.read(&[generation(3, SECOND)], at(10));
    let far = Read { engine: 20 * year, ..at(20) };
    keys.read(&[generation(3, SECOND)], far);
    assert_eq!(current(&keys, 20), Some(3));
    assert!(!is_due(&keys, 20));
}

#[test]
fn the_next_process_goes_on_with_them() {
    let mut keys = Keys::new(TIMES);
    let both = [generation(1, 100 * SECOND), generation(2, 200 * SECOND)];
    keys.read(&both[..1], at(100));
    keys.read(&both[..1], at(111));
    keys.read(&both, at(200));
    let passed = keys.pass(Duration::from_secs(250));
    let bytes = passed[0].generation.to_bytes();
    assert_eq!(Generation::from_bytes(&bytes), Some(both[0]));
    let mut next = Keys::resumed(TIMES, &passed, Duration::ZERO);
    assert_eq!((current(&next, 0), accepted(&next, 0)), (Some(1), 2));
    // It is 50 s old.
    let at = |second| Read { engine: (250 + second) * SECOND, ..at(second) };
    next.read(&both, at(1));
    assert_eq!(current(&next, 1), Some(1));
    next.read(&both, at(11));
    assert_eq!(current(&next, 11), Some(2));
    assert!(!is_due(&next, 3549) && is_due(&next, 3550));
}
