# The usual ways to build and check Transom; `make help` lists them.
# All but the set-up is plain CMake: see CMakePresets.json.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

PRESET ?= release
BUILD := $(if $(filter release,$(PRESET)),build,build-$(PRESET))
VENV := $(CURDIR)/.venv/bin

# How ccache shares objects between clones and worktrees is in the presets.
export CCACHE_MAXSIZE ?= 5G
export PYTHONPATH := $(CURDIR)/python
export PATH := $(VENV):$(PATH)

.PHONY: help build configure setup setup-demo setup-test setup-bench demo test bench \
        check-format format tidy docs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | \
	  sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 16
	@echo 'PRESET=release|dev|asan|tsan picks the build; default release.'

setup:
	@scripts/setup.sh build

setup-demo:
	@scripts/setup.sh demo

setup-test:
	@scripts/setup.sh test

setup-bench:
	@scripts/setup.sh bench

configure: $(BUILD)/build.ninja

# Ninja runs CMake again by itself, but not for a changed preset.
$(BUILD)/build.ninja: CMakePresets.json | setup
	@cmake --preset $(PRESET)

build: configure ## the compiler: build/bin/transom, transom-opt
	@cmake --build --preset $(PRESET)

demo: setup-demo build ## compile a small model and use it
	@bash examples/demo.sh

test: setup-test build ## all tests
	@ctest --preset $(PRESET)

bench: setup-bench build ## measure against other engines
	@python bench/run.py

check-format: setup-test ## is the code formatted?
	@scripts/format.sh --check

format: setup-test ## format it
	@scripts/format.sh

tidy: setup-test build ## clang-tidy over all sources
	@python scripts/tidy.py $(BUILD)

docs: configure ## write docs/reference from the .td files
	@cmake --build --preset $(PRESET) --target docs

clean: ## remove the build trees, keep .venv
	@rm -rf build build-dev build-asan build-tsan
