# Short verbs; longer work lives in scripts beside what they make.

CARGO   ?= cargo
DESTDIR ?=
PREFIX  ?= /usr/local
UNITDIR ?= /usr/lib/systemd/system
INSTALL ?= install
BINARY  := target/release/caddy
SHARE   := $(DESTDIR)$(PREFIX)/share

.PHONY: run build check test install clean

run: build
	@examples/quic-proxy/run.sh

build:
	$(CARGO) build --release

check:
	$(CARGO) check --all-targets

test:
	bash tests/setup.sh
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	$(CARGO) test

# Builds only when there is no binary yet: `make build && sudo make install` needs no Rust for root.
install: $(BINARY)
	$(INSTALL) -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/caddy
	$(INSTALL) -D -m 0755 init.d/caddy $(DESTDIR)/etc/init.d/caddy
	$(INSTALL) -d -m 0755 $(DESTDIR)$(UNITDIR)
	sed 's|/usr/local/bin/caddy|$(PREFIX)/bin/caddy|g' systemd/caddy.service \
		> $(DESTDIR)$(UNITDIR)/caddy.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/caddy.service
	test -e $(DESTDIR)/etc/caddy/Caddyfile || \
		$(INSTALL) -D -m 0644 packaging/Caddyfile $(DESTDIR)/etc/caddy/Caddyfile
	test -e $(DESTDIR)/etc/sysconfig/caddy || { \
		$(INSTALL) -d -m 0755 $(DESTDIR)/etc/sysconfig && \
		sed 's|/usr/local/bin/caddy|$(PREFIX)/bin/caddy|g' packaging/sysconfig/caddy \
			> $(DESTDIR)/etc/sysconfig/caddy && chmod 0644 $(DESTDIR)/etc/sysconfig/caddy; }
	test -e $(DESTDIR)/etc/logrotate.d/caddy || \
		$(INSTALL) -D -m 0644 packaging/logrotate/caddy $(DESTDIR)/etc/logrotate.d/caddy
	$(INSTALL) -D -m 0644 packaging/caddy.8 $(SHARE)/man/man8/caddy.8
	$(INSTALL) -D -m 0644 packaging/completions/caddy.bash \
		$(SHARE)/bash-completion/completions/caddy

$(BINARY):
	$(CARGO) build --release

clean:
	$(CARGO) clean
