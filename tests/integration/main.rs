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

mod abuse;
mod acme;
mod acme_addresses;
mod acme_store;
mod acme_trouble;
mod activation;
mod addresses;
mod alt_svc;
mod article;
mod aspnet;
mod authentication;
mod authorities;
mod backup;
mod browser;
mod caddyfiles;
mod certificates;
mod cli;
mod commands;
mod configuration;
mod container;
mod content;
mod cross_origin;
mod dead_udp;
mod deb;
mod defaults;
mod descriptors;
mod dns;
mod documentation;
mod early;
mod early_hints;
mod error_pages;
mod fastcgi;
mod fastcgi_faults;
mod faults;
mod first_visit;
mod forward_auth;
mod git_site;
mod grpc;
mod h2_rules;
mod h2_upstreams;
mod h2_windows;
mod h3_clients;
mod h3_rules;
mod health;
mod held;
mod hooks;
mod http1;
mod https_records;
mod init_script;
mod ip_filter;
mod leaving;
mod limits;
mod log_formats;
mod log_lines;
mod logs;
mod metrics;
mod mistakes;
mod moving;
mod on_demand;
mod opening;
mod openrc;
mod packaging;
mod pages;
mod paths;
mod policies;
mod priorities;
mod process;
mod protocols;
mod proxy;
mod proxy_protocol;
mod qlog;
mod quickstart;
mod rate_limit;
mod realip;
mod records;
mod reload;
mod road;
mod rpm;
mod rpm_service;
mod scanner;
mod service;
mod service_faults;
mod service_status;
mod short_uploads;
mod smuggling;
mod smuggling_h2;
mod source_rpm;
mod status_page;
mod systemd;
mod systemd_service;
mod sysvinit;
mod tcp_congestion;
mod tls;
mod tokens;
mod transfer;
mod tunnels;
mod unlimited;
mod unread;
mod upgrade;
mod upgrade_faults;
mod upgrade_ways;
mod upstream_faults;
mod upstreams;
mod websocket;
mod websocket_types;
mod words;
