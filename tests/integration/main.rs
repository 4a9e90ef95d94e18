//! Integration tests: the real binary against real counterparts (curl, aioquic, Chromium, nginx)
//! and an origin of our own that records and misbehaves. One binary, one module per area.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test says what went wrong by panicking"
)]

mod harness;

mod acme;
mod acme_trouble;
mod article;
mod browser;
mod caddyfiles;
mod cli;
mod faults;
mod init_script;
mod limits;
mod policies;
mod process;
mod protocols;
mod proxy;
mod reload;
mod service;
mod smuggling;
mod smuggling_h2;
mod tls;
mod transfer;
