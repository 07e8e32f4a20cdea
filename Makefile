# Crosstrain: `make` lists what there is. Each target installs what it needs into VENV first.

VENV ?= .venv
DATA ?= digits
BOARD ?= ulx3s
PYTEST_ARGS ?=

CROSSTRAIN = $(VENV)/bin/crosstrain
SETUP = VENV=$(VENV) bash scripts/setup.sh
# Workers are processes, and so are simulators: one for each core.
WORKERS = $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help setup run test check fpga fpga-check formal bench docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: VENV=$(VENV) DATA=digits|mnist|fashion-mnist BOARD=ulx3s PYTEST_ARGS='-m slow'"

setup: ## create the virtual environment with everything in it
	@$(SETUP) dev fpga formal cluster

run: ## train a network the hybrid way and write a report to build/run (DATA=digits, mnist, fashion-mnist)
	@$(SETUP)
	$(CROSSTRAIN) train --data $(DATA) --out build/run

test: setup ## run the tests (PYTEST_ARGS='-m slow': the long ones)
	@$(VENV)/bin/python -m sim.toolchain
	$(VENV)/bin/pytest -n $(WORKERS) --dist worksteal --durations=15 $(PYTEST_ARGS)

check: setup ## style, types, lint of the emitted RTL, generated documents up to date
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(CROSSTRAIN) build --lint
	$(CROSSTRAIN) docs --check

fpga: ## synthesize, place and route for a board (BOARD=ulx3s)
	@$(SETUP) fpga
	$(CROSSTRAIN) build --board $(BOARD)

fpga-check: ## build for every board and compare with the kept figures (a clock 5 % slower, 5 % more area: exit 1)
	@$(SETUP) fpga
	$(CROSSTRAIN) build --board all --check

formal: ## prove the safety rules of the write path
	@$(SETUP) formal
	$(CROSSTRAIN) formal

bench: ## measure the speed of the golden model and of the simulators
	@$(SETUP)
	$(CROSSTRAIN) bench

docs: ## regenerate the generated documents
	@$(SETUP)
	$(CROSSTRAIN) docs

clean: ## remove what was built; the virtual environment stays
	rm -rf build .pytest_cache .hypothesis .mypy_cache .ruff_cache *.egg-info
