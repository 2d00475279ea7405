# Every command that this project has. `make demo` and `make test` do all the set-up that they need.

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test chaos format clean

demo: .venv/run
	$(BIN)/relay demo $(ARGS)

test: .venv/dev
	PYTHON=$(BIN)/python ./.ci/browser
	PYTHON=$(BIN)/python ./.ci/axe
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

# The chaos that `make test` has a minute of, again and again: SEED= is the first round's, MINUTES= how long.
chaos: .venv/dev
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

format: .venv/dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

# A stamp for each set of packages: set up once, and again when the lock changes.
.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: requirements/run.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev: requirements/dev.txt .venv/run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@
