//! Certificates from an ACME CA (RFC 8555): obtained, kept, renewed. Knows no Caddyfile and no
//! socket of the server; what the server has to answer for it is in [`super::challenges`].

mod account;
mod backoff;
mod binding;
mod failure;
mod keeper;
mod managed;
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
