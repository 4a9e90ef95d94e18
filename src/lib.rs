//! caddy puts an existing site on HTTP/3 and runs it as a system service.
//!
//! In reading order: [`limits`] holds the defaults; [`error_chain`], [`json_string`], [`machine`],
//! [`credit`] and [`http2_frames`] depend on nothing else of ours, or little; [`caddyfile`] turns
//! text into blocks, and [`warning`] says where; [`http`] is the vocabulary of a request; [`chain`]
//! and [`site`] hold what a site does; [`directives`] has one module per Caddyfile word, over
//! [`arguments`] that many take, [`tokens`] and [`passwords`], and [`upstream`] where it speaks to
//! another server; [`own_files`], [`pages`], [`text_template`], [`minified`] and [`remake`] are
//! what words that send or make files share, [`confined`] keeps paths within a folder and
//! [`programs`] runs commands; [`config`] makes a snapshot of them; [`tls`] keeps certificates;
//! [`net`] is below all that opens connections; [`congestion`] names the congestion controllers of
//! QUIC; [`https_records`] looks after what DNS says of the sites; [`metrics`] counts, and
//! [`report`] is what an operator sees of the process; [`quic_report`] compares visitors with and
//! without HTTP/3, and [`experiment`] measures them; [`fleet`] is how several machines do as one;
//! [`server`] listens and serves; [`convert`] translates configurations of other servers;
//! [`daemon`] deals with the operating system; [`run`] is the life of the process and [`cli`] its
//! command line.

pub mod arguments;
pub mod caddyfile;
pub mod chain;
pub mod cli;
pub mod config;
pub mod confined;
pub mod congestion;
pub mod convert;
pub mod credentials;
pub mod credit;
pub mod daemon;
pub mod directives;
pub mod error_chain;
pub mod experiment;
pub mod fleet;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hex;
pub mod http;
pub mod http2_frames;
pub mod https_records;
pub mod json_string;
pub mod limits;
pub mod machine;
pub mod metrics;
pub mod minified;
pub mod net;
pub mod own_files;
pub mod pages;
pub mod passwords;
pub mod programs;
pub mod quic_report;
pub mod remake;
pub mod report;
pub mod run;
pub mod server;
pub mod site;
pub mod text_template;
pub mod tls;
pub mod tokens;
pub mod upstream;
pub mod warning;
