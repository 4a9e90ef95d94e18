//! Repeats a request whose nonce the CA has rejected (RFC 8555 section 6.5), beyond the three
//! attempts of the ACME library.

use super::failure::Failure;

/// Maximum number of attempts.
const ATTEMPTS: usize = 6;

/// The attempts of one request so far.
#[derive(Default)]
pub(super) struct Attempts(usize);

impl Attempts {
    /// Whether the request is to be sent again, after this result. What the attempt has achieved
    /// must not be repeated by the next one: an order is resumed, for example.
    pub(super) fn again<T>(&mut self, done: &Result<T, Failure>) -> bool {
        self.0 += 1;
        self.0 < ATTEMPTS && done.as_ref().is_err_and(Failure::is_bad_nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(results: impl Fn(usize) -> Result<(), Failure>) -> usize {
        let mut attempts = Attempts::default();
        1 + (1..).take_while(|at| attempts.again(&results(*at))).count()
    }

    #[test]
    fn rejected_nonces_are_replaced_within_a_bound() {
        let rejected = || Failure::trouble("urn:ietf:params:acme:error:badNonce: unknown");
        assert_eq!(asked(|_| Ok(())), 1);
        assert_eq!(asked(|at| if at > 5 { Ok(()) } else { Err(rejected()) }), 6);
        assert_eq!(asked(|_| Err(rejected())), ATTEMPTS);
        assert_eq!(asked(|_| Err(Failure::refused("no"))), 1);
    }
}
