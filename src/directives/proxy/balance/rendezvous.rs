//! Rendezvous hashing: each upstream has a score for a key, and the highest score wins. When an
//! upstream is removed, only its keys move, each to the next best; a new upstream takes an equal
//! share from all others.

use crate::upstream::host::digest::{hash, mix};
use crate::upstream::host::set::Set;

/// The available upstream with the highest score for `key`.
pub(crate) fn rendezvous(
    set: &Set,
    key: &[u8],
    available: &dyn Fn(usize) -> bool,
) -> Option<usize> {
    let key = hash(key);
    let open = (0..set.len()).filter(|i| available(*i));
    if set.equal {
        return open.max_by_key(|i| mix(key ^ set[*i].seed));
    }
    // The probability to win is proportional to the weight.
    let score = |i: usize| {
        let drawn = (mix(key ^ set[i].seed) >> 11) as f64 + 0.5;
        f64::from(set[i].weight) / -(drawn / (1_u64 << 53) as f64).ln()
    };
    open.map(|i| (i, score(i))).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::proxy::testing::weighted;

    const KEYS: usize = 20_000;

    fn homes(set: &Set) -> Vec<usize> {
        (0..KEYS)
            .map(|k| rendezvous(set, format!("key {k}").as_bytes(), &|_| true).unwrap())
            .collect()
    }

    #[test]
    fn keys_are_spread_by_weight() {
        for weights in [&[1, 1, 1, 1, 1][..], &[1, 2, 5], &[10, 10, 1]] {
            let set = weighted(weights);
            let homes = homes(&set);
            let sum: u32 = weights.iter().sum();
            for (i, weight) in weights.iter().enumerate() {
                let got = homes.iter().filter(|home| **home == i).count() as f64;
                let due = KEYS as f64 * f64::from(*weight) / f64::from(sum);
                assert!((got / due - 1.0).abs() < 0.06, "{weights:?} {i}: {got} for {due}");
            }
        }
    }

    #[test]
    fn only_the_keys_of_a_host_that_leaves_move() {
        for weights in [&[1; 5][..], &[3, 1, 1, 2, 1]] {
            let set = weighted(weights);
            let before = homes(&set);
            let gone = 3;
            let mut moved = 0;
            for (k, old) in before.iter().enumerate() {
                let key = format!("key {k}");
                let new = rendezvous(&set, key.as_bytes(), &|i| i != gone).unwrap();
                assert!(new == *old || *old == gone, "{key} moved from {old} to {new}");
                moved += usize::from(new != *old);
            }
            let share = f64::from(weights[gone]) / f64::from(weights.iter().sum::<u32>());
            assert!((moved as f64) < KEYS as f64 * (share + 0.02), "{moved} of {KEYS} moved");
        }
    }

    #[test]
    fn the_order_of_hosts_does_not_matter() {
        let hosts = weighted(&[1, 1, 1, 1]).to_vec();
        let turned = Set::new(hosts.iter().rev().cloned().collect());
        let set = Set::new(hosts);
        for (a, b) in homes(&set).into_iter().zip(homes(&turned)) {
            assert_eq!(set[a].name, turned[b].name);
        }
    }
}
