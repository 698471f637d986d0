# `make run` starts the service, `make test` proves it; both set up what they need. `make help` lists the rest.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?=
PYTEST_ARGS ?=
EXTRAS ?=

ifneq ($(filter-out curl apprise,$(EXTRAS)),)
$(error EXTRAS=$(EXTRAS): the extras are curl and apprise)
endif

.PHONY: help setup dev run test lint unit e2e bench lock clean

help:  ## List the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1|/' | column -t -s '|'

setup: $(VENV)/.ready $(EXTRAS:%=$(VENV)/.%)  ## Create .venv with the program in it: .venv/bin/probe; EXTRAS='curl apprise' adds more.

dev: $(VENV)/.dev

run: setup  ## Start the service: a demo without CONFIG, or CONFIG=probe.yml.
	@if [ -n "$(CONFIG)" ]; then exec $(BIN)/probe run "$(CONFIG)"; else exec $(BIN)/probe demo; fi

test: lint unit e2e  ## Every check and test; installs what they need.

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

unit: dev
	$(BIN)/pytest -n 2 -m 'not e2e' $(PYTEST_ARGS)

e2e: dev
	./tests/e2e/install
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m e2e $(PYTEST_ARGS)

bench: dev  ## The figures of benchmarks/README.md in their short form.
	./tests/e2e/install
	$(BIN)/python benchmarks/run.py

lock: dev  ## Pin the dependencies of pyproject.toml anew, with hashes.
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra build $(LOCK) -o requirements/run.txt >/dev/null
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra build --extra curl --extra apprise --extra dev $(LOCK) -o requirements/dev.txt >/dev/null
	for extra in curl apprise; do \
	  $(BIN)/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]])' $$extra \
	  | $(BIN)/uv pip compile - --upgrade --constraint requirements/dev.txt --no-annotate $(LOCK) -o requirements/$$extra.txt >/dev/null || exit 1; done
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

clean:  ## Remove .venv and what tools cached.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Debian splits venv's pip off into python3.11-venv: without it, root gets it and others are told.
$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is needed: apt-get install python3.11"; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -qy --no-install-recommends python3.11-venv; \
	  else echo "python3.11-venv is needed: sudo apt-get install python3.11-venv"; exit 1; fi; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml requirements/run.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.curl $(VENV)/.apprise: $(VENV)/.%: requirements/%.txt $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/$*.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@
