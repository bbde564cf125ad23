# Needs a POSIX shell and a Python >= 3.11 with venv; everything else goes into $(VENV).
#   make demo                 see the agent work on a simulated site        (ARGS="--json" passes options on)
#   make test                 run the tests                                 (ARGS="tests/cli -k logs" narrows)
#   PYTHON=/path/to/python3   names the interpreter the environment is made from

VENV ?= .venv
PYTHON ?=
ARGS ?=

SOURCES := agent playbooks simulators benchmarks tests docs

PY := $(VENV)/bin/python
DOCS = $(PY) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
PIP := $(PY) -m pip --disable-pip-version-check -qq install
RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev

# The build backend is pinned in the lock files too, so that the package installs without a second environment.
BACKEND := setuptools>=77
UV := uv==0.13.9
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs soak soak-kills crash mutants coverage bench lock vendor clean

help: ## what this file can do
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: $(RUNTIME) ## install if needed, then run the agent against a simulated site
	@$(PY) -m agent.cli.main demo $(ARGS)

test: $(DEV) ## install if needed, then run every test
	@$(PY) -m pytest $(ARGS)

check: $(DEV) ## formatting, lint, types, import rules, documents
	$(PY) -m ruff format --check $(SOURCES)
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(DOCS)

format: $(DEV) ## put files into the form that check asks for
	$(PY) -m ruff format $(SOURCES)
	$(PY) -m ruff check --fix $(SOURCES)

docs: $(DEV) ## write the reference from the code, then build the documents into build/docs
	@$(PY) docs/reference.py
	$(DOCS)

soak-kills: $(DEV) ## kill -9 of a real daemon, hundreds of times at random: nothing is lost or done twice
	@$(PY) -m tests.soak.kills $(ARGS)

crash: $(DEV) ## the crash matrix: every playbook, dead at every point, and again while it resumes
	@$(PY) -m tests.crash $(ARGS)

soak: $(DEV) ## random sites, faults and crashes of the agent, by seed: what must hold, holds
	@$(PY) -m tests.soak $(ARGS)

# Of no use to anybody who does not look for gaps in the tests, so it is in no lock file.
MUTMUT := mutmut==3.8.1

mutants: $(DEV) ## mutate guards and remediation, and list what their tests do not notice (ARGS="agent.guard.bank*" narrows)
	@$(PIP) "$(MUTMUT)"
	@$(PY) -m mutmut run --max-children 2 $(ARGS)
	@$(PY) -m mutmut results

# As above.
COVERAGE := coverage==7.17.3

coverage: $(DEV) ## which branches of what decides the tests take, by package (ARGS="tests/ledger tests/model" narrows)
	@$(PIP) "$(COVERAGE)"
	@$(PY) -m coverage run -m pytest $(ARGS)
	@$(PY) -m coverage json --quiet -o build/coverage.json
	@$(PY) -m tests.branches build/coverage.json

bench: $(DEV) ## CPU per poll, beside pyasic
	@$(PY) -m benchmarks.poll $(ARGS)

lock: $(DEV) ## resolve the dependencies anew (the only target that may change versions)
	$(PIP) "$(UV)"
	printf '%s\n' '$(BACKEND)' | $(COMPILE) --upgrade pyproject.toml - --output-file requirements.lock
	printf '%s\n' '$(BACKEND)' | $(COMPILE) --upgrade --extra dev pyproject.toml - --output-file requirements-dev.lock

# What the HTML report brings along. Its version pins stand here alone; the page's tests hold the files to the sums.
VENDOR := agent/report/vendor
UPLOT := 1.6.32
PICO := 2.1.1

vendor: ## fetch the HTML report's style and plot library anew (needs npm; afterwards look at the difference)
	@set -eu; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	for package in uplot@$(UPLOT) @picocss/pico@$(PICO); do \
	  mkdir "$$folder/one"; (cd "$$folder/one" && npm pack --silent "$$package" >/dev/null && tar xzf ./*.tgz); \
	  case "$$package" in \
	  uplot*) cp "$$folder"/one/package/dist/uPlot.iife.min.js "$$folder"/one/package/dist/uPlot.min.css $(VENDOR)/; \
	    cp "$$folder/one/package/LICENSE" $(VENDOR)/uPlot.LICENSE;; \
	  *) cp "$$folder/one/package/css/pico.classless.min.css" $(VENDOR)/; \
	    cp "$$folder/one/package/LICENSE.md" $(VENDOR)/pico.LICENSE;; \
	  esac; rm -r "$$folder/one"; \
	done; \
	cd $(VENDOR) && sha256sum pico.LICENSE pico.classless.min.css uPlot.LICENSE uPlot.iife.min.js uPlot.min.css >SHA256SUMS
	@chmod 644 $(VENDOR)/*

clean: ## remove the environment and every cache
	rm -rf "$(VENV)" build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage mutants
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment -------------------------------------------------------------------------------------------------
# A stamp is written last: an install that was cut short is taken up again, a finished one is not repeated.

$(RUNTIME): requirements.lock pyproject.toml | $(PY)
	@echo "Installing the pinned dependencies into $(VENV) ..."
	@$(PIP) --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) --requirement requirements-dev.lock
	@touch $@

$(PY):
	@found=; new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  "$$python" -c "$$new_enough" >/dev/null 2>&1 && found=$$python && break; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python >= 3.11 found ($(or $(PYTHON),looked for python3, python3.14 ... python3.11))." >&2; \
	  echo "make: install one, or name it: make PYTHON=/path/to/python3 ..." >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "make: $$found has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; \
	fi; \
	echo "Creating $(VENV) with $$("$$found" --version) ..."; \
	"$$found" -m venv "$(VENV)"
