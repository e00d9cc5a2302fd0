# `make demo` sets everything up and opens the search on http://127.0.0.1:8710/; `make slack` and `make discord` do so for
# the bots; `make test` sets up and runs all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo slack discord test check docs clean

help: ## What can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/'

demo: $(VENV)/.engine ## Set up, then run the engine with the bundled model and catalogue
	$(BIN)/deepgif serve

slack: $(VENV)/.slack ## Set up, then run the Slack bot
	$(BIN)/python -m deepgif.bot slack

discord: $(VENV)/.discord ## Set up, then run the Discord bot
	$(BIN)/python -m deepgif.bot discord

test: $(VENV)/.dev ## Set up, then run all tests
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile $(ARGS)

check: $(VENV)/.dev ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

docs: $(VENV)/.docs ## Build the documentation into site/; broken links fail
	$(BIN)/python -m mkdocs build --strict

clean: ## Remove what was set up
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("DeepGIF needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# Exact versions come from constraints.txt. The bots need none of the engine's packages, and may run on another machine.
$(VENV)/.engine $(VENV)/.slack $(VENV)/.discord $(VENV)/.docs: $(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python tools/install.py $* $(if $(filter engine,$*),ocr)
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python tools/install.py dev
	touch $@ $(VENV)/.engine $(VENV)/.slack $(VENV)/.discord $(VENV)/.docs
