# Short verbs; longer work lives in scripts beside what they make.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
# As tests/setup.sh installs it.
DENY    ?= target/tools/cargo-deny/bin/cargo-deny

# The machine that `make dist` and the packages are for: x86_64 or aarch64.
ARCH    ?= $(shell uname -m)
DIST    := target/dist/$(ARCH)/caddy

# What install takes; `make dist` leaves one for old systems in target/dist.
BINARY  ?= target/release/caddy
# The name of the image that `make image` builds.
IMAGE   ?= caddy
# STRIP=no leaves its debug information in.
STRIP   ?= yes
# Most tests wait for servers and clocks.
TEST_THREADS ?= $(shell echo $$(($$(nproc) * 2)))
LICENCES := target/package/$(ARCH)/LICENSES
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

BIN     := $(DESTDIR)$(PREFIX)/bin
UNITS   := $(DESTDIR)$(PREFIX)/lib/systemd/system
SHARE   := $(DESTDIR)$(PREFIX)/share
MAN     := $(SHARE)/man
BASH    := $(SHARE)/bash-completion/completions
ZSH     := $(SHARE)/zsh/site-functions
FISH    := $(SHARE)/fish/vendor_completions.d
# firewalld reads no other place; outside of /usr the file is the administrator's.
FIREWALLD := $(if $(filter /usr,$(PREFIX)),$(DESTDIR)/usr/lib,$(ETC))/firewalld/services
DOC     ?= $(SHARE)/doc/caddy
ETC     := $(DESTDIR)/etc
INITD   ?= $(ETC)/init.d
# Where the init script's settings are: sysconfig, or default on Debian.
SETTINGS ?= sysconfig
# The scripts name /usr/local; an install elsewhere rewrites that.
HOME_OF := sed 's|/usr/local|$(PREFIX)|g'

.PHONY: help run build check test checked-tests test-fleet fuzz bench bench-micro bench-road docs man pictures readme install dist licences rpm srpm srpm-rebuild deb tarball image clean

help:
	@echo 'make run      build, and put a small site on HTTP/3 at https://localhost:8443'
	@echo 'make build    build target/release/caddy'
	@echo 'make check    formatting, lints, documentation, and what is depended on'
	@echo 'make test     install what the tests need, then run everything'
	@echo 'make test-fleet  many machines that start at once, and engines that fail over: about an hour'
	@echo '              (MACHINES=100 RUNS=50; PARTITION=3600 cuts one off for an hour, OLDER=/path/to/caddy'
	@echo '              has every second one run that binary)'
	@echo 'make fuzz     look for bytes that break a parser (RUNS=1000000 TARGET=framer)'
	@echo 'make bench    measure against nginx, HAProxy, h2o, Caddy and Envoy (RUN="--case h1-*")'
	@echo 'make bench-road  measure over roads with delay and loss (RUN="--cell 50ms-* --load 1m")'
	@echo 'make bench-micro  count instructions of what a request passes through'
	@echo 'make docs     build the documentation as a book with search, in target/docs'
	@echo 'make readme   do what README.md says in a fresh clone, the builds too'
	@echo 'make man      make the manual pages of the documentation anew; make pictures its pictures'
	@echo 'make install  copy what is built into place (DESTDIR= PREFIX=/usr/local)'
	@echo 'make dist     build target/dist/ARCH/caddy for glibc 2.17 and later, with zig'
	@echo 'make rpm      that as an RPM, in target/rpm; make deb and make tarball likewise'
	@echo '              (ARCH=aarch64: each of these for ARM64)'
	@echo 'make srpm     the source RPM, with all dependencies; make srpm-rebuild builds from it'
	@echo 'make image    a container image (IMAGE=caddy), by buildah, podman or docker'
	@echo 'make clean    remove what was built'

# CADDY names a program that is there.
run:
	$(if $(CADDY),,$(CARGO) build --profile quick)
	examples/quic-proxy/run.sh

build:
	$(CARGO) build --release

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	@# The server's own versions of what it is built from. What needs more to be built is checked
	@# where that is: fuzz/run.sh, benches/peers/setup.sh.
	cp Cargo.lock benches/micro/Cargo.lock
	$(CARGO) clippy --manifest-path benches/micro/Cargo.toml --target-dir target --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps
	@command -v $(DENY) >/dev/null || { echo 'cargo-deny is missing: run tests/setup.sh' >&2; exit 1; }
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources

test:
	tests/setup.sh
	@# Both at once, as each uses one core for minutes.
	$(MAKE) -j2 build checked-tests
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test
	$(CARGO) test --quiet --manifest-path benches/road/link/Cargo.toml --target-dir target/roadlink
	python3 -m unittest discover -q -s benches/peers
	python3 -m unittest discover -q -s benches/road

checked-tests: check
	$(CARGO) test --no-run

# Each of RUNS times that MACHINES servers start at once for one name, by an engine that stays and by
# one that fails over in the middle, with the other tests of a fleet. PARTITION=3600 cuts a machine off
# for an hour, not for 12 seconds. OLDER names a binary that every second machine runs.
test-fleet:
	tests/setup.sh
	MACHINES=$${MACHINES:-100} RUNS=$${RUNS:-50} $(CARGO) test --test integration -- fleet

# For each target RUNS inputs, or SECONDS_EACH seconds. TARGET names one.
fuzz:
	fuzz/run.sh

# RUN takes options of benches/peers/run, such as --rounds 3.
bench: build
	benches/peers/setup.sh
	benches/peers/run $(RUN)
	benches/peers/page

bench-micro:
	benches/micro/run.sh
	benches/peers/page

# RUN takes options of benches/road/run. Needs root, for network namespaces.
bench-road: build
	benches/road/setup.sh
	benches/road/run $(RUN)
	benches/road/page

docs:
	packaging/book/build

# Both are kept in the sources; a test compares the manual pages with docs/.
man:
	packaging/man/make

pictures: build
	packaging/book/pictures
	benches/road/page

readme:
	tests/setup.sh
	tests/readme/follow

dist:
	packaging/dist.sh $(ARCH)

licences:
	@mkdir -p $(dir $(LICENCES))
	@# Several packages may be made at a time, each of which comes here.
	new=$$(mktemp $(LICENCES).XXXXXX) && packaging/licences.py $(ARCH) > $$new && \
		chmod 0644 $$new && mv $$new $(LICENCES)

rpm: dist licences
	packaging/rpm/build.sh $(DIST) target/rpm

srpm:
	packaging/rpm/srpm.sh target/rpm

# As a build farm does it, without a network. Takes as long as make build.
srpm-rebuild:
	packaging/rpm/rebuild.sh "$$(packaging/rpm/srpm.sh target/rpm)" target/rpm

deb: dist licences
	packaging/deb/build.sh $(DIST) target/deb

tarball: dist licences
	packaging/tarball.sh $(DIST) target/tarball

image: build
	packaging/container/build.sh $(BINARY) target/image $(IMAGE)

# Needs `make build` first, so that root does not have to run cargo.
install:
	test -x $(BINARY) || { echo 'run make build first' >&2; exit 1; }
	install -d $(BIN) $(UNITS) $(MAN)/man5 $(MAN)/man8 $(BASH) $(ZSH) $(FISH) $(FIREWALLD)
	install -d $(DOC) $(SHARE)/caddy/html
	install -d $(ETC)/caddy $(ETC)/$(SETTINGS) $(INITD) $(ETC)/logrotate.d
	$(if $(filter no,$(STRIP)),install,packaging/strip.sh) $(BINARY) $(BIN)/caddy
	chmod 0755 $(BIN)/caddy
	$(HOME_OF) init.d/caddy > $(INITD)/caddy
	chmod 0755 $(INITD)/caddy
	for unit in caddy.service caddy.socket; do \
	    $(HOME_OF) systemd/$$unit > $(UNITS)/$$unit && chmod 0644 $(UNITS)/$$unit || exit 1; done
	$(HOME_OF) systemd/caddy.service | sed -f packaging/instance.sed > $(UNITS)/caddy@.service
	$(HOME_OF) systemd/old-systemd.conf > $(SHARE)/caddy/old-systemd.conf
	$(HOME_OF) systemd/old-systemd.conf | sed -f packaging/instance.sed \
	    > $(SHARE)/caddy/old-systemd@.conf
	chmod 0644 $(UNITS)/caddy@.service $(SHARE)/caddy/old-systemd@.conf
	$(HOME_OF) openrc/caddy > $(SHARE)/caddy/openrc
	@# Not executable: rpm would require OpenRC.
	chmod 0644 $(SHARE)/caddy/openrc
	$(HOME_OF) packaging/upgrade.sh > $(SHARE)/caddy/upgrade
	chmod 0755 $(SHARE)/caddy/upgrade
	$(HOME_OF) packaging/selinux.sh > $(SHARE)/caddy/selinux
	chmod 0755 $(SHARE)/caddy/selinux
	for page in 5/caddyfile.5 8/caddy.8; do \
	    $(HOME_OF) packaging/man/$${page#*/} > $(MAN)/man$$page && \
	    chmod 0644 $(MAN)/man$$page || exit 1; done
	chmod 0644 $(SHARE)/caddy/old-systemd.conf
	install -m 0644 packaging/completions/caddy.bash $(BASH)/caddy
	install -m 0644 packaging/completions/caddy.zsh $(ZSH)/_caddy
	install -m 0644 packaging/completions/caddy.fish $(FISH)/caddy.fish
	install -m 0644 packaging/firewalld/caddy.xml $(FIREWALLD)/caddy.xml
	install -m 0644 README.md CHANGELOG.md SECURITY.md LICENSE $(DOC)
	@# Of the machine that the program is for.
	list=target/package/$$(packaging/machine.sh $(BINARY) 2>/dev/null)/LICENSES && \
	    { test ! -e "$$list" || install -m 0644 "$$list" $(DOC); }
	cp -R docs packaging/monitoring $(DOC)/
	chmod -R u=rwX,go=rX $(DOC)
	install -m 0644 packaging/default/index.html $(SHARE)/caddy/html/index.html
	test -e $(ETC)/caddy/Caddyfile || \
	    $(HOME_OF) packaging/default/Caddyfile > $(ETC)/caddy/Caddyfile
	test -e $(ETC)/$(SETTINGS)/caddy || \
	    $(HOME_OF) packaging/sysconfig/caddy > $(ETC)/$(SETTINGS)/caddy
	test -e $(ETC)/logrotate.d/caddy || \
	    install -m 0644 packaging/logrotate/caddy $(ETC)/logrotate.d/caddy
	chmod 0644 $(ETC)/caddy/Caddyfile $(ETC)/$(SETTINGS)/caddy

clean:
	$(CARGO) clean
	rm -rf .venv
