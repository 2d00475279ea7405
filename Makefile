# Every command that this project has. `make demo` and `make test` do all the set-up that they need.

PYTHON ?= $(shell ./.ci/python)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test chaos soak fuzz bench bench-quick format clean needs FORCE

demo: $(VENV)/run
	$(BIN)/relay demo $(ARGS)

test: $(VENV)/dev
	PYTHON=$(BIN)/python ./.ci/browser
	PYTHON=$(BIN)/python ./.ci/axe
	./.ci/clients
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses=auto --dist=loadfile $(ARGS)

# The chaos that `make test` has a minute of, again and again: SEED= is the first round's, MINUTES= how long, VIEWERS=
# how many watch.
chaos: $(VENV)/dev
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(VIEWERS),--viewers $(VIEWERS))

# Half an hour of mixed load in which files, disk, clock, proxies, platforms and the process fail in turn: MINUTES= how
# long, SEED= of all of it, RATE= tasks a second. As root the disk is a tmpfs that is really full; without, a limit on
# file sizes stands in for it.
soak: $(VENV)/dev
	$(BIN)/python -m tests.soak $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE))

# Every parser of what others send, led by coverage: MINUTES= how long in all, TARGET= one of them alone.
fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(TARGET),--target $(TARGET))

# What the relay promises, measured beside its peers: all of it into bench/RESULTS.md, or ROWS=fanout,idle alone.
bench: $(VENV)/bench $(VENV)/dev
	PYTHON=$(BIN)/python ./.ci/browser
	./bench/setup
	$(BIN)/python -m bench $(if $(ROWS),--rows $(ROWS))

bench-quick: $(VENV)/bench $(VENV)/dev
	PYTHON=$(BIN)/python ./.ci/browser
	./bench/setup
	$(BIN)/python -m bench --quick $(if $(ROWS),--rows $(ROWS))

format: $(VENV)/dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv bench/build bench/node_modules tests/clients/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

# All that is missing on this machine is told before anything is made.
needs:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" ./.ci/needs $(if $(filter test,$(MAKECMDGOALS)),test,demo)

# A .venv without a working Python is made anew: the system was upgraded, perhaps.
$(VENV)/made: $(if $(shell [ ! -e $(VENV)/made ] || $(BIN)/python -c 'import pip' 2>/dev/null || echo no),FORCE) | needs
	@PYTHON="$(PYTHON)" VENV="$(VENV)" ./.ci/venv

# A stamp for each set of packages: set up once, and again when the lock changes.
$(VENV)/run: requirements/run.txt pyproject.toml $(VENV)/made
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/bench: requirements/bench.txt $(VENV)/run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bench.txt
	touch $@

$(VENV)/fuzz: requirements/fuzz.txt $(VENV)/dev
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/fuzz.txt
	touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@
