# What one can do here: `make` lists it. Rust and Python 3.10 or later are all that has to be there; the rest goes into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/sh

PYTHON ?= python3
ARCHITECTURE ?= arm64
STACK ?= credwarden
# What this machine is, in Lambda's words.
HERE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
PORT ?= 0
# More options for `sam local invoke`, such as --profile or --skip-pull-image.
SAM_LOCAL_ARGS ?=

VENV := .venv
SAM_VENV := $(VENV)/sam
SAM := PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/sam

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/ready ## a day of credwarden on this machine, in an emulator (PORT=4566 for a fixed port)
	@echo "Compiling the function. The first time that takes a few minutes, for the AWS SDK."
	@cargo build --quiet --workspace
	@cd tests && exec ../$(VENV)/bin/python -m emulator.demo --port $(PORT)

.PHONY: test
test: $(VENV)/ready ## every test: units, adapters, template, the whole system in the emulator
	cargo build --workspace
	cargo test --workspace
	$(VENV)/bin/python -m pytest tests/template tests/cli tests/system

.PHONY: check
check: $(VENV)/ready $(SAM_VENV)/ready ## formatter, clippy, template linters: what CI asks before the tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(VENV)/bin/cfn-lint template.yaml infra/deploy-role.yaml
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint

.PHONY: build
build: $(SAM_VENV)/ready ## the function for Lambda (ARCHITECTURE=arm64 or x86_64)
	rustup target add $(if $(filter arm64,$(ARCHITECTURE)),aarch64,x86_64)-unknown-linux-gnu
	$(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)

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
bench: ## how long parsing and judging a report take
	cargo bench --package hygiene

.PHONY: docs
docs: ## the README's tables, from code
	@cargo test --quiet --package credwarden-tests documents || cargo test --quiet --package credwarden-tests documents

.PHONY: clean
clean: ## remove what was built and installed
	rm -rf target .aws-sam $(VENV)

# The emulator and the tests.
$(VENV)/ready: tests/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
		|| { echo "credwarden needs Python 3.10 or later as $(PYTHON) (or: make PYTHON=/path/to/python3 …)." >&2; exit 1; }
	@echo "Installing the emulator and the test tools into $(VENV)."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --requirement tests/requirements.txt
	@touch $@

# The SAM CLI in an environment of its own: it wants another boto3 than the emulator.
$(SAM_VENV)/ready: infra/requirements.txt | $(VENV)/ready
	@echo "Installing the SAM CLI and cargo-lambda into $(SAM_VENV)."
	@$(PYTHON) -m venv $(SAM_VENV)
	@$(SAM_VENV)/bin/pip install --quiet --requirement infra/requirements.txt
	@touch $@
