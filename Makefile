# Everything a person or a machine does with this repository. `make help` prints the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON_BIN := .venv/bin/python
# Compiled code is kept, whatever the caller's shell says: else each process of the tests compiles all anew.
export PYTHONDONTWRITEBYTECODE :=
BENCHES := load weave judge memory practice learning night recipe swap real

.PHONY: help setup demo run test check static quick format pictures lock clean $(addprefix bench-,$(BENCHES))

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16
	@printf '%-15s %s\n' $(foreach bench,$(BENCHES),'bench-$(bench)' 'make bench/results/$(bench).json again')

setup: ## make .venv from the locks (GPU=1: CUDA build, GPU=0: CPU build)
	@deploy/setup.sh

demo: setup ## the web chat on SmolLM2, in the browser (NIGHTLOOM_MODEL=practice: on the toy)
	@.venv/bin/nightloom demo $(ARGS)

run: setup ## the platforms that nightloom.toml names
	@.venv/bin/nightloom run $(ARGS)

# Both cores are used: what reads the code runs beside what tries it.
check: setup ## format, lint, imports, types and the quick tests
	@$(MAKE) --no-print-directory -j2 static quick

static:
	@.venv/bin/ruff format --check --quiet . || { echo "Run make format."; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/lint-imports --no-logo --no-cache >.venv/imports.log 2>&1 || { cat .venv/imports.log; exit 1; }
	@.venv/bin/mypy --no-error-summary

# Threads that spin while they wait for each other would take the cores from the other tests.
quick:
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(PYTHON_BIN) -m pytest -q -m "not real" -n 4 --dist worksteal $(ARGS)

# Two files at a time: a started vLLM, Postgres or Chromium serves the whole file, and most tests wait for others.
test: check ## check, and the tests that start vLLM, Postgres, Chromium and the service
	@$(PYTHON_BIN) -m pytest -q -m real -n 2 --dist loadfile $(ARGS)

format: setup ## put the code in order
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .

$(addprefix bench-,$(BENCHES)): bench-%: setup
	@$(PYTHON_BIN) -m bench.$* $(ARGS)

pictures: setup ## take docs/pictures/web-*.png again, of the practice model in Chromium
	@$(PYTHON_BIN) -m bench.screenshots

lock: setup ## resolve the locks anew
	@$(PYTHON_BIN) locks/make.py

clean: ## remove .venv and all caches, not your data
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
