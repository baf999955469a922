# What one can do with a checkout. `make` lists the targets; .ci/ holds what they run.

# The Python that makes the environment: 3.11 is the one the lock is made for, newer ones are accepted.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
# PyTorch's own index of CPU builds, asked only when the configured package index has no CPU build of torch.
export TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := .venv/bin
FOLDERS := data_engines prompts train serve eval
SOURCES := emollm $(FOLDERS) tests .ci
# Where Debian's chromium is, if it is: the browser tests drive it.
CHROMIUM = $(shell command -v chromium)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format bench lmms-eval lock schema clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F '\t' '{ printf "make %-9s %s\n", $$1, $$2 }'

setup: ## make or repair .venv, the pinned CPU environment (nothing to do: under a second)
	@$(PYTHON) .ci/environment.py

demo: setup ## explain two real photos and a video; the reports go to demo/
	@mkdir -p demo
	@photo=$$($(BIN)/emollm assets path photo-astronaut </dev/null) && \
	  $(BIN)/emollm explain "$$photo" --report demo/astronaut.html --overlay demo/astronaut.png </dev/null
	@photo=$$($(BIN)/emollm assets path photo-multi-face </dev/null) && \
	  $(BIN)/emollm explain "$$photo" --report demo/multi-face.html --overlay demo/multi-face.png </dev/null
	@clip=$$($(BIN)/emollm assets path clip-pexels </dev/null) && \
	  $(BIN)/emollm explain "$$clip" --report demo/pexels.html --overlay demo/pexels.png </dev/null
	@echo "Open demo/astronaut.html, demo/multi-face.html and demo/pexels.html in a browser: in the last one the video plays along"
	@echo "its timeline. The annotated photos and a sheet of the video's moments lie beside them as PNG."

test: setup ## run the tests, without those that are slow or need a GPU
	@$(if $(CHROMIUM),,echo "No chromium found: the browser tests are left out. Debian has it: apt install chromium")
	@$(BIN)/python -m pytest -q -m "not slow and not gpu$(if $(CHROMIUM),, and not browser)" </dev/null

test-all: setup ## run every test that needs no GPU
	@$(BIN)/python -m pytest -q -m "not gpu" </dev/null

check: setup ## formatting, lint, types, layout
	@$(BIN)/ruff format --quiet --check $(SOURCES)
	@$(BIN)/ruff check --quiet $(SOURCES)
	@rm -rf build/types && mkdir -p build/types/emollm
	@ln -s $(addprefix $(CURDIR)/,$(wildcard emollm/*) $(FOLDERS)) build/types/emollm/
	@$(BIN)/mypy --no-error-summary -p emollm
	@$(BIN)/mypy --no-error-summary .ci
	@$(BIN)/python -m pytest -q tests/test_layout.py </dev/null
	@echo "check: formatted, no lint, types fit, imports go downwards"

format: setup ## format the code and mend what lint can mend
	@$(BIN)/ruff check --quiet --fix-only $(SOURCES)
	@$(BIN)/ruff format --quiet $(SOURCES)

bench: setup ## measure the speed beside the reference tools
	@$(BIN)/python -m emollm.eval.bench
	@$(BIN)/python -m emollm.eval.bench_sft --page docs/bench.md
	@$(BIN)/python -m emollm.eval.bench_explain --page docs/emollm-135m.md
	@$(BIN)/python -m emollm.eval.bench_serve --page docs/serve.md
	@$(BIN)/python -m emollm.eval.bench_chat --page docs/serve.md

lmms-eval: setup ## run our tasks inside lmms-eval, in an environment of its own, and compare the numbers
	@$(BIN)/python -m emollm.eval.lmms_check build/lmms-eval

lock: setup ## resolve the pinned environment anew and write requirements-cpu.lock
	@$(BIN)/python .ci/lock.py

schema: setup ## write the JSON schemas of the records to docs/schema/
	@$(BIN)/python .ci/schema.py

clean: ## remove what the targets make, except .venv
	@rm -rf build dist demo emollm.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
