# Every command of this project. Each target installs what it needs into .venv first.

PYTHON ?= $(shell ./.ci/python)
VENV ?= .venv
UV ?= uv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest --numprocesses=auto --dist=worksteal

# The tests start hundreds of processes, and without stored bytecode each of them compiles the relay again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-cluster test-deploy test-packages package lint coverage docs format bundle chaos chaos-cluster cluster soak fuzz bench bench-quick dist lock clean needs test-tools bench-tools FORCE

# A relay with a simulated platform and a few tasks. It needs no account.
demo: $(VENV)/run
	$(BIN)/relay demo $(ARGS)

# Everything that must pass before a commit is merged. ARGS= goes to pytest.
test: test-tools
	$(MAKE) --no-print-directory --jobs=2 lint $(VENV)/compiled
	$(PYTEST) $(ARGS)

# What `make test` leaves out: PostgreSQL, several nodes on it, and what takes longer. The tests start servers of their own.
test-cluster: $(VENV)/dev
	$(PYTEST) -m cluster $(ARGS)

# The deployment files in deploy/ with nginx, Caddy, HAProxy, Prometheus and systemd's tools, which it installs from Debian.
test-deploy: $(VENV)/dev
	$(PYTEST) -m deploy tests/deploy $(ARGS)

# The npm package in applications that Vite and Next build, and the pages under Lighthouse, in Chromium.
test-packages: test-tools
	./.ci/packages
	$(BIN)/pytest -m packages tests/e2e/packages $(ARGS)

# Static checks: format, lint rules and types of Python and JavaScript, imports between packages, workflows.
lint: $(VENV)/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	./.ci/javascript
	$(BIN)/zizmor --offline --quiet --persona=pedantic .github

# All tests with branch coverage, those of `make test-cluster` too: some lines of the PostgreSQL journal only they run.
# The parts that must not be wrong have to be covered completely.
COMPLETE := relay/core/*,relay/hub/*,relay/journal/*,relay/providers/*
coverage: $(VENV)/dev test-tools
	$(PYTEST) --cov --cov-report= -m 'cluster or not cluster' $(ARGS)
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report --include='$(COMPLETE)' --fail-under=100
	$(BIN)/coverage report --omit='$(COMPLETE)' --fail-under=95

# The documentation as a site in site/. Broken links fail the build.
docs: $(VENV)/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -d $(VENV)/doctrees docs site

format: $(VENV)/dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	./.ci/javascript format

# The scripts that the relay serves, in static/dist/, from the modules in static/src/ and static/pages/. Commit the result.
bundle: needs
	./.ci/javascript bundle

# The npm package, in clients/js/dist/.
package: needs
	./.ci/javascript package

# The chaos tests of `make test` for longer: SEED= of the first round, MINUTES= in all, VIEWERS= per round.
chaos: $(VENV)/dev
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(VIEWERS),--viewers $(VIEWERS))

# The same with three nodes and PostgreSQL: nodes are killed and paused, and lose their connections to the store.
chaos-cluster: $(VENV)/dev
	$(BIN)/python -m tests.chaos --cluster $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(VIEWERS),--viewers $(VIEWERS))

# Three nodes, PostgreSQL, a balancer and the simulated platforms on this machine: ARGS="--nodes 5 --port 8080".
cluster: $(VENV)/dev
	$(BIN)/python -m tests.cluster $(ARGS)

# Half an hour of mixed load while files, disk, clock, proxies, platforms and the process fail in turn: MINUTES= in all,
# SEED=, RATE= in tasks per second. As root the full disk is a tmpfs; otherwise a limit on file sizes stands in for it.
soak: $(VENV)/dev
	$(BIN)/python -m tests.soak $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE))

# Coverage-guided fuzzing of every parser of external input: MINUTES= in all, TARGET= for one parser.
fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(TARGET),--target $(TARGET))

# Measures the relay and its peers side by side and writes bench/RESULTS.md. ROWS=fanout,idle measures some and prints.
bench: bench-tools
	$(BIN)/python -m bench $(if $(ROWS),--rows $(ROWS))

bench-quick: bench-tools
	$(BIN)/python -m bench --quick $(if $(ROWS),--rows $(ROWS))

# The wheel and the source distribution, in dist/.
dist: $(VENV)/run
	rm -rf dist
	$(BIN)/hatchling build

# Locks requirements/*.txt from pyproject.toml with uv. ARGS=--upgrade takes the newest versions.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url $(ARGS) pyproject.toml
lock:
	$(COMPILE) --extra postgres --extra archive --group install -o requirements/run.txt
	$(COMPILE) --all-extras --group dev --constraint requirements/run.txt -o requirements/dev.txt
	$(COMPILE) --group docs --constraint requirements/run.txt -o requirements/docs.txt
	$(COMPILE) --group bench --constraint requirements/run.txt -o requirements/bench.txt
	$(COMPILE) --group fuzz --constraint requirements/run.txt -o requirements/fuzz.txt

clean:
	rm -rf .venv node_modules bench/build bench/node_modules tests/clients/node_modules tests/e2e/packages/node_modules clients/js/dist dist site htmlcov .coverage* \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Reports everything that this machine lacks before anything is installed.
needs:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" ./.ci/needs $(MAKECMDGOALS)

# Compiles changed tests once, beside `lint`; otherwise every worker does it. What fails here, fails in the tests.
$(VENV)/compiled: $(VENV)/dev $(wildcard tests/*.py tests/*/*.py tests/*/*/*.py tests/*/*/*/*.py)
	@$(BIN)/pytest --collect-only --quiet >/dev/null 2>&1 || true
	@touch $@

# What the tests need outside the environment.
test-tools: $(VENV)/dev
	PYTHON=$(BIN)/python ./.ci/browser
	./.ci/clients
	./.ci/javascript install

# What the bench needs outside the environment.
bench-tools: $(VENV)/bench $(VENV)/dev
	PYTHON=$(BIN)/python ./.ci/browser
	./bench/setup

# The environment. It is created again if its Python no longer runs, for example after a system upgrade.
$(VENV)/made: $(if $(shell [ ! -e $(VENV)/made ] || $(BIN)/python -c 'import pip' 2>/dev/null || echo no),FORCE) | needs
	@PYTHON="$(PYTHON)" VENV="$(VENV)" ./.ci/venv

# One stamp for each set of packages: installed once, and again when its lock changes. The locks are complete, and pip
# resolves nothing: it would refuse what is required with an extra as soon as a later version exists.
$(VENV)/run: requirements/run.txt pyproject.toml $(VENV)/made
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/dev $(VENV)/bench $(VENV)/docs: $(VENV)/%: requirements/%.txt $(VENV)/run
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $<
	touch $@

$(VENV)/fuzz: requirements/fuzz.txt $(VENV)/dev
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $<
	touch $@
