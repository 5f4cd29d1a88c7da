# Holdfast: build, test, demonstrate, install. `make help` lists the targets.
.DEFAULT_GOAL := build
SHELL := /bin/bash
CARGO ?= $(shell command -v cargo || echo $$HOME/.cargo/bin/cargo)
TARGET := $(or $(CARGO_TARGET_DIR),target)

DESTDIR ?=
PREFIX ?= /usr
SYSCONFDIR ?= /etc
BINDIR := $(DESTDIR)$(PREFIX)/bin
LIBEXECDIR := $(DESTDIR)$(PREFIX)/libexec/holdfast
LIBDIR := $(DESTDIR)$(PREFIX)/lib
MANDIR := $(DESTDIR)$(PREFIX)/share/man
DOCDIR := $(DESTDIR)$(PREFIX)/share/doc/holdfast

COMMANDS := holdfast dnscheck
DAEMONS := agentd alertd checkd lvsd statusd vipd

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

# Crate by crate: built together, a daemon would get the features that only another one asked for.
build: ## the release binaries, into target/release
	@for crate in $(filter-out dnscheck vipd,$(COMMANDS) $(DAEMONS)); do $(CARGO) build --release --locked -p $$crate || exit; done
	@# All its memory is locked, and what it does is wait: small before quick.
	@$(CARGO) build --release --locked -p vipd --config 'profile.release.opt-level="s"' --config 'profile.release.lto="fat"'
	@# Run thousands of times an hour, it is linked so that starting it costs least: nothing to look up, nothing to move.
	@$(CARGO) rustc --release --locked -p dnscheck -- -C target-feature=+crt-static -C relocation-model=static
	@# A copied file is kept and mapped by the kernel in larger pieces than one that the linker wrote page by page.
	@cp "$(TARGET)/release/dnscheck" "$(TARGET)/release/dnscheck.copy" && mv "$(TARGET)/release/dnscheck.copy" "$(TARGET)/release/dnscheck"

test: ## every check and test; ends with "N passed, N failed"
	@tests/check.sh

test-browser: ## the status page in a real browser (installs Debian's chromium); pictures in target/browser
	@tests/browser.sh

demo: ## the main job on real name servers, in the test kernel (KEEP=1: with a shell in it at the end)
	@KEEP="$(KEEP)" tests/demo.sh

bench: build ## the cost of one dnscheck, of one probe and of the kernel's table beside other tools, how soon faults are known; failover (RUNS each, 10)
	@tests/bench.sh
	@tests/bench-checkd.sh
	@tests/bench-detect.sh
	@tests/bench-lvs.sh
	@VIPD=$(TARGET)/release/vipd tests/bench-vipd.sh
	@RUNS=$${RUNS:-10} tests/bench-failover.sh times false

soak: ## simulations and fuzzers over worlds that no test has seen, for HOURS (1)
	@tests/soak.sh "$(or $(HOURS),1)"

deb: ## a Debian package, into target/debian
	@etc/debian/build.sh

audit: ## known advisories, licences, sources (needs cargo-deny and its advisory database)
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: $(CARGO) install --locked cargo-deny" >&2; exit 1; }
	cargo-deny --locked check

install: ## into DESTDIR (default: this machine); builds first where there is a cargo
	@if command -v "$(CARGO)" >/dev/null; then $(MAKE) --no-print-directory build; fi
	install -d "$(BINDIR)" "$(LIBEXECDIR)" "$(DOCDIR)" "$(LIBDIR)"/{systemd/system,sysusers.d,tmpfiles.d,sysctl.d,modules-load.d}
	install -m 755 $(COMMANDS:%=$(TARGET)/release/%) "$(BINDIR)"
	install -m 755 $(DAEMONS:%=$(TARGET)/release/%) "$(LIBEXECDIR)"
	install -m 644 etc/systemd/*.service etc/systemd/*.target "$(LIBDIR)/systemd/system"
	@for kind in sysusers tmpfiles sysctl modules-load; do \
	  echo install -m 644 etc/$$kind.d/*holdfast.conf "$(LIBDIR)/$$kind.d"; \
	  install -m 644 etc/$$kind.d/*holdfast.conf "$(LIBDIR)/$$kind.d" || exit; \
	done
	@for page in docs/man/*.[1-8]; do \
	  [ -e "$$page" ] || continue; \
	  install -D -m 644 "$$page" "$(MANDIR)/man$${page##*.}/$${page##*/}" || exit; \
	done
	@for name in $(COMMANDS); do \
	  echo install completions of $$name; \
	  install -D -m 644 etc/completions/$$name.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name" && \
	  install -D -m 644 etc/completions/_$$name "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_$$name" && \
	  install -D -m 644 etc/completions/$$name.fish "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$name.fish" || exit; \
	done
	install -m 644 README.md LICENSE-MIT LICENSE-APACHE docs/*.md etc/holdfast.toml "$(DOCDIR)"
	install -d "$(DOCDIR)/prometheus"
	install -m 644 etc/prometheus/* "$(DOCDIR)/prometheus"
	install -d "$(DESTDIR)$(SYSCONFDIR)/holdfast"
	@if [ -e "$(DESTDIR)$(SYSCONFDIR)/holdfast/holdfast.toml" ]; then \
	  echo "kept: $(DESTDIR)$(SYSCONFDIR)/holdfast/holdfast.toml"; \
	else \
	  echo install -m 640 etc/holdfast.toml "$(DESTDIR)$(SYSCONFDIR)/holdfast/holdfast.toml"; \
	  install -m 640 etc/holdfast.toml "$(DESTDIR)$(SYSCONFDIR)/holdfast/holdfast.toml"; \
	fi

.PHONY: help build test test-browser demo bench soak deb audit install
