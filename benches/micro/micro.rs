//! Instruction counts of the parts that a configuration or a request passes through. Counts hold
//! on noisy machines, where times do not. `make bench-micro` runs them under callgrind.

mod fixtures;
mod memory;
#[allow(
    dead_code,
    unused_imports,
    reason = "the server's own module, of which only the writing is counted"
)]
#[path = "../../src/server/compression/primitives.rs"]
mod primitives;
#[allow(
    dead_code,
    unused_imports,
    reason = "the server's own module, of which only the writing is counted"
)]
#[path = "../../src/server/compression/qpack.rs"]
mod qpack;

use std::hint::black_box;
use std::path::Path;

use bytes::BytesMut;
use caddy::caddyfile::{self, Parsed};
use caddy::config::{self, Loaded};
use caddy::http::Request;
use caddy::http::placeholders::Template;
use fixtures::{Site, Table, answer};
use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use http::{HeaderMap, StatusCode};

// A site as they usually are; more of them follow one another.
#[library_benchmark]
#[bench::one_site(args = (1), setup = fixtures::caddyfile)]
#[bench::hundred_sites(args = (100), setup = fixtures::caddyfile)]
fn parse(text: String) -> Parsed {
    let known = config::directive_names();
    let parsed = caddyfile::read("Caddyfile", black_box(&text), Path::new("."), &known);
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    parsed
}

// Parsing, and every directive's set-up.
#[library_benchmark]
#[bench::one_site(args = (1), setup = fixtures::caddyfile)]
#[bench::hundred_sites(args = (100), setup = fixtures::caddyfile)]
fn load(text: String) -> Loaded {
    fixtures::load(text)
}

#[library_benchmark]
#[bench::of_one(args = (1), setup = Table::of)]
#[bench::of_ten_thousand(args = (10_000), setup = Table::of)]
fn look_up(table: Table) -> Table {
    assert!(black_box(&table).find());
    table
}

// From the request to the last byte of the response, which `status` gives.
#[library_benchmark]
#[bench::bare(args = (""), setup = fixtures::exchange)]
#[bench::ten_rules(args = (fixtures::RULES), setup = fixtures::exchange)]
#[bench::header_rules(args = (fixtures::HEADERS), setup = fixtures::exchange)]
#[bench::header_placeholders(args = (fixtures::HEADER_PLACEHOLDERS), setup = fixtures::exchange)]
#[bench::access_log(args = ("log / /dev/null"), setup = fixtures::exchange)]
#[bench::json_log(args = ("log / /dev/null {json}"), setup = fixtures::exchange)]
fn chain((site, mut request): (Site, Request)) -> (Site, Request) {
    black_box(answer(&site, &mut request));
    (site, request)
}

#[library_benchmark]
#[bench::none(args = ("some text"), setup = fixtures::template)]
#[bench::one(args = ("{host}"), setup = fixtures::template)]
#[bench::combined_log(args = (fixtures::COMBINED), setup = fixtures::template)]
fn placeholders((template, request): (Template, Request)) -> (String, Template, Request) {
    (template.expand(&request, None, "-"), template, request)
}

#[library_benchmark]
#[bench::six_fields(setup = fixtures::response_fields)]
fn h3_encode_head(fields: HeaderMap) -> (BytesMut, HeaderMap) {
    let mut out = BytesMut::with_capacity(1024);
    qpack::write_head(&mut out, StatusCode::OK, &fields);
    qpack::write_trailers(&mut out, &HeaderMap::new());
    (out, fields)
}

// A stream of a browser's request: frame, field section, `http::Request`.
#[library_benchmark]
#[bench::ten_fields(setup = memory::Accepting::new)]
fn h3_decode_head(mut accepting: memory::Accepting) -> (http::Request<()>, memory::Accepting) {
    (accepting.request(), accepting)
}

library_benchmark_group!(name = configuration, benchmarks = [parse, load]);
library_benchmark_group!(name = request, benchmarks = [look_up, chain, placeholders]);
library_benchmark_group!(name = http3, benchmarks = [h3_encode_head, h3_decode_head]);
main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::with_args(["--cache-sim=no", "--branch-sim=no"])),
    library_benchmark_groups = [configuration, request, http3]
);
