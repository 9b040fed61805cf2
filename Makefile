# One list of commands; README, CONTRIBUTING and .ci/run call these.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
SEARCH_PEERS := .venv-search
NAUTILUS := .venv-nautilus
FREQTRADE := .venv-freqtrade
RAY := .venv-ray
NODE := .venv-node
LOCK := --generate-hashes --no-emit-index-url --no-header --quiet
# One process of tests more than a machine of two processors has: many tests wait for processes that they started.
# Tests of one file stay together (they share fixtures), files in their order: the quick examples of src come last.
TEST_PROCESSES ?= 3
IN_PARALLEL := --numprocesses=$(TEST_PROCESSES) --dist=loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE  # tests start hundreds of processes, which would compile the sources anew

.DEFAULT_GOAL := help
.PHONY: help install run test test-peers test-nautilus test-freqtrade freqtrade search-peers ray-peers test-ray lint types imports format bench fuzz-expressions evidence client api-examples lock clean check bench-service-faults bench-service-sockets bench-service-load bench-service-queue client-ts fuzz-api

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## make .venv and install the project with its tools into it

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(PEERS)/.installed: requirements/peers.txt pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --require-hashes -r requirements/peers.txt
	$(PEERS)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

search-peers: $(SEARCH_PEERS)/.installed  ## make .venv-search with the peers of benchmarks/search

$(SEARCH_PEERS)/.installed: requirements/search-peers.txt pyproject.toml
	$(PYTHON) -m venv $(SEARCH_PEERS)
	$(SEARCH_PEERS)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/search-peers.txt
	$(SEARCH_PEERS)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

$(NAUTILUS)/.installed: requirements/nautilus.txt pyproject.toml
	$(PYTHON) -m venv $(NAUTILUS)
	$(NAUTILUS)/bin/python -m pip install --quiet --require-hashes -r requirements/nautilus.txt
	$(NAUTILUS)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

freqtrade: $(FREQTRADE)/.installed  ## make .venv-freqtrade, which holds freqtrade alone

$(FREQTRADE)/.installed: requirements/freqtrade.txt
	$(PYTHON) -m venv $(FREQTRADE)
	$(FREQTRADE)/bin/python -m pip install --quiet --require-hashes -r requirements/freqtrade.txt
	@touch $@

ray-peers: $(RAY)/.installed  ## make .venv-ray with Ray, Ray Tune and Optuna

$(RAY)/.installed: requirements/ray.txt pyproject.toml
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --require-hashes -r requirements/ray.txt
	$(RAY)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

run: install  ## optimise the momentum strategy on twenty years of NASDAQ data
	$(BIN)/strategy-optimizer demo

test: install  ## run all tests that need no other backtesting package
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-peers: $(PEERS)/.installed  ## compare with vectorbt, backtesting.py, quantstats, empyrical
	$(PEERS)/bin/python -m pytest tests/peers

test-nautilus: $(NAUTILUS)/.installed  ## run the adapter of NautilusTrader with it; the outcome goes to docs/engine-tiers.md
	$(NAUTILUS)/bin/python tests/run_tier.py nautilus nautilus_trader pandas numpy

test-freqtrade: $(FREQTRADE)/.installed install  ## run the adapter of freqtrade with it; the outcome goes to docs/engine-tiers.md
	$(BIN)/python tests/run_tier.py freqtrade --python $(FREQTRADE)/bin/python freqtrade pandas ccxt ta-lib

test-ray: $(RAY)/.installed  ## run trials on real Ray clusters of one to three nodes here; the outcome goes to docs/engine-tiers.md
	$(RAY)/bin/python tests/run_tier.py ray_cluster ray numpy

lint: install  ## format check and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: install  ## format and fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: install  ## strict type check
	$(BIN)/mypy

imports: install  ## check that each layer imports only those above it
	$(BIN)/lint-imports

bench: $(PEERS)/.installed install  ## run the benchmarks, on a quiet machine; results go to benchmarks/results
	$(PEERS)/bin/python benchmarks/bench_engine.py > benchmarks/results/engine.md
	$(PEERS)/bin/python benchmarks/bench_backtesting_py.py > benchmarks/results/backtesting_py.md
	$(BIN)/python benchmarks/bench_bars_scaling.py > benchmarks/results/bars_scaling.md
	$(BIN)/python benchmarks/bench_search.py > benchmarks/results/search.md
	$(BIN)/python benchmarks/bench_start.py > benchmarks/results/start.md
	$(BIN)/python benchmarks/bench_loading.py > benchmarks/results/loading.md
	$(BIN)/python benchmarks/bench_optimizer_overhead.py > benchmarks/results/optimizer_overhead.md
	$(BIN)/python benchmarks/bench_statistics.py
	$(BIN)/python benchmarks/bench_ledger.py > benchmarks/results/ledger.md
	$(BIN)/python benchmarks/bench_null_variance.py > benchmarks/results/null_variance.md
	$(BIN)/python benchmarks/bench_many_workers.py --output benchmarks/results/many_workers.md
	$(BIN)/python benchmarks/bench_executors.py > benchmarks/results/executors.md
	$(BIN)/python benchmarks/bench_walk_forward.py > benchmarks/results/walk_forward.md
	$(BIN)/python benchmarks/bench_robustness.py
	$(BIN)/python benchmarks/bench_cache.py > benchmarks/results/cache.md
	$(BIN)/python benchmarks/bench_storage.py > benchmarks/results/storage.md
	$(BIN)/python benchmarks/bench_pruning.py > benchmarks/results/pruning.md
	$(BIN)/python benchmarks/bench_pruning_halving.py > benchmarks/results/pruning_halving.md

fuzz-expressions: install  ## a million strings against the grammar of constraints
	$(BIN)/python benchmarks/fuzz_expressions.py > benchmarks/results/expression_fuzz.md

bench-service-faults: install  ## kill -9 workers, children and the database 200 times; take the database away; 45 minutes
	$(BIN)/python benchmarks/service/bench_faults.py kills 200 > benchmarks/results/service_faults.md
	$(BIN)/python benchmarks/service/bench_faults.py outages >> benchmarks/results/service_faults.md
	$(BIN)/python benchmarks/service/bench_overhead.py > benchmarks/results/service_overhead.md

bench-service-sockets: install  ## a thousand websockets on one task of the service
	$(BIN)/python benchmarks/service/bench_sockets.py > benchmarks/results/service_sockets.md

bench-service-load: install  ## 300 requests a second and 200 websockets for five minutes, while a task runs
	$(BIN)/python benchmarks/service/bench_load.py > benchmarks/results/service_load.md

bench-service-queue: install  ## fifty tasks that are queued at once
	$(BIN)/python benchmarks/service/bench_queue.py > benchmarks/results/service_queue.md

evidence: install  ## write the published numbers that the statistics reproduce into docs/evidence.md
	$(BIN)/python tests/reference/evidence.py

client: install  ## make the client that waits from the one that is awaited
	$(BIN)/python tests/client/make_sync.py

api-examples: install  ## record the answers that the OpenAPI document shows, from a real service
	$(BIN)/python tests/api/make_examples.py

client-ts: $(NODE)/.installed install  ## make the types of the TypeScript client, check it, and use it once
	$(BIN)/python tests/client/make_typescript.py $(NODE)/bin/python

$(NODE)/.installed: requirements/client-ts.txt
	$(PYTHON) -m venv $(NODE)
	$(NODE)/bin/python -m pip install --quiet --require-hashes -r requirements/client-ts.txt
	@touch $@

fuzz-api: install  ## run the OpenAPI document against a real service with Schemathesis; takes an hour
	$(BIN)/python benchmarks/service/fuzz_api.py --examples 300 --output benchmarks/results/service_fuzz.md

lock:  ## resolve the requirements anew, with hashes and without addresses (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 $(LOCK) -c requirements/dev.txt -o requirements/run.txt
	uv pip compile pyproject.toml --extra postgres --extra ray --python-version 3.12 --python-platform linux $(LOCK) -c requirements/dev.txt -o requirements/image.txt
	uv pip compile pyproject.toml --group peers --python-version 3.11 $(LOCK) -o requirements/peers.txt
	uv pip compile pyproject.toml requirements/search-peers.in --python-version 3.11 $(LOCK) -c requirements/dev.txt --override requirements/search-peers.overrides -o requirements/search-peers.txt
	uv pip compile pyproject.toml requirements/nautilus.in --extra nautilus --python-version 3.11 $(LOCK) -o requirements/nautilus.txt
	uv pip compile requirements/freqtrade.in --python-version 3.11 $(LOCK) -o requirements/freqtrade.txt
	uv pip compile pyproject.toml --extra ray --group ray-peers --python-version 3.11 $(LOCK) -c requirements/dev.txt -o requirements/ray.txt
	uv pip compile requirements/client-ts.in --python-version 3.11 $(LOCK) -o requirements/client-ts.txt

check: lint types imports test  ## everything CI runs, except the peers

clean:  ## remove environments and caches
	rm -rf $(VENV) $(PEERS) $(SEARCH_PEERS) $(NAUTILUS) $(FREQTRADE) $(RAY) $(NODE) .mypy_cache .ruff_cache .pytest_cache .hypothesis build src/*.egg-info
