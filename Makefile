# One verb a chore; the work itself is in tools/, which also runs where there is no make.
PYTHON ?= $(shell command -v python3 || command -v python)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help env lab test bench notebooks worlds docs lock wheelhouse lint format clean python course dev

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1#\2/p' $(MAKEFILE_LIST) | while IFS='#' read -r verb what; do printf '%-18s %s\n' "$$verb" "$$what"; done

env: course ## make .venv with everything the course needs

lab: course ## open the course in JupyterLab (lang=ja or lang=en; without it, the system's language)
	@$(BIN)/crmkit lab $(if $(lang),--lang $(lang))

test: dev ## style, types, lessons, notebooks and all tests, with a real browser and a real Spark
	@$(BIN)/python tools/check.py

bench: dev ## measure speed, as ratios to hand-written queries and to peers
	@$(BIN)/python bench/run.py

notebooks: dev ## write the lesson notebooks anew from notebooks/lessons
	@$(BIN)/python notebooks/build.py

worlds: dev ## make the shipped data sets, and the pages about the simulated businesses, anew
	@$(BIN)/python datasets/build.py && $(BIN)/python docs/build.py

docs: dev ## write the reference pages of the API and of the definitions, and the sheets of all plots, anew
	@$(BIN)/python docs/reference.py && $(BIN)/python docs/sheet.py && $(BIN)/python docs/corpus.py && $(BIN)/python docs/answers.py

lock: dev ## resolve requirements.lock and requirements-dev.lock from pyproject.toml
	@$(BIN)/python tools/environment.py lock

wheelhouse: python ## gather all packages for a room without a network (to=FOLDER)
	@$(PYTHON) tools/environment.py wheelhouse $(or $(to),wheelhouse)

lint: dev ## style, types and the direction of imports
	@$(BIN)/python tools/check.py lint format types imports

format: dev ## put all code into the one format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean: ## remove .venv and everything generated that is not committed
	rm -rf .venv .build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis spark-warehouse
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed / Python 3.11 以上が必要です"; exit 1; }

course dev: python
	@$(PYTHON) tools/environment.py $@
