# The project's commands. `make demo` and `make test` start from nothing but Python 3.11–3.13.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help venv venv-run system demo test check format lock vendor texts bench soak api-examples error-rates coverage clean

VENV := .venv
BIN := $(VENV)/bin
VAR := $(CURDIR)/var
UV_VERSION := 0.13.9
ARGS ?=

# A stamp is named after what was installed: another lock, another stamp.
RUN_STAMP := $(VENV)/.run-$(shell cat requirements.lock setup.cfg pyproject.toml | cksum | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cat requirements-dev.lock setup.cfg pyproject.toml | cksum | cut -d' ' -f1)

# Installers report to stderr, so that stdout belongs to the command that was asked for.
define INSTALL
	@sh .ci/python $(VENV) >&2
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" \
	  && VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r $(1) \
	  && VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps -e . ; } >&2 \
	|| { echo "uv could not install; trying plain pip (slower)" >&2 \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) >&2 \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . >&2 ; }
	@touch $@
endef

help:
	@echo "make demo    the whole loop on real households, then the pages on http://127.0.0.1:8000 (ARGS=\"--no-serve --json\")"
	@echo "make test    every check and test, from nothing; PostgreSQL and Chromium included"
	@echo "make check   the quick checks: format, lint, types, layering, fast tests"
	@echo "make venv    only the environment, with the tools of development"
	@echo "make texts   every text that a translator sees, into pilot/translations; compiles what is translated"
	@echo "make lock    resolve both locks again;  make vendor  fetch the page libraries again"
	@echo "make soak    ten minutes of the full load with a report every minute, then kill -9 at random moments"
	@echo "make api-examples  up to 2,000 made-up calls to each operation of the API"
	@echo "make bench   speed beside the peers;  make error-rates, make coverage  what the methods promise, measured"

$(RUN_STAMP):
	$(call INSTALL,requirements.lock)

$(DEV_STAMP):
	$(call INSTALL,requirements-dev.lock)
	@touch $(RUN_STAMP)

venv-run: $(RUN_STAMP)
venv: $(DEV_STAMP)

demo: venv-run
	@mkdir -p $(VAR) && PILOT_HOME=$(VAR)/demo exec $(BIN)/pilot demo $(ARGS)

system:
	@sh .ci/system

# What the tests need from their surroundings, stated once.
TEST_ENV = LC_ALL=C.UTF-8 XDG_RUNTIME_DIR="$${XDG_RUNTIME_DIR:-$(VAR)/run}" PILOT_CHROMIUM="$$(sh .ci/system --print)"

test: venv system
	@mkdir -p -m 700 $(VAR)/run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile .ci/bandit.yaml pilot experiments web migrations
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile

check: venv
	@mkdir -p -m 700 $(VAR)/run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	LC_ALL=C.UTF-8 XDG_RUNTIME_DIR="$${XDG_RUNTIME_DIR:-$(VAR)/run}" $(BIN)/python -m pytest -q -x -m "not slow and not browser"

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	--custom-compile-command "make lock" --no-emit-index-url

lock: venv
	$(COMPILE) --extra demo setup.cfg -o requirements.lock
	$(COMPILE) --extra demo --extra s3 --constraint requirements.lock setup.cfg -o requirements-s3.lock
	$(COMPILE) --extra demo --extra s3 --extra spark --extra dev --constraint requirements.lock setup.cfg -o requirements-dev.lock
	$(COMPILE) --extra spark --extra bench --constraint requirements.lock setup.cfg -o requirements-bench.lock

# The catalogues are kept, compiled too; the template is made, not kept (docs/translating.md).
texts: venv
	$(BIN)/python .ci/texts.py

vendor:
	sh web/static/vendor.sh

# Speed beside the peers, in an environment of their own: one table, one run (docs/speed.md).
BENCH := .venv-bench
bench:
	@sh .ci/python $(BENCH) >&2
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" >&2
	@VIRTUAL_ENV=$(CURDIR)/$(BENCH) $(BENCH)/bin/uv pip install --quiet --require-hashes -r requirements-bench.lock >&2
	@VIRTUAL_ENV=$(CURDIR)/$(BENCH) $(BENCH)/bin/uv pip install --quiet --no-deps -e . >&2
	$(BENCH)/bin/python -m benchmarks.speed $(ARGS)

# On either database ten minutes of the full load with a report every minute, then kill -9 at random moments
# (docs/soak.md). A limit that is missed does not keep the rest from being run.
soak: venv system
	@mkdir -p -m 700 $(VAR)/run
	@failed=0; \
	for part in "benchmarks.soak" "benchmarks.soak --postgres" "tests.survival.soak_kills"; do \
	  $(TEST_ENV) $(BIN)/python -m $$part $(ARGS) || failed=1; \
	done; exit $$failed

# Up to two thousand made-up calls to each operation of the API, such as its description allows and such as it forbids.
api-examples: venv system
	@mkdir -p -m 700 $(VAR)/run
	SCHEMATHESIS_EXAMPLES=2000 $(TEST_ENV) $(BIN)/python -m pytest -q tests/web/test_api_description.py $(ARGS)

# What the methods promise, measured: false alarms, power and coverage (docs/methods/error_rates.md, docs/coverage.md).
error-rates: venv-run
	$(BIN)/python -m benchmarks.error_rates $(ARGS)

coverage: venv-run
	$(BIN)/python -m benchmarks.coverage $(ARGS)

clean:
	rm -rf $(VENV) $(BENCH) $(VAR) build dist *.egg-info
