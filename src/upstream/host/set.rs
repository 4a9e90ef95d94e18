//! The upstreams of a rule, and values computed from their number and weights.

use std::ops::Deref;

use super::upstream::Upstream;

/// The upstreams in the order of the Caddyfile.
#[derive(Debug, Default)]
pub(crate) struct Set {
    hosts: Vec<Upstream>,
    /// One round of `round_robin`: each host as often as its weight, evenly interleaved.
    pub(crate) round: Vec<u32>,
    /// All weights are equal.
    pub(crate) equal: bool,
    /// The hosts have different priorities.
    tiers: bool,
}

impl Set {
    pub(crate) fn new(hosts: Vec<Upstream>) -> Self {
        let equal = hosts.windows(2).all(|pair| pair[0].weight == pair[1].weight);
        let tiers = hosts.windows(2).any(|pair| pair[0].priority != pair[1].priority);
        let weights: Vec<u32> = hosts.iter().map(|host| host.weight).collect();
        let round =
            if equal { (0..hosts.len() as u32).collect() } else { interleave_by_weight(&weights) };
        Self { hosts, round, equal, tiers }
    }

    /// The lowest priority with an available host; `None` if all have the same.
    pub(crate) fn tier(&self, available: &dyn Fn(usize) -> bool) -> Option<u16> {
        let open = || (0..self.len()).filter(|i| available(*i));
        if self.tiers { open().map(|i| self[i].priority).min() } else { None }
    }
}

impl Deref for Set {
    type Target = [Upstream];

    fn deref(&self) -> &[Upstream] {
        &self.hosts
    }
}

/// Smooth weighted round robin: in each step every host gains its weight, and the one with the
/// highest credit is selected and pays the sum of all weights.
fn interleave_by_weight(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
    let sum: i64 = weights.iter().sum();
    let mut credit = vec![0; weights.len()];
    (0..sum)
        .map(|_| {
            credit.iter_mut().zip(&weights).for_each(|(credit, weight)| *credit += weight);
            let best = (0..credit.len()).rev().max_by_key(|i| credit[*i]).unwrap_or(0);
            credit[best] -= sum;
            best as u32
        })
        .collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly() {
        for (weights, round) in [
            (&[1, 2][..], &[1, 0, 1][..]),
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            (&[100, 50], &[0, 1, 0]),
            (&[7], &[0]),
        ] {
            assert_eq!(interleave_by_weight(weights), round, "{weights:?}");
        }
    }
}
