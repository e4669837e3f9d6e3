# `make help` lists what there is. One parameter: ARGS, handed on to the program that a target runs.

PYTHON ?= python3
VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help install install-ldap install-dev .venv/bytecode demo test test-full lint lock messages bench bench-full bench-pages screenshots clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/installed .venv/bytecode ## Make .venv and install what the product runs on
	@echo ".venv is ready: make demo runs the product"

install-ldap: .venv/installed ## Install besides what log-in by LDAP or Active Directory needs
	$(VENV) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-ldap.txt

install-dev: .venv/installed-dev ## Install besides what building and testing need

demo: .venv/installed .venv/bytecode ## Run the whole product: portal, worker and reference authority, with data in var/
	$(VENV) manage.py serve --demo $(ARGS)

test: .venv/installed-dev .venv/bytecode ## Run every test of the CI tier, on SQLite and on PostgreSQL (ARGS="-k lease")
	@tools/debian_packages test
	@tools/run_tests $(ARGS)

test-full: .venv/installed-dev .venv/bytecode ## Run the long tier too: kills, power cuts, soak, big fuzz
	@tools/debian_packages test full
	@KEYMANAGER_HYPOTHESIS=full tools/run_tests -m "full or not full" $(ARGS)

lint: .venv/installed-dev ## Run every check that needs no test: style, types, layers, catalogue, locks …
	@tools/debian_packages lint
	@tools/lint

lock: .venv/installed-dev ## Renew the locks from requirements*.in (ARGS=--upgrade for newer versions)
	tools/lock . $(ARGS)

messages: .venv/installed-dev ## Bring the Polish catalogue up to the sources and compile it
	@tools/debian_packages lint
	tools/messages .

bench: .venv/installed-dev .venv/bytecode ## Measure the lease engine, in 5 minutes
	@tools/debian_packages bench
	$(VENV) -m benchmarks $(ARGS)

bench-full: .venv/installed-dev .venv/bytecode ## Measure everything
	@tools/debian_packages test bench
	$(VENV) -m benchmarks --full $(ARGS)

bench-pages: .venv/installed-dev ## Measure the pages on a year of history
	$(VENV) -m benchmarks.pages $(ARGS)

screenshots: .venv/installed-dev ## Take pictures of every page into screenshots/
	@tools/debian_packages test
	$(VENV) -m tools.screenshots $(ARGS)

clean: ## Remove what was installed and made here, but not var/
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage screenshots

.venv/bin/python:
	@PYTHON=$(PYTHON) tools/make_venv

# pip compiles what it installs; this is the rest. Where whoever runs the portal may not write here, or Python is
# told to write none, each of its processes would compile all of it anew at every start. It works without, too.
.venv/bytecode: .venv/installed
	@$(VENV) -m compileall -qq authority keymanager licensing manage.py || true

# Stamps: a second run installs nothing while the locks are the same.
.venv/installed: requirements.txt | .venv/bin/python
	$(VENV) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(VENV) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
