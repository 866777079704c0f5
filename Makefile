# dpiprobe: `make demo` shows it, `make test` proves it. Both create their environment (.venv) themselves; neither needs root.
#
#   PYTHON=/path/to/python3.12   choose the interpreter (3.11 or later; without it the first fitting one is taken)
#   VENV=.venv                   where the environment goes
#   HELLOS='curl go'         the clients to record (all that are installed without it); HELLOS_PYTHON=/path/to/python has the PyPI packages
#   DEMO='--box in-path-reset'   options for the demo
#   TEST='tests/report -x'       options for pytest
#   QUICK=1                      a benchmark of two minutes

SHELL := /bin/sh
PYTHON ?=
VENV ?= .venv
DEMO ?=
HELLOS ?=
SOAK ?=
QUICK ?=
TEST ?= -n auto
BIN := $(VENV)/bin

.PHONY: help demo test check docs env hellos lab-real soak bench bench-tools clean
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-demo ## probe boxes in a lab on this machine and name what they do
	@$(BIN)/dpiprobe demo $(DEMO)

test: $(VENV)/.installed-dev ## run the tests
	@$(BIN)/python -m pytest -q $(TEST)

check: $(VENV)/.installed-dev ## ruff, mypy --strict, and the check of all signatures
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict
	@$(BIN)/dpiprobe signatures check

docs: $(VENV)/.installed-dev ## write the generated pages: signatures, features, confusion table, schema (counts with DPIPROBE_CORPUS)
	@$(BIN)/python -m dpiprobe.report.signature_pages docs

soak: $(VENV)/.installed-dev ## the whole matrix, 30,000 innocents, a tenth of it in namespaces too; seeded, hours (SOAK='--jobs 4 --seed 7')
	@mkdir -p build
	@$(BIN)/dpiprobe lab matrix --full --innocents 30000 --namespaces 800 --namespaces-innocents 300 --json build/matrix.json --html build/matrix.html $(SOAK)

bench: $(VENV)/.installed-dev ## dpiprobe beside cat, capinfos, tcptrace, ndpiReader, tshark, dpkt, scapy; writes docs/performance.md (QUICK=1 prints a short one)
	@mkdir -p build
	@$(BIN)/python -m tests.bench $(if $(QUICK),--quick,--page docs/performance.md --readme README.md) --json build/bench.json

bench-tools: ## as root on Debian: install the programs that bench measures beside
	apt-get install -y --no-install-recommends coreutils wireshark-common tcptrace libndpi-bin tshark

hellos: $(VENV)/.installed-dev ## record the ClientHellos of the programs that are installed, on loopback (docs/clients.md)
	@$(BIN)/python -m tests.hellos $(HELLOS)

env: $(VENV)/.installed-dev ## create the environment for working on the project

lab-real: ## as root on Debian: install real middleboxes and servers for the lab (nftables iptables dsniff haproxy sslsplit squid mitmproxy nginx gnutls)
	@sh .ci/lab-real

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp makes a second call quick; a changed pyproject.toml installs again. An environment for development can show the demo too.
$(VENV)/.installed-%: pyproject.toml .ci/environment
	@PYTHON='$(PYTHON)' sh .ci/environment '$(VENV)' '$*'
