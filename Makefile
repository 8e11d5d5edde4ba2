# `make demo` and `make test` set themselves up: a virtualenv in .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

export UV_PYTHON_DOWNLOADS = never

.PHONY: help setup demo test chaos check lint types imports docs bench clean

help:  ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(READY)  ## create the virtualenv

# uv installs in seconds what pip installs in minutes; where it cannot, pip does.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv 2>/dev/null || true
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; } \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)  ## the morning load: 5,000 leads, 1,200 of them known to the org
	@$(BIN)/python -m dags_examples.demo $(ARGS)

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadscope

chaos: $(READY)  ## N random runs under faults and kills (N=10000 SEED=1 JOBS=2), each checked by the org's own ledger
	$(BIN)/python -m tests.chaos --runs $(or $(N),1000) --seed $(or $(SEED),1) --jobs $(or $(JOBS),2)

check: lint types imports test docs  ## the gate

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

docs: $(READY)  ## links of README and docs lead somewhere
	$(BIN)/python -m tests.docs_links

bench: $(READY)  ## benchmarks, as ratios within one run
	@for each in benchmarks/[a-z]*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
