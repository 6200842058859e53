# What one can do here: `make` lists it. Rust, Python 3.10 or later, and for the tests Node.js 18 or later have to be there; the
# rest goes into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/sh

PYTHON ?= python3
ARCHITECTURE ?= arm64
STACK ?= credwarden
# What the releases are built with.
TOOLCHAIN := $(shell cat .ci/toolchain)
# What `make binary` builds for; without it, this machine.
TARGET_TRIPLE ?=
# What this machine is, in Lambda's words.
HERE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
PORT ?= 0
# More options for `sam local invoke`, such as --profile or --skip-pull-image.
SAM_LOCAL_ARGS ?=

# What `make audit` looks at; without a way to GitHub: CHECKS="bans licenses sources".
CHECKS ?= advisories bans licenses sources
# `make bench BENCH_ARGS=--update` makes what it measures the baseline.
BENCH_ARGS ?=
# `make smoke SMOKE_ARGS="--profile audit --region eu-central-1"`.
SMOKE_ARGS ?=
# How long each fuzzer runs; or FUZZ_ARGS="-runs=10000000".
FUZZ_SECONDS ?= 1800
FUZZ_ARGS ?= -max_total_time=$(FUZZ_SECONDS)
# How many tests of the system run at once.
TEST_WORKERS ?= $(shell expr 2 '*' $$($(PYTHON) -c 'import os; print(os.cpu_count())'))

VENV := .venv
PYTEST := $(VENV)/bin/python -m pytest
SCANNERS := tests/template/test_scanners.py
CODE_RULES := tests/rules
TOOLS := $(VENV)/tools
UV := $(VENV)/bin/uv
UV_VERSION := 0.13.9
CARGO_DENY := 0.20.2
CARGO_CYCLONEDX := 0.5.9
CARGO_ABOUT := 0.9.3
CFN_GUARD := 3.2.1
SAM_VENV := $(VENV)/sam
SAM := PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/sam

# Panic messages contain the paths of sources, which differ between machines: without them the same commit gives the same bytes.
REPRODUCIBLE := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(CURDIR)=/credwarden

# Where cargo builds. Absolute, since the SAM CLI calls cargo in the function's folder and the tests run in theirs.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
ifdef CARGO_TARGET_DIR
override export CARGO_TARGET_DIR := $(TARGET)
REPRODUCIBLE += --remap-path-prefix=$(TARGET)=/credwarden/target
endif

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Of two file systems uv cannot make links.
export UV_LINK_MODE := copy

# Another toolchain builds as well, but other bytes.
say_toolchain = rustc --version | grep --quiet --fixed-strings " $(TOOLCHAIN) " \
	|| echo "Built by $$(rustc --version). The bytes are those of a release only with Rust $(TOOLCHAIN)."

environment = $(UV) venv --quiet --clear --python $(PYTHON) $(1)

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/ready ## what a daily run does, on this machine in an emulator (PORT=4566 for a fixed port)
	@echo "Compiling the function. The first time that takes a few minutes, for the AWS SDK."
	@cargo build --quiet --workspace
	@cd tests && exec ../$(VENV)/bin/python -m emulator.demo --port $(PORT)

.PHONY: demo-organization
demo-organization: $(VENV)/ready ## the audit of an organization from a terminal, in an emulator (PORT=4566 for a fixed port)
	@echo "Compiling the command line. The first time that takes a few minutes, for the AWS SDK."
	@cargo build --quiet --package credwarden
	@cd tests && exec ../$(VENV)/bin/python -m emulator.demo_organization --port $(PORT)

# The tests spend most of their time waiting for deadlines and rate limits, so twice as many run as there are processors.
.PHONY: test
test: ## every test but those of `make check`: units, adapters, template, the whole system in the emulator
	@$(MAKE) --jobs built $(VENV)/ready $(SAM_VENV)/ready $(VENV)/simulator/ready
	cargo test --workspace
	$(PYTEST) --numprocesses $(TEST_WORKERS) --dist worksteal tests/template tests/prevention tests/cli tests/system \
		--ignore $(SCANNERS)

.PHONY: built
built:
	cargo build --workspace

.PHONY: check
check: ## formatters, clippy, rustdoc, linters of templates and workflows, scanners: what CI asks before the tests
	@$(MAKE) --jobs clippy rustdoc $(VENV)/ready $(SAM_VENV)/ready $(VENV)/checkov/ready
	@$(MAKE) $(TOOLS)/ready
	cargo fmt --all --check
	$(VENV)/bin/cfn-lint template.yaml infra/deploy-role.yaml infra/prevent.yaml infra/organization/*.yaml
	$(VENV)/bin/typos
	$(VENV)/bin/ruff check --quiet tests
	$(VENV)/bin/ruff format --check --quiet tests
	$(VENV)/bin/zizmor --offline --pedantic --no-progress --quiet .github
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	$(PYTEST) --numprocesses 2 $(SCANNERS) $(CODE_RULES)

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets -- -D warnings

# After clippy, which checks the dependencies too: the two would wait for each other.
.PHONY: rustdoc
rustdoc: clippy
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --workspace

.PHONY: build
build: $(SAM_VENV)/ready ## the function for Lambda (ARCHITECTURE=arm64 or x86_64)
	rustup target add $(if $(filter arm64,$(ARCHITECTURE)),aarch64,x86_64)-unknown-linux-gnu
	RUSTFLAGS="$(REPRODUCIBLE)" $(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)
	@$(say_toolchain)

.PHONY: binary
binary: ## the command line as it is released (TARGET_TRIPLE=aarch64-unknown-linux-gnu)
	RUSTFLAGS="$(REPRODUCIBLE)" cargo build --release --locked --manifest-path functions/cli/Cargo.toml \
		$(if $(TARGET_TRIPLE),--target $(TARGET_TRIPLE))
	@$(say_toolchain)

.PHONY: deploy
deploy: build ## build, then `sam deploy --guided`
	$(SAM) deploy --guided --parameter-overrides Architecture=$(ARCHITECTURE)

.PHONY: invoke
invoke: $(SAM_VENV)/ready ## a run in the deployed stack, now (STACK=credwarden)
	$(SAM) remote invoke CheckerFunction --stack-name $(STACK)

.PHONY: local-invoke
local-invoke: ## a dry run in a container on this machine, with your AWS credentials (needs Docker or Finch)
	$(MAKE) build ARCHITECTURE=$(HERE)
	$(SAM) local invoke CheckerFunction --parameter-overrides Architecture=$(HERE) \
		--event infra/local/event.json --env-vars infra/local/env.json $(SAM_LOCAL_ARGS)

.PHONY: bench
bench: $(VENV)/ready ## parts of a run, then the function as it is deployed: instructions, memory, calls, size
	cargo bench --package credwarden-rules --package credwarden-aws --features credwarden-aws/hub
	$(MAKE) build ARCHITECTURE=$(HERE)
	cd tests && exec ../$(VENV)/bin/python -m emulator.bench ../.aws-sam/build/CheckerFunction/bootstrap $(BENCH_ARGS)

.PHONY: bench-peers
bench-peers: $(VENV)/ready $(VENV)/peers/ready ## beside Prowler, Cloud Custodian and the AWS CLI: the same account, the same endpoint
	cargo build --release --package credwarden
	cd tests && exec ../$(VENV)/bin/python -m emulator.peers $(TARGET)/release/credwarden ../$(VENV)/peers

.PHONY: smoke
smoke: $(VENV)/ready ## compares your account with the emulator, with your credentials: only reads, and prints no values
	cd tests && exec ../$(VENV)/bin/python -m emulator.smoke $(SMOKE_ARGS)

.PHONY: fuzz
fuzz: ## the fuzzers of everything that is parsed or shown, half an hour each (FUZZ_SECONDS=1800)
	cd tests/fuzz && RUSTC_WRAPPER=$(CURDIR)/tests/fuzz/instrumented cargo build --release --target-dir target
	cd tests/fuzz && for target in served saved rendered; do \
		new=target/corpus/$$target; mkdir -p $$new; \
		target/release/$$target $$new corpus/$$target -dict=report.dict -max_len=768 -timeout=10 $(FUZZ_ARGS) || exit; \
	done

.PHONY: audit
audit: $(TOOLS)/ready ## licences, sources, bans and known flaws of what is compiled in
	$(TOOLS)/bin/cargo-deny --locked check $(CHECKS)

.PHONY: sbom
sbom: $(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX) ## what is in the function and in the command line (and what tests add to the same crates), as CycloneDX
	$(TOOLS)/bin/cargo-cyclonedx cyclonedx --format json --spec-version 1.5 --no-build-deps --target all
	mkdir -p $(TARGET)/sbom
	mv functions/checker/credwarden-checker.cdx.json functions/cli/credwarden.cdx.json $(TARGET)/sbom/
	rm -f functions/*/*.cdx.json tests/*.cdx.json
	@echo "$(TARGET)/sbom/credwarden-checker.cdx.json $(TARGET)/sbom/credwarden.cdx.json"

.PHONY: notices
notices: $(TOOLS)/cargo-about-$(CARGO_ABOUT) ## the licenses of what is in the function and in the command line, as HTML
	mkdir -p $(TARGET)/notices
	$(about) functions/checker/Cargo.toml --output-file $(TARGET)/notices/THIRD-PARTY-function.html .cargo/notices.hbs
	$(about) functions/cli/Cargo.toml --output-file $(TARGET)/notices/THIRD-PARTY-credwarden.html .cargo/notices.hbs

about = $(TOOLS)/bin/cargo-about generate --locked --fail --config .cargo/about.toml --manifest-path

.PHONY: docs
docs: $(VENV)/ready ## writes what the documentation shows of the code, and copies between templates; the tests only compare
	CREDWARDEN_WRITE_DOCS=1 cargo test --quiet --package credwarden-tests documents
	$(VENV)/bin/python tests/template/copies.py

.PHONY: clean
clean: ## remove what was built and installed
	cargo clean --quiet
	rm -rf .aws-sam $(VENV)

# The emulator and the tests. uv takes a fifth of pip's time.
$(VENV)/ready: tests/requirements.txt | $(UV)
	@echo "Installing the emulator and the test tools into $(VENV)."
	@$(UV) pip install --quiet --python $(VENV) --requirement $<
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
		|| { echo "credwarden needs Python 3.10 or later as $(PYTHON) (or: make PYTHON=/path/to/python3 …)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet uv==$(UV_VERSION)

# The SAM CLI in an environment of its own: it wants another boto3 than the emulator.
$(SAM_VENV)/ready: infra/requirements.txt | $(UV)
	@echo "Installing the SAM CLI and cargo-lambda into $(SAM_VENV)."
	@$(call environment,$(SAM_VENV))
	@$(UV) pip install --quiet --python $(SAM_VENV) --requirement $<
	@touch $@

# checkov pins what others want in other versions.
$(VENV)/checkov/ready: tests/template/checkov.txt | $(UV)
	@echo "Installing checkov into $(VENV)/checkov."
	@$(call environment,$(VENV)/checkov)
	@$(UV) pip install --quiet --python $(VENV)/checkov --requirement $<
	@touch $@

# The IAM policy simulator. Nothing of it is in a release.
$(VENV)/simulator/ready: tests/prevention/package.json tests/prevention/package-lock.json
	@echo "Installing the IAM policy simulator into $(VENV)/simulator."
	@mkdir -p $(VENV)/simulator
	@cp $^ $(VENV)/simulator/
	@npm ci --prefix $(VENV)/simulator --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# What people use today, each in an environment of its own: they pin what others want in other versions.
$(VENV)/peers/ready: tests/emulator/peers.txt | $(UV)
	@echo "Installing Prowler, Cloud Custodian and the AWS CLI into $(VENV)/peers (2.6 GB)."
	@sed '/^#/d' tests/emulator/peers.txt | while read -r peer; do \
		folder=$(VENV)/peers/$${peer%%==*}; \
		$(call environment,"$$folder") && $(UV) pip install --quiet --python "$$folder" "$$peer" || exit; \
	done
	@touch $@

# Tools that come as source. They run for seconds, so they are not worth being optimized for minutes; what two of them need is
# compiled once.
$(TOOLS)/ready: $(TOOLS)/versions-$(CARGO_DENY)-$(CFN_GUARD)
	@touch $@

$(TOOLS)/versions-$(CARGO_DENY)-$(CFN_GUARD):
	cargo install --quiet --locked --debug --root $(TOOLS) --target-dir $(TARGET)/tools \
		cargo-deny@$(CARGO_DENY) cfn-guard@$(CFN_GUARD)
	@touch $@

$(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX):
	cargo install --quiet --locked --debug --root $(TOOLS) --target-dir $(TARGET)/tools cargo-cyclonedx@$(CARGO_CYCLONEDX)
	@touch $@

# Optimized: it compares each file of each crate with every known license.
$(TOOLS)/cargo-about-$(CARGO_ABOUT):
	cargo install --quiet --locked --features cli --root $(TOOLS) --target-dir $(TARGET)/tools cargo-about@$(CARGO_ABOUT)
	@touch $@
