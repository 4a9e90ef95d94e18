# Short verbs; longer work lives in scripts beside what they make.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo

BINARY  := target/release/caddy
BIN     := $(DESTDIR)$(PREFIX)/bin
UNITS   := $(DESTDIR)$(PREFIX)/lib/systemd/system
MAN     := $(DESTDIR)$(PREFIX)/share/man/man8
BASH    := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
DOC     := $(DESTDIR)$(PREFIX)/share/doc/caddy
ETC     := $(DESTDIR)/etc
# The scripts name /usr/local/bin/caddy; an install elsewhere rewrites that.
HOME_OF := sed 's|/usr/local/bin/caddy|$(PREFIX)/bin/caddy|g'

.PHONY: help run build check test bench bench-micro install clean

help:
	@echo 'make run      build, and put a small site on HTTP/3 at https://localhost:8443'
	@echo 'make build    build target/release/caddy'
	@echo 'make check    formatting, lints and documentation'
	@echo 'make test     install what the tests need, then run everything'
	@echo 'make bench    measure against nginx, haproxy, h2o, Caddy and Envoy (RUN="--case h1-*")'
	@echo 'make bench-micro  count instructions of what a request passes through'
	@echo 'make install  copy what is built into place (DESTDIR= PREFIX=/usr/local)'
	@echo 'make clean    remove what was built'

run: build
	examples/quic-proxy/run.sh

build:
	$(CARGO) build --release

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps

test:
	tests/setup.sh
	$(MAKE) check
	$(CARGO) build --release
	$(CARGO) test
	python3 -m unittest discover -q -s benches/peers

# RUN takes options of benches/peers/run, such as --rounds 3.
bench: build
	benches/peers/setup.sh
	benches/peers/run $(RUN)
	benches/peers/page

bench-micro:
	benches/micro/run.sh
	benches/peers/page

# Needs `make build` first, so that root does not have to run cargo.
install:
	test -x $(BINARY) || { echo 'run make build first' >&2; exit 1; }
	install -d $(BIN) $(UNITS) $(MAN) $(BASH) $(DOC)
	install -d $(ETC)/caddy $(ETC)/sysconfig $(ETC)/init.d $(ETC)/logrotate.d
	install -m 0755 $(BINARY) $(BIN)/caddy
	$(HOME_OF) init.d/caddy > $(ETC)/init.d/caddy
	chmod 0755 $(ETC)/init.d/caddy
	$(HOME_OF) systemd/caddy.service > $(UNITS)/caddy.service
	chmod 0644 $(UNITS)/caddy.service
	sed 's|/usr/local/share|$(PREFIX)/share|g' packaging/caddy.8 > $(MAN)/caddy.8
	chmod 0644 $(MAN)/caddy.8
	install -m 0644 packaging/completions/caddy.bash $(BASH)/caddy
	install -m 0644 README.md CHANGELOG.md LICENSE $(DOC)
	cp -R docs $(DOC)/
	test -e $(ETC)/caddy/Caddyfile || install -m 0644 packaging/default/Caddyfile $(ETC)/caddy/Caddyfile
	test -e $(ETC)/sysconfig/caddy || install -m 0644 packaging/sysconfig/caddy $(ETC)/sysconfig/caddy
	test -e $(ETC)/logrotate.d/caddy || install -m 0644 packaging/logrotate/caddy $(ETC)/logrotate.d/caddy

clean:
	$(CARGO) clean
	rm -rf .venv
