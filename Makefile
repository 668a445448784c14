# Every target sets up .venv itself, and again when pyproject.toml changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# The one torch that the tests run with. It is installed by its exact version before
# anything that accepts a range, so that no other build of it is pulled in. It may carry
# options of pip, such as the index of the CPU builds.
TORCH ?= torch==2.13.0
DATA ?=
ARGS ?=

# Small matrices gain nothing from threads, and lose much where others use the cores.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TESTS := tests $(wildcard benchmarks/tests)
# A file's tests stay together, for they share what is dear to make.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

.PHONY: help demo test test-all test-peers test-gpu test-browser check style types docs bench data-given browser-there wheel-test

help:
	@echo "make demo        solve the channel-selection programs of a real network"
	@echo "make test        the tests that need no accelerator and no patience"
	@echo "make test-all    the slow tests too, then the wheel away from the checkout"
	@echo "make test-peers  classes of channels against those of Torch-Pruning"
	@echo "make test-gpu    what needs an accelerator"
	@echo "make test-browser  the report's page in a headless Chromium"
	@echo "make check       formatting, lint, types, floors"
	@echo "make docs        the documentation, into site/"
	@echo "make bench       the benchmarks; DATA=DIR says where the instances are,"
	@echo "                 ARGS='--suite proofs --seconds 10' what to run of them"
	@echo "make wheel-test  the same tests against a built wheel"

demo: $(VENV)/.base
	$(BIN)/ccsolve demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow and not gpu and not browser" $(TESTS)

test-all: $(VENV)/.dev wheel-test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not gpu and not peers and not browser" $(TESTS)

test-peers: $(VENV)/.peers
	$(BIN)/python -m pytest -m peers $(TESTS)

test-gpu: $(VENV)/.dev
	$(BIN)/python -m pytest -m gpu $(TESTS)

test-browser: browser-there $(VENV)/.dev
	$(BIN)/python -m pytest -m browser tests/browser

check: style types

style: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

bench: data-given $(VENV)/.peers
	$(BIN)/python -m benchmarks.selection --data "$(DATA)" $(ARGS)

browser-there:
	@for name in chromium chromium-browser google-chrome-stable google-chrome; do command -v $$name >/dev/null && exit 0; done; echo "no Chromium for make test-browser; install Debian's with: apt-get install chromium" >&2; exit 2

data-given:
	@test -n "$(DATA)" || { echo "usage: make bench DATA=DIR, the folder of instances; benchmarks/README.md says what it holds" >&2; exit 2; }

wheel-test:
	PYTHON="$(PYTHON)" TORCH="$(TORCH)" .ci/wheel-test

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[report]"
	touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP) $(TORCH)
	$(PIP) --editable ".[torch,report,dev]"
	touch $@

$(VENV)/.docs: $(VENV)/.base
	$(PIP) --editable ".[docs]"
	touch $@

$(VENV)/.peers: $(VENV)/.dev
	$(PIP) --editable ".[peers]"
	touch $@
