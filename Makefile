# Short calls of the headrace command; `make help` lists them. Each target sets the project up first if need be.
PYTHON ?= python3
SPARK ?= 4.3.0
HEADRACE := .venv/bin/headrace
WITH_JAVA = JAVA_HOME="$$(.venv/bin/python -m infra.local.java)"
UV_COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-live up down deploy-stream diff smoke destroy batch test compat check bench bench-producer bench-lambda bench-batch bench-soak docs template lock clean

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

setup: ## Install everything: .venv, the AWS emulator, Java where it is missing
	@$(PYTHON) -m infra.local.bootstrap

demo: setup ## One real log the whole way to proven windows (LOG=path REBASE=now SPEED=lines a second)
	@$(HEADRACE) demo $(if $(LOG),--log "$(LOG)") $(if $(REBASE),--rebase "$(REBASE)") $(if $(SPEED),--speed "$(SPEED)")

demo-live: setup ## Feeds of the internet beside a log, for a minute (SECONDS=60 CONFIG=examples/live.toml)
	@$(HEADRACE) demo --config "$(or $(CONFIG),examples/live.toml)" $(if $(SECONDS),--seconds $(SECONDS))

up: setup ## Start the local stack in the background: emulator, PostgreSQL, stream job, archive, error desk
	@$(HEADRACE) up

down: setup ## Stop the local stack once everything on its streams is read
	@$(HEADRACE) down

deploy-stream: stage-named setup ## Deploy a stage, show its changes first, prove that it works (STAGE=local, dev, prod; YES=1 asks nothing)
	@$(HEADRACE) deploy --stage "$(STAGE)" $(if $(YES),--yes)

diff: stage-named setup ## Show what deploying a stage would change; fails when there is anything (STAGE=)
	@$(HEADRACE) diff --stage "$(STAGE)"

smoke: stage-named setup ## Send records through a deployed stage and see them counted (STAGE= WAIT=300)
	@$(HEADRACE) smoke --stage "$(STAGE)" $(if $(WAIT),--wait "$(WAIT)")

destroy: stage-named setup ## Remove a stage; data stays unless its file says otherwise and you agree (STAGE=)
	@$(HEADRACE) destroy --stage "$(STAGE)"

.PHONY: stage-named
stage-named:
	@test -n "$(STAGE)" || { echo "name the stage: make $(MAKECMDGOALS) STAGE=local" >&2; exit 2; }

batch: setup ## Loan files to tables, warehouse, MySQL and a decision tree (LOANS=100000 of a synthetic book, or FILES=paths)
	@$(HEADRACE) batch run $(if $(LOANS),--loans "$(LOANS)") $(FILES)

test: setup ## Run every test (TESTS=tests/kinesis for some)
	@$(if $(TESTS),,$(WITH_JAVA) .venv/bin/python -m tests.class_archive)
	@$(WITH_JAVA) .venv/bin/pytest -n 2 --dist loadgroup $(TESTS)

compat: setup ## Test the stream job on another Spark (SPARK=4.3.0, an environment of its own)
	@.venv/bin/uv venv --quiet --allow-existing .venv-spark-$(SPARK)
	@echo "pyspark==$(SPARK)" > .venv-spark-$(SPARK)/override.txt
	@.venv/bin/uv pip install --quiet --python .venv-spark-$(SPARK)/bin/python --override .venv-spark-$(SPARK)/override.txt -r pyproject.toml --all-extras --group dev
	@$(WITH_JAVA) .venv-spark-$(SPARK)/bin/python -m pytest tests/stream_jobs

check: setup ## Format, lint, types and layers
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: setup ## Measure the speed against its goals: tables, then all figures as JSON
	@$(WITH_JAVA) .venv/bin/python -m bench

bench-producer: setup ## The producer's speed, and what faults cost, beside boto3, aiobotocore, async-kinesis and kiner (ROUNDS=3)
	@.venv/bin/uv venv --quiet --allow-existing --python .venv/bin/python .venv-bench-peers
	@.venv/bin/uv pip install --quiet --python .venv-bench-peers/bin/python -r bench/peers.lock
	@.venv/bin/python -m bench.producer_faults
	@.venv/bin/python -m bench.producer --all $(if $(ROUNDS),--rounds "$(ROUNDS)")

bench-lambda: setup ## The transform's speed with 0, 1 and 100 % bad records, and the error desk's
	@.venv/bin/python -m bench.lambda_handler
	@.venv/bin/python -m bench.error_desk

bench-batch: setup ## Loan files to Parquet, MySQL and PostgreSQL: rows a second, beside DuckDB and plain Spark
	@missed=0; $(WITH_JAVA) .venv/bin/python -m bench.batch || missed=1; \
	for load in mysql_load warehouse_load; do .venv/bin/python -m bench.$$load || missed=1; done; exit $$missed

bench-soak: setup ## The producer's memory and processor time over SOAK=600 seconds, and with Kinesis away (STALLED_GB=10)
	@.venv/bin/python -m bench.producer_endurance --soak $(or $(SOAK),600) --stalled-gb $(or $(STALLED_GB),10)

docs: setup ## Write docs/reference.md anew from the declarations
	@$(HEADRACE) reference > docs/reference.md

template: setup ## Synthesize the CloudFormation templates anew: the laptop's, and the one that tests compare
	@.venv/bin/python -m infra.app --stage local --print stream > infra/local/stream.template.json.new
	@mv infra/local/stream.template.json.new infra/local/stream.template.json
	@HEADRACE_WRITE_SNAPSHOT=1 .venv/bin/pytest -q tests/infra/test_every_stack.py -k reviewed

lock: setup ## Resolve the dependencies anew and write the locks
	@$(UV_COMPILE) --all-extras --group dev --upgrade pyproject.toml -o requirements.lock
	@$(UV_COMPILE) --upgrade -c requirements.lock infra/container/producer.in -o infra/container/producer.lock
	@$(UV_COMPILE) --upgrade -c requirements.lock infra/cluster/job.in -o infra/cluster/job.lock
	@$(UV_COMPILE) --upgrade -c requirements.lock lambdas/transform/requirements.in -o lambdas/transform/requirements.lock
	@$(UV_COMPILE) --upgrade -c requirements.lock infra/container/error_desk.in -o infra/container/error_desk.lock
	@$(UV_COMPILE) --upgrade infra/container/build.in -o infra/container/build.lock
	@$(UV_COMPILE) --upgrade infra/container/error_desk_build.in -o infra/container/error_desk_build.lock
	@$(UV_COMPILE) --upgrade infra/local/emulator.in -o infra/local/emulator.lock
	@$(UV_COMPILE) --upgrade infra/local/installer.in -o infra/local/installer.lock
	@$(UV_COMPILE) --upgrade bench/peers.in -o bench/peers.lock

clean: ## Stop the stack and remove everything that was made here
	@if [ -x $(HEADRACE) ] && [ -d .headrace ]; then $(HEADRACE) down --now; fi
	@rm -rf .headrace build .venv .venv-emulator .venv-spark-* .venv-bench-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
