//! Certificates from an ACME CA (RFC 8555): issuance, storage, renewal. Independent of the
//! Caddyfile and the server; the responses to challenges are in [`super::challenges`].

mod account;
mod advice;
mod backoff;
mod binding;
mod challenge_answers;
pub mod entries;
mod failure;
mod keeper;
mod managed;
mod nonce;
mod obtain;
mod on_demand;
mod order;
mod places;
mod quota;
mod renewal;
mod revoke;
mod settings;
mod terms;
mod thread;

pub use keeper::{Keeper, Renewed};
pub use revoke::revoke;
pub use settings::{Challenge, Settings, ca_url};
pub use terms::Undecided;
