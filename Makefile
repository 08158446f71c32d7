# The commands of this project: `make` lists them.
#
#   make run PROFILE=release            the optimised build
#   make run SERVE_ARGS="--http ..."    other arguments for `skywave serve`
#   make test CARGO_TEST_ARGS="-p wire" part of the Rust tests
#   make bench BENCH_ARGS="--rounds 3"  longer, and surer

CARGO ?= cargo
PROFILE ?= dev
SERVE_ARGS ?= --demo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/skywave
export CARGO

SITE := web-demo/app/dist/index.html
WASM := $(TARGET_DIR)/wasm32-unknown-unknown/release/skywave_worklet.wasm
SITE_SOURCES = $(shell find web-demo -name node_modules -prune -o -name dist -prune \
	-o -path web-demo/e2e -prune -o -type f -print)

.DEFAULT_GOAL := help
.PHONY: help setup setup-build setup-lint web worklet build run test bench bench-build bench-moq bench-quick bench-micro bench-transcode bench-signaling bench-browser lab compatibility lint lint-rust lint-web fmt

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Install what building and testing need and this machine lacks
	@scripts/setup.sh test

setup-build:
	@scripts/setup.sh build

setup-lint:
	@scripts/setup.sh lint

# The receiver for the browser. Cargo decides whether there is anything to do.
worklet: setup-build
	$(CARGO) build -p skywave-worklet --release --target wasm32-unknown-unknown

# The empty recipe makes `make` look at the file again instead of taking it for new.
$(WASM): worklet ;

$(SITE): $(WASM) $(SITE_SOURCES)
	npm --prefix web-demo run build
	@touch $@

# The binary embeds the site, so the site is always built first.
web: $(SITE)

build: web
	$(CARGO) build --profile $(PROFILE)

run: build ## Build everything and put a demo station on air at http://localhost:8080
	$(BINARY) serve $(SERVE_ARGS)

test: setup web ## Run every test: Rust, TypeScript, whole system, browsers
	@scripts/test.sh

# What is measured is the release build, whatever PROFILE says.
bench-build:
	@scripts/setup.sh bench
	$(CARGO) build --release -p skywave -p skywave-benches

bench: bench-build ## Measure what a listener costs beside peers, write docs/benchmarks.md (12 min)
	$(TARGET_DIR)/release/skywave-bench run --report docs/benchmarks.md $(BENCH_ARGS)

bench-quick: bench-build ## Measure the most important in two minutes, write nothing
	$(TARGET_DIR)/release/skywave-bench run --quick $(BENCH_ARGS)

# moq-relay's own lock file names versions that are no more; Cargo takes the newest that fit.
bench-moq: setup-build ## Install moq-relay, for `make bench` to measure beside ours (8 min)
	$(CARGO) install moq-relay --version 0.17.10 --quiet \
		--root $(TARGET_DIR)/moq --target-dir $(TARGET_DIR)/moq
	$(CARGO) build --release --manifest-path benches/moq/Cargo.toml --target-dir $(TARGET_DIR)/moq

bench-micro: setup-build ## Measure wire, fan-out, encoder and receiver by themselves, with criterion
	$(CARGO) bench -p skywave-benches --bench micro

# Release builds: half an hour of sound by sixty rows is a lot of decoding.
lab: setup-build ## Play over simulated networks, write docs/receiver-quality.md (LAB_ARGS=--short)
	$(CARGO) build -q --release --manifest-path benches/neteq/Cargo.toml --target-dir $(TARGET_DIR)/neteq
	$(TARGET_DIR)/neteq/release/skywave-bench-neteq $(LAB_ARGS) >$(TARGET_DIR)/neteq/rows
	$(CARGO) run -q --release -p skywave-media --features testing --example lab -- \
		--beside=$(TARGET_DIR)/neteq/rows $(LAB_ARGS) docs

bench-transcode: setup-build ## Measure what a rendition costs, beside ffmpeg, write docs/benchmarks-transcoding.md
	$(CARGO) run -q --release -p skywave-media --example transcode -- docs/benchmarks-transcoding.md

bench-signaling: setup-build ## Measure rooms and messages, beside Socket.IO servers
	$(CARGO) build --release -p skywave -p skywave-bench-signaling
	npm --prefix benches/signaling/peer ci --no-audit --no-fund
	$(TARGET_DIR)/release/skywave-bench-signaling run

# The relay and the source as `make run` builds them; the receiver is what the site serves.
bench-browser: setup web ## Measure the receiver in Chromium, mouth to ear, write docs/receiver-browser.md (10 min)
	$(CARGO) build --profile $(PROFILE) --bins --example vectors --example microphone
	SKYWAVE_BIN=$(abspath $(BINARY)) npm --prefix web-demo/e2e run bench -- \
		$(abspath $(dir $(BINARY)))/examples $(CURDIR)/docs/receiver-browser.md

compatibility: setup web ## Hear every encoder and player, write the tables of docs/compatibility.md
	@scripts/compatibility.sh

lint: setup-lint lint-rust lint-web ## Check format, lints, docs and licences

lint-rust:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --all --check --manifest-path benches/neteq/Cargo.toml
	$(CARGO) fmt --all --check --manifest-path benches/moq/Cargo.toml
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p skywave-worklet --target wasm32-unknown-unknown -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	@# Advisories come over the network and change by the day: `cargo deny check advisories`.
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check licenses bans sources; \
	else echo "lint: cargo-deny is not installed, licences go unchecked (cargo install cargo-deny)"; fi

lint-web:
	npm --prefix web-demo run format:check
	npm --prefix web-demo run lint
	npm --prefix web-demo run typecheck
	npm --prefix web-demo/e2e run lint
	npm --prefix web-demo/e2e run typecheck

fmt: setup-build ## Format everything
	$(CARGO) fmt --all
	npm --prefix web-demo run format
