# make test     set up on the first run, then run the tests          make demo     detector on a rendered drive
# make quality  the embedded pair: own, unseen, photographs          make lint     ruff and mypy
# make setup    .venv only                                           make build    messages and package
# make mutants  small changes of the method that its tests miss
# make format   ruff's formatter and fixes                           make clean    all but .venv
# Another Python (3.10 to 3.12): make PYTHON=python3.12 test
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
export PYTHON

# ROS 2 of this clone, seen by no other machine, and nothing downloaded.
IN_ENV := . tools/env.sh; export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST HF_HUB_OFFLINE=1;

.PHONY: setup build test demo quality mutants lint format clean distclean
setup:
	@tools/setup.sh venv
build:
	@tools/setup.sh build
test: build
	@mkdir -p log/pytest
	@$(IN_ENV) python -c "import vlsam_ros.msg"; PYTEST_DEBUG_TEMPROOT=log/pytest python -m pytest $(ARGS)
demo: build
	@$(IN_ENV) python -m vlsam_ros.demo $(ARGS)
quality: build
	@rm -rf log/quality
	@$(IN_ENV) python -m vlsam_ros.evaluation.quality $(ARGS)
mutants: build
	@$(IN_ENV) OMP_NUM_THREADS=1 python tools/mutants.py $(ARGS)
lint: setup
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
format: setup
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
clean:
	rm -rf build install log .pytest_cache .mypy_cache .ruff_cache
distclean: clean
	rm -rf .venv
