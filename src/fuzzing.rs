//! Properties of what reads hostile bytes. A [`Target`] takes any bytes and panics where a
//! promise is broken. `cargo test` holds each to its changed seeds, the same ones every time;
//! the package `fuzz` hands it to libFuzzer, which looks for more.

use std::hash::Hasher as _;

use fnv::FnvHasher;

/// One promise, or several of one reader. Each floor lists its own in `fuzzing.rs`.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Where to start from.
    pub seeds: &'static [&'static [u8]],
}

/// The ways to hand over `data`: whole, byte by byte, and in pieces that its own bytes decide.
pub(crate) fn splits(data: &[u8]) -> [Vec<&[u8]>; 3] {
    let mut hasher = FnvHasher::default();
    hasher.write(data);
    let mut random = fastrand::Rng::with_seed(hasher.finish());
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(40)));
        pieces.push(piece);
        rest = after;
    }
    [vec![data], data.chunks(1).collect(), pieces]
}

/// What `read` makes of `data`, which must be the same for each of its [`splits`].
pub(crate) fn however_it_comes<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    read: impl Fn(&[&[u8]]) -> T,
) -> T {
    let [whole, bytes, pieces] = splits(data);
    let judged = read(&whole);
    assert_eq!(read(&bytes), judged, "byte by byte");
    assert_eq!(read(&pieces), judged, "in pieces of {:?}", pieces.iter().map(|p| p.len()));
    judged
}

/// The first line of `data` and what is behind it, for targets of two inputs.
pub(crate) fn two(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, b""),
    }
}

/// Text out of any bytes; what is no UTF-8 becomes U+FFFD.
pub(crate) fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

#[cfg(test)]
pub(crate) use driver::hold;

#[cfg(test)]
mod driver {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

    use super::Target;

    /// Runs each target on its seeds, on `cases` changes of them and on as many random inputs as
    /// is left. What breaks a promise is shown as small as it gets.
    pub(crate) fn hold(targets: &[Target], cases: u32) {
        for target in targets {
            for seed in target.seeds {
                (target.run)(seed);
            }
            let config = Config { cases, failure_persistence: None, ..Config::default() };
            let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let mut runner = TestRunner::new_with_rng(config, random);
            let held = runner.run(&inputs(target.seeds), |data| {
                (target.run)(&data);
                Ok(())
            });
            match held {
                Ok(()) => {}
                Err(TestError::Fail(why, data)) => {
                    let text = data.escape_ascii();
                    panic!("{} breaks its promise on b\"{text}\": {why}", target.name);
                }
                Err(error) => panic!("{}: {error}", target.name),
            }
        }
    }

    /// One change of a seed.
    #[derive(Debug, Clone)]
    enum Change {
        Replace(u8),
        Insert(u8),
        Remove(usize),
        /// So many bytes once more.
        Repeat(usize),
        /// The end of another seed in place of this one's.
        Join(Index),
    }

    fn inputs(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
        // Bytes that mean something somewhere in the seeds mean more than others.
        let mut known: Vec<u8> = seeds.concat();
        known.extend([0, 1, 0x7f, 0x80, 0xff]);
        let byte = prop_oneof![4 => prop::sample::select(known), 1 => any::<u8>()];
        let change = prop_oneof![
            3 => byte.clone().prop_map(Change::Replace),
            3 => byte.clone().prop_map(Change::Insert),
            2 => (1_usize..5).prop_map(Change::Remove),
            1 => (1_usize..40).prop_map(Change::Repeat),
            1 => any::<Index>().prop_map(Change::Join),
        ];
        let changed = (any::<Index>(), vec((any::<Index>(), change), 0..6));
        let changed = changed.prop_map(move |(seed, changes)| {
            let mut data = seed.get(seeds).to_vec();
            for (at, change) in changes {
                apply(&change, at.index(data.len() + 1), &mut data, seeds);
            }
            data
        });
        prop_oneof![8 => changed, 1 => vec(byte, 0..60)]
    }

    fn apply(change: &Change, at: usize, data: &mut Vec<u8>, seeds: &[&[u8]]) {
        match change {
            Change::Replace(byte) => {
                if let Some(place) = data.get_mut(at) {
                    *place = *byte;
                }
            }
            Change::Insert(byte) => data.insert(at, *byte),
            Change::Remove(count) => drop(data.drain(at..data.len().min(at + count))),
            Change::Repeat(count) => {
                let again = data[at..data.len().min(at + count)].to_vec();
                data.splice(at..at, again);
            }
            Change::Join(other) => {
                let other = other.get(seeds);
                data.truncate(at);
                data.extend_from_slice(other.get(at..).unwrap_or_default());
            }
        }
    }

    #[test]
    fn a_broken_promise_is_found_and_made_small() {
        let never = Target {
            name: "no two percents",
            run: |data| assert!(data.iter().filter(|byte| **byte == b'%').count() < 2),
            seeds: &[b"a%20b", b"c"],
        };
        let broken = std::panic::catch_unwind(|| hold(&[never], 1000)).unwrap_err();
        let said = broken.downcast_ref::<String>().unwrap();
        assert!(said.starts_with("no two percents breaks its promise on b\"%%\":"), "{said}");
    }
}
