# Words for people and for CI, which runs `make lint test`. `fmt` is the only one that writes to the tree.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# Builds with other flags get a folder of their own, so that they do not throw away the usual one.
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
NEXTEST_PROFILE := $(if $(CI),ci,default)

.PHONY: all demo lab tour plugins test test-runtime test-supervisor test-memory-pool test-ipc test-doc test-light oracle chaos
.PHONY: test-integration test-full-system chaos-pipeline
.PHONY: each-instruction bench loom races asan fuzz stress fmt lint tidy docs setup setup-bench setup-oracle setup-plugins clean help

all: ## Build everything: libraries, programs, examples.
	$(CARGO) build --workspace --all-targets

demo: setup-plugins ## A pipeline that is killed, frozen, swapped and poisoned under load, and the proof of every value; SEED=<n> replays.
	$(CARGO) run --release --example pipeline -- $(if $(SEED),--seed $(SEED))

lab: setup ## A shop under supervisors that crashes, tells its story, and proves it; then you crash it.
	$(CARGO) run --release --example crash_lab

tour: setup ## A tour of actors, below the supervisors: says what it does, and proves it.
	$(CARGO) run --release --example tour

test: setup-oracle ## Every test: crates, examples, doctests, and the facade as a user adds it.
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --workspace --all-features --profile $(NEXTEST_PROFILE)
	@$(MAKE) --no-print-directory test-doc
else
	$(CARGO) test --workspace --all-features --no-fail-fast
endif
	@$(MAKE) --no-print-directory test-light
ifdef CI
	@$(MAKE) --no-print-directory asan
	@$(MAKE) --no-print-directory fuzz SECONDS=12
endif

test-runtime: setup ## The tests of the runtime and of its macros.
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run -p proscenium-runtime -p proscenium-runtime-macros --all-features --profile $(NEXTEST_PROFILE)
else
	$(CARGO) test -p proscenium-runtime -p proscenium-runtime-macros --all-features --lib --bins --tests
endif
	$(CARGO) test -p proscenium-runtime -p proscenium-runtime-macros --all-features --doc

test-supervisor: setup-oracle ## The tests of supervision, with 20,000 random scripts that are compared with OTP's own supervisor.
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run -p proscenium-supervision --all-features --profile $(NEXTEST_PROFILE) --success-output immediate
else
	$(CARGO) test -p proscenium-supervision --all-features --lib --bins --tests -- --nocapture
endif
	$(CARGO) test -p proscenium-supervision --all-features --doc

chaos: setup ## 1,000 faults in a plugin under load, and its host killed 100 times; FAULTS=, HOSTS=, SEED=<n> replays.
	FAULTS=$(or $(FAULTS),1000) HOSTS=$(or $(HOSTS),100) $(CARGO) test --release -p proscenium-plugin-host --test it -- --nocapture chaos:: host_killed::

chaos-pipeline: setup ## 500 faults in a pipeline under load, and its program killed 100 times; FAULTS=, ROUNDS=, SEED=<n> replays.
	FAULTS=$(or $(FAULTS),500) ROUNDS=$(or $(ROUNDS),100) $(CARGO) test --release -p proscenium-pipeline --test it -- --nocapture chaos:: program_killed::

each-instruction: setup ## A plugin's process, killed before each instruction on a batch's way; ROUNDS=<n> times over.
	ROUNDS=$(or $(ROUNDS),5) $(CARGO) test --release -p proscenium-plugin-host --test it -- --nocapture each_instruction::

test-memory-pool: setup ## The pool of slots: one owner each, turns kept, no allocation in the steady state.
	$(CARGO) test -p proscenium-shm-channel --all-features --lib --test it pool
	$(CARGO) test -p proscenium-shm-channel --all-features --test memory_pool

test-ipc: setup ## The channel to a child process: real processes, killed, hostile; and its unit tests.
	$(CARGO) test -p proscenium-shm-channel --all-features --lib --tests
	$(CARGO) test -p proscenium-shm-channel --all-features --doc

test-integration: setup-plugins ## Pipelines with their sources, plugins and sinks, from outside; and the facade with every example.
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run -p proscenium-pipeline --all-features --profile $(NEXTEST_PROFILE) --test it
	$(CARGO) nextest run -p proscenium --all-features --profile $(NEXTEST_PROFILE)
else
	$(CARGO) test -p proscenium-pipeline --all-features --test it
	$(CARGO) test -p proscenium --all-features
endif

test-full-system: setup-plugins ## The demo, with the same faults each time, or those of SEED=<n>: it fails if its proof does.
	$(CARGO) run --release --example pipeline -- --seed $(or $(SEED),1)

oracle: setup-oracle ## More scripts than the tests have: COUNT=1000000 SEED=1, for a night.
	ORACLE_SCRIPTS=$(or $(COUNT),1000000) SEED=$(or $(SEED),1) $(CARGO) test --release -p proscenium-supervision --test it random_scripts -- --nocapture

test-doc: ## The examples in the documentation.
	$(CARGO) test --workspace --all-features --doc

test-light: ## The facade with its default features, in a crate outside the workspace.
	@cp Cargo.lock tests/light/Cargo.lock # The same versions as everywhere; git ignores the copy.
	$(CARGO) test --manifest-path tests/light/Cargo.toml --target-dir "$(TARGET)"

bench: setup-bench ## Ratios to peers that are measured in the same run; writes target/bench/*.json.
	$(CARGO) run --release -p proscenium-bench

plugins: setup-plugins ## The plugins in plugins/, in C, C++ and Rust: each becomes plugins/lib<name>.so.
	scripts/build/build_plugins.sh all

loom: ## Model-check the wake protocols: the lane's, and that of the channel to a child process.
	RUSTFLAGS="--cfg proscenium_loom" CARGO_TARGET_DIR="$(TARGET)/loom" $(CARGO) test --release -p proscenium-runtime --lib models
	RUSTFLAGS="--cfg proscenium_loom" CARGO_TARGET_DIR="$(TARGET)/loom" $(CARGO) test --release -p proscenium-shm-channel --lib models

races: setup ## Both ends of the channel as threads over one memory, under ThreadSanitizer.
	@scripts/races.sh

asan: setup-plugins ## The plugins' process and the plugins under AddressSanitizer, through the host: silent, and loud for one that is sick.
	@scripts/asan.sh

fuzz: setup-plugins ## What a hostile plugin may write, from a corpus, 60 s for each target; SECONDS=, FUZZ=<target> for one.
	@scripts/fuzz.sh $(or $(SECONDS),60) $(FUZZ)

stress: setup ## Millions of messages, restarts, ends and cancelled sends on real threads; SEED=<n> replays a run.
	$(CARGO) test --release -p proscenium-runtime --test stress -- --nocapture

fmt: ## Format the code.
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path tests/light/Cargo.toml
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml
	$(CARGO) fmt --manifest-path plugins/aggregation/Cargo.toml

lint: setup ## Formatting, clippy without warnings, and the rules of the house (tidy).
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/light/Cargo.toml --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) fmt --manifest-path plugins/aggregation/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	$(CARGO) clippy --manifest-path plugins/aggregation/Cargo.toml --target-dir "$(TARGET)/plugins/clippy" -- -D warnings
	@$(MAKE) --no-print-directory tidy

tidy: ## The rules of the house alone: who may name what, lengths, unsafe, words.
	$(CARGO) test --workspace --all-features --test tidy

docs: ## The documentation of every crate, without warnings.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --all-features --no-deps

setup: ## Check for what the build needs, and install what is missing.
	@scripts/setup.sh

setup-oracle: ## The same, and what the comparison of supervisors with a real Erlang needs.
	@scripts/setup.sh oracle

setup-bench: ## The same, and what the peers of the benchmarks run on.
	@scripts/setup.sh bench

setup-plugins: ## The same, and a C++ compiler for the plugins.
	@scripts/setup.sh plugins

clean: ## Remove what the other words have built.
	scripts/build/build_plugins.sh clean
	$(CARGO) clean
	rm -rf target tests/light/target

help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
