# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
# Each makes .venv from the pinned list when there is none.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python from 3.11 to 3.13 that is found; `make PYTHON=/path/to/python demo` names another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(SUPPORTED)' 2>/dev/null && { command -v "$$p"; break; }; done)
BIN := .venv/bin
READY := .venv/ready
SWIFT ?= swift
# A test that starts runtimes takes 1 to 2 GB: not one for each of many cores.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=worksteal
# As many test processes as cores: one thread each, so that they do not take each other's.
export OMP_NUM_THREADS := 1

.PHONY: help
help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: demo
demo: $(READY) ## train, export, quantize, verify and measure a small model: the whole way in about a minute
	@$(BIN)/mobilekit demo

.PHONY: test
test: $(READY) ## everything that this machine can run
	@$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term:skip-covered

.PHONY: android-test
android-test: $(READY) ## the Android app and its Kotlin library, compiled and tested on this machine
	@for tool in java mvn aapt2; do command -v $$tool > /dev/null || { \
		echo "android-test needs $$tool; on Debian and Ubuntu: apt install openjdk-17-jdk-headless maven aapt" >&2; exit 5; }; done
	@$(BIN)/python tests/android/golden_bundles.py build/golden
	@android-demo/executorch-classes.sh
	@mvn -B -ntp -f android-demo/pom.xml clean verify -Dmobilekit.bundles=$(CURDIR)/build/golden

.PHONY: swift-test
swift-test: ## the Swift package, where there is a Swift, and the app's types; with android-test's golden bundles, if any
	@export MOBILEKIT_BUNDLES=$(wildcard $(CURDIR)/build/golden); cd ios-demo/MobileKitRuntime && \
		$(SWIFT) build && $(SWIFT) test -c release -Xswiftc -enable-testing
	@if [ "$$(uname)" = Darwin ]; then echo "the app: Xcode compiles it, against Apple's own frameworks"; \
	elif $(SWIFT) --version 2>&1 | grep -qE 'version [1-5]\.'; then echo "the app: its types are checked by Swift 6.0 or later"; else \
		cd ios-demo/MobileKitRuntime && $(SWIFT) build --disable-index-store --package-path ../declarations; fi

.PHONY: test-fast
test-fast: $(READY) ## the tier for while one works: under two minutes
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

.PHONY: lint
lint: $(READY) ## ruff and mypy --strict
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

.PHONY: env
env: $(READY) ## the virtual environment alone

.PHONY: lock
lock: $(READY) ## requirements.in -> requirements.txt
	@printf '%s\n' '# Pinned, tested together. Made from requirements.in by `make lock`; names no addresses.' > requirements.new
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header requirements.in >> requirements.new
	@mv requirements.new requirements.txt

.PHONY: clean
clean: ## remove the environment and what the tools left
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* mobilekit-demo

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "mobilekit needs Python 3.11, 3.12 or 3.13 on the PATH, or: make PYTHON=/path/to/python ..." >&2; exit 5; }
	@echo "making .venv with $$($(PYTHON) --version): some 6 GB on Linux, a few minutes"
	@$(PYTHON) -m venv .venv || { echo "venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 5; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
