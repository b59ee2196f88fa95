# `make` alone lists the targets. A bare machine with Python 3.11+, git and make needs nothing else.

PYTHON ?= python3
MODELS ?= mae,vlae,resnet_vae
TASKS ?= digits
PRESET ?= small
SEEDS ?= 0,1,2

ENVIRONMENT := .venv
# Its date tells `make` whether the environment is older than what it is made from.
INSTALLED := $(ENVIRONMENT)/installed

.DEFAULT_GOAL := help
.PHONY: help install run test bench lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s  %s\n", $$1, $$2}' Makefile
	@echo
	@echo "Of run, with their defaults: MODELS=$(MODELS) TASKS=$(TASKS) PRESET=$(PRESET) SEEDS=$(SEEDS)"
	@echo "Of install: PYTHON=$(PYTHON), the interpreter that the environment is made with"

install: $(INSTALLED) ## make the environment in .venv, with the versions of constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mae-bench needs Python 3.11 or newer; name one: make install PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: install ## train MODELS on TASKS at PRESET with SEEDS, print the leaderboard; records go to results/
	$(ENVIRONMENT)/bin/mae-bench run --models '$(MODELS)' --tasks '$(TASKS)' --preset '$(PRESET)' --seeds '$(SEEDS)'

test: install ## run the test suite
	$(ENVIRONMENT)/bin/python -m pytest

bench: install ## time the networks of preset paper on this machine
	$(ENVIRONMENT)/bin/python -m pytest benchmarks --benchmark-columns=min,median,max,rounds --benchmark-sort=name

lint: install ## ruff and mypy
	$(ENVIRONMENT)/bin/ruff check .
	$(ENVIRONMENT)/bin/ruff format --check .
	$(ENVIRONMENT)/bin/mypy

clean: ## remove the environment and the tools' caches; results/ stays
	rm -rf $(ENVIRONMENT) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
