# `make` alone lists the targets. A bare machine with Python 3.11+, git and make needs nothing else.

PYTHON ?= python3
MODELS ?= mae,vlae,resnet_vae
TASKS ?= digits
PRESET ?= small
SEEDS ?= 0,1,2

ENVIRONMENT := .venv
# Its date tells `make` whether the environment is older than what it is made from.
INSTALLED := $(ENVIRONMENT)/installed
# What gives the right to install a package of the system, where that is needed and there.
SUDO := $(if $(filter 0,$(shell id -u)),,$(shell command -v sudo))

.DEFAULT_GOAL := help
.PHONY: help install run published test test-browser test-faults test-gpu test-notebooks test-pythae \
	test-trackers test-mutants golden findings readme docs dist bench scaling throughput lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s  %s\n", $$1, $$2}' Makefile
	@echo
	@echo "Of run, with their defaults: MODELS=$(MODELS) TASKS=$(TASKS) PRESET=$(PRESET) SEEDS=$(SEEDS)"
	@echo "Of install: PYTHON=$(PYTHON), the interpreter that the environment is made with"

install: $(INSTALLED) ## make the environment in .venv, with the versions of constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mae-bench needs Python 3.11 or newer; name one: make install PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(ENVIRONMENT), which takes a few minutes"
	@$(PYTHON) -m venv $(ENVIRONMENT)
	@$(ENVIRONMENT)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: install ## train MODELS on TASKS at PRESET with SEEDS, print the leaderboard; records go to results/
	$(ENVIRONMENT)/bin/mae-bench run --models '$(MODELS)' --tasks '$(TASKS)' --preset '$(PRESET)' --seeds '$(SEEDS)'
	@echo
	@echo "The records are in results/. What to do next:"
	@echo "  $(ENVIRONMENT)/bin/mae-bench leaderboard --html board --results results   # the board as a page"
	@echo "  $(ENVIRONMENT)/bin/mae-bench new-model my_vae                             # your own VAE, beside these"
	@echo "  $(ENVIRONMENT)/bin/mae-bench --help"

published: install ## run what the published boards lack, beside other work; days on two cores, resumes
	nice -n 19 $(ENVIRONMENT)/bin/python -m leaderboard.published

test: install ## run the test suite, a process for each core
	OMP_NUM_THREADS=1 $(ENVIRONMENT)/bin/python -m pytest -n auto --dist loadfile

test-browser: install ## test the site of the leaderboard in Debian's Chromium, which is installed where it is missing
	@command -v chromium >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y chromium; } || \
		{ echo "these tests need Chromium as the command chromium; install your system's package of it" >&2; exit 1; }
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[browser]'
	$(ENVIRONMENT)/bin/python -m pytest tests/browser

test-faults: install ## kill, stop, starve and hang real runs, and take nodes from a Ray cluster; a few minutes
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[ray]'
	$(ENVIRONMENT)/bin/python -m pytest tests/faults

test-gpu: install ## on a CUDA GPU: equality with the CPU, memory, two jobs, resuming, figures of speed; ten minutes
	$(ENVIRONMENT)/bin/python -m pytest tests/gpu

test-notebooks: install ## run the notebooks of examples/ in a kernel of their own; a minute or two
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[notebooks]'
	$(ENVIRONMENT)/bin/python -m pytest tests/notebooks

test-pythae: install ## train and score the models of Pythae at preset smoke; a few minutes
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[pythae]'
	$(ENVIRONMENT)/bin/python -m pytest tests/pythae

# MLflow holds packages below the versions of constraints.txt, so its tests run in an environment on top of the other.
test-trackers: install ## follow jobs in TensorBoard, Weights & Biases and MLflow, without a network; two minutes
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[tensorboard,wandb]'
	$(ENVIRONMENT)/bin/python -m pytest tests/trackers
	$(ENVIRONMENT)/bin/python -m venv build/mlflow
	below=$$($(ENVIRONMENT)/bin/python -c 'import site; print(*site.getsitepackages())') && \
		echo "import site; site.addsitedir('$$below')" > "$$(echo build/mlflow/lib/python*/site-packages)/below.pth"
	build/mlflow/bin/python -m pip install --disable-pip-version-check -q -e '.[mlflow]'
	build/mlflow/bin/python -m pytest tests/trackers/test_mlflow.py

test-mutants: install ## change the package in one place after another; a test must notice each; half an hour
	$(ENVIRONMENT)/bin/python -m tests.mutants

golden: install ## write the golden numbers anew, for a change that means to move them
	$(ENVIRONMENT)/bin/python -m tests.golden.write

findings: install ## write the tables of docs/findings.md and docs/models.md anew, after records were published
	$(ENVIRONMENT)/bin/python -m leaderboard.findings

readme: install ## write the table and the picture of README.md anew, after records were published
	$(ENVIRONMENT)/bin/python -m leaderboard.readme

docs: install ## build the site of the pages and the leaderboard into build/site, strictly, and test it
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[docs]'
	$(ENVIRONMENT)/bin/python -m mkdocs build --quiet --strict
	$(ENVIRONMENT)/bin/python -m pytest tests/docs

dist: install ## build the wheel and the source archive into dist/, and check what a package index would show of them
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[release]'
	rm -rf dist
	$(ENVIRONMENT)/bin/python -m build --no-isolation --outdir dist
	$(ENVIRONMENT)/bin/python -m twine check --strict dist/*

bench: install ## time the networks of preset paper, a job's overhead and the start, and fail where one got worse
	$(ENVIRONMENT)/bin/python -m pytest benchmarks --benchmark-columns=min,median,max,rounds --benchmark-sort=name

scaling: install ## time and memory against samples, image size, batch, width and jobs; plots go to docs/speed/
	$(ENVIRONMENT)/bin/python benchmarks/scaling.py

throughput: install ## jobs an hour of the digits in one process, several and on Ray; a few minutes on two cores
	$(ENVIRONMENT)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[ray]'
	$(ENVIRONMENT)/bin/python benchmarks/throughput.py

lint: install ## ruff, mypy, and the order of the rooms
	$(ENVIRONMENT)/bin/ruff check .
	$(ENVIRONMENT)/bin/ruff format --check .
	$(ENVIRONMENT)/bin/mypy
	$(ENVIRONMENT)/bin/lint-imports

clean: ## remove the environment and the tools' caches; results/ stays
	rm -rf $(ENVIRONMENT) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
