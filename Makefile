# Everything runs in .venv, which is made on first use.  A stamp file in it says what is installed already;
# a change of pyproject.toml installs again.

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach each,python3 python3.13 python3.12 python3.11,\
	$(shell $(each) -c '$(NEW_ENOUGH)' 2>/dev/null && echo $(each))))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test lint types imports docs notebooks live bench clean

demo: $(VENV)/.demo  ## record a small shop's assistant and explain the answer that went wrong
	@$(BIN)/spanscope demo

test: $(VENV)/.group-test  ## the whole test suite, except what needs a language model
	@$(BIN)/python -m pytest -n auto -m "not live"

lint: $(VENV)/.group-lint  ## rules and layout of the code
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

types: $(VENV)/.group-lint  ## strict type checking
	@$(BIN)/mypy --no-error-summary

imports: $(VENV)/.group-lint  ## who may import whom
	@$(BIN)/lint-imports --no-logo

docs: $(VENV)/.group-docs  ## the documentation, as HTML in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebooks: $(VENV)/.group-notebooks  ## run the notebooks; fail where one does, or holds outputs
	@$(BIN)/python notebooks/run.py

live: $(VENV)/.group-test $(VENV)/.group-live  ## tests that talk to a real model, served on loopback
	@$(BIN)/python -m pytest -m live tests/live

bench: $(VENV)/.demo  ## what recording costs, in microseconds and bytes a span
	@$(BIN)/python benchmarks/run.py

clean:
	@rm -rf $(VENV) site

$(VENV)/.pip:
	@echo "Making $(VENV) …"
	@$(if $(PYTHON),,echo 'spanscope needs Python 3.11 or newer: make PYTHON=/path/to/python' >&2; exit 1)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'  # the first that knows --group
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.pip
	@echo "Installing spanscope and what its demo needs …"
	@$(PIP) install --editable '.[demo]'
	@touch $@

# Tests and type checks look at every extra, hence at every package that one brings.
$(VENV)/.group-%: pyproject.toml | $(VENV)/.pip
	@echo "Installing the $* tools …"
	@$(PIP) install --editable '.[demo,all]' --group $*
	@touch $@
