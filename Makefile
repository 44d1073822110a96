# The two commands of a newcomer: `make demo` and `make test`. Each sets up what it needs first.
#   make demo     the whole line on the embedded archive: results/tables/all.csv, figures, results/report.html
#   make test     every test, slow ones included
#   make lint     formatters, linters and type checker
# Set PYTHON to choose another interpreter (3.11 or newer), CORES to use fewer cores.

# The newest supported Python on the path, or among pyenv's: 3.12 and newer bring a zarr and a GDAL
# that read Zarr v3 better.
PYTHON ?= $(shell for python in python3.13 python3.12 $$(ls -d $$HOME/.pyenv/versions/3.1[23].*/bin/python 2>/dev/null) python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && break; done)
CORES ?= all
VENV := .venv
# The tools of the environment first: jobs of the workflow call `python`.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: demo test test-study test-rest lint clean

demo: $(VENV)/installed
	snakemake --profile workflow/profiles/local --cores $(CORES)
	@echo "Done. Open results/report.html; every number is in results/tables/all.csv."

# Two halves beside each other, as long as each other: the tests that read one small study, and all others.
test: $(VENV)/installed
	$(MAKE) --no-print-directory --jobs=2 test-study test-rest

test-study: $(VENV)/installed
	pytest -m study

test-rest: $(VENV)/installed
	pytest -m "not study"

lint: $(VENV)/installed
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow/rules
	snakemake --lint

clean:
	rm -rf $(VENV) .snakemake

$(VENV)/installed: pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install one or say make PYTHON=..."; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -r requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	@touch $@
