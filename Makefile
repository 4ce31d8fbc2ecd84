# Everything a person types. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# rustup's own folder may not be on the PATH of a shell that is not a login shell.
export PATH := $(PATH):$(HOME)/.cargo/bin
export RUST_TEST_THREADS ?= 4

CARGO_FLAGS := --workspace --locked
# Options of `make demo`, such as DEMO="--once" or DEMO="--port 7432".
DEMO ?=
# Of `make loadtest`: smoke, average, stress, spike, soak or breakpoint, one or more.
SCENARIO ?= smoke

include docker/targets.mk

.PHONY: help deps demo fmt clippy check test test-matrix test-drivers test-docs deny dist fuzz soak-cache bench bench-cache bench-insights k6 loadtest loadtest-faults loadtest-figures test-load

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done

deps: ## install what is missing from Debian's packages (does nothing when all is there)
	@.ci/deps

demo: deps ## start a private PostgreSQL with a sample database and the gateway in front of it, and take the tour
	@cargo build --quiet --locked --package vitrine --bin vitrine
	@exec $${CARGO_TARGET_DIR:-target}/debug/vitrine demo $(DEMO)

fmt: ## format the code
	cargo fmt --all

clippy: deps ## lint, warnings are errors
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings

check: deps ## formatting and lints, as in continuous integration
	cargo fmt --all --check
	@$(MAKE) clippy

test: deps ## all tests, on private PostgreSQL servers of their own
	cargo test $(CARGO_FLAGS) --no-fail-fast

test-matrix: deps ## the integration tests on PostgreSQL 15, 16, 17 and 18
	proxy/tests/matrix/run

test-drivers: deps ## real drivers from their registries, in seven languages
	proxy/tests/drivers/run

test-docs: deps ## run the snippets of docs/connect.md with the drivers they are for
	cargo build --quiet --locked --package vitrine --bin vitrine
	proxy/tests/docs/run

deny: ## licences, bans and sources of dependencies; advisories where their database can be had
	.ci/deny

dist: deps ## tarball and .deb into dist/ (DIST_PROFILE=bench-fast while developing)
	packaging/dist

soak-cache: deps ## the cache under load for a minute: writers in the database, 64 clients, every answer checked
	VITRINE_SOAK_SECONDS=60 cargo test --package vitrine --locked --test cache -- under_load --nocapture

fuzz: deps ## hostile bytes and conversations, FUZZ_SECONDS (default 60) for each target
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} cargo test --locked --package vitrine --test fuzz -- --nocapture

bench: deps ## direct, pgbouncer and Vitrine in one interleaved run
	loadtests/bench/run

bench-cache: deps ## answers from memory: direct, pgpool-II, Vitrine and a canned server in one interleaved run
	loadtests/bench/cache --out loadtests

bench-insights: deps ## the insight store beside plain SQL on the same server
	cargo bench -p vitrine-insights --bench store --profile bench-fast

k6: ## build k6 with SQL in it, for the load tests (Go 1.21 or later)
	@loadtests/k6/build/run

loadtest: deps ## load over SQL and HTTP with attacks in it: SCENARIO="smoke average stress spike soak breakpoint"
	@loadtests/k6/run $(SCENARIO)

loadtest-faults: deps ## break one thing after the other under load, and count what the clients saw
	@loadtests/k6/run-faults

loadtest-figures: deps ## measure average, stress, spike and breakpoint on a quiet machine, and write loadtests/README.md
	@loadtests/k6/figures

test-load: deps ## the smoke run, and that it fails where it should
	@loadtests/k6/test
