# Build, test and try the filter. Tools are fetched into target/tools on first use.

PYTHON := target/tools/venv/bin/python
TOOL := tests/tools/install.sh

# Programs that were installed there go first.
export PATH := $(CURDIR)/target/tools/bin:$(PATH)

# The order within `test` and `tools` is meant.
.NOTPARALLEL:
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: wasm
wasm: ## Build the filter: target/kafka_partition_remapper.wasm
	@tests/tools/build-wasm.sh

.PHONY: check-tool
check-tool: ## Build the checker: target/kafka-remapper-check (docs/checker.md)
	@tests/tools/build-checker.sh

.PHONY: demo
demo: wasm venv kafka ## See it work: Envoy, Kafka and clients on this machine
	@$(PYTHON) -m examples.quickstart.demo

.PHONY: demo-up
demo-up: wasm venv kafka ## The same, left running to play with
	@$(PYTHON) -m examples.quickstart.demo --keep

.PHONY: example
example: wasm venv kafka connect ## Run an example of examples/ (NAME=move-in; without NAME: lists them)
	@$(PYTHON) -m examples.run $(NAME)

# End-to-end last: its summary closes the output.
.PHONY: test
test: lint test-core test-wasm test-envoy test-e2e ## Everything that must pass

.PHONY: test-core
test-core: ## Unit and scenario tests, natively
	@cargo test --quiet --workspace

.PHONY: test-wasm
test-wasm: wasm-runner node ## The core's unit tests on wasm32, under Node
	@tests/tools/test-wasm.sh

.PHONY: test-envoy
test-envoy: wasm venv ## Load every configuration of envoy/ into Envoy
	@tests/tools/validate-envoy.sh

.PHONY: test-e2e
test-e2e: wasm tools ## Real clients through Envoy to a real Kafka
	@$(PYTHON) -m pytest tests/e2e -n 2 --dist loadfile

.PHONY: test-versions
test-versions: wasm tools ## The brokers of tests/tools/kafka/versions.txt behind the filter (part of test-e2e)
	@$(PYTHON) -m pytest tests/e2e/test_kafka_versions.py

.PHONY: fuzz
fuzz: ## Fuzz what strangers reach, a minute each (needs nightly Rust and cargo-fuzz; FUZZ_TARGETS, FUZZ_S)
	@tests/tools/fuzz.sh

.PHONY: bench
bench: wasm tools ## Measure throughput, latency and CPU against plain Envoy
	@$(PYTHON) -m tests.bench.bench

.PHONY: strangers
strangers: wasm tools ## Measure what strangers can cause, without a password (ROWS="garbage silence": only these)
	@$(PYTHON) -m tests.bench.strangers $(ROWS)

.PHONY: release
release: wasm check-tool venv ## Fill dist/: filter, checker, OCI image, SBOM, licences, sums
	@$(PYTHON) -m release.build

.PHONY: release-check
release-check: wasm ## Build the filter again from a copy elsewhere: it must be the same to the byte
	@tests/tools/reproduce.sh

.PHONY: fmt
fmt: ## Format the Rust code
	@cargo fmt --all

.PHONY: docs
docs: venv ## Write what is generated anew: tables of docs/, and the configuration's JSON Schema
	@UPDATE=1 cargo test --quiet -p kafka-partition-remapper-core --test protocol --test metrics
	@UPDATE=1 cargo test --quiet -p kafka-remapper-check --test schema --test configuration
	@UPDATE=1 $(PYTHON) -m pytest --quiet tests/e2e/test_versions.py

.PHONY: lint
lint: ## Check format, lints, and the links of the documentation comments
	@if cargo fmt --version >/dev/null 2>&1; then cargo fmt --all --check; \
	else echo "cargo fmt is not installed: format not checked"; fi
	@if cargo clippy --version >/dev/null 2>&1; then cargo clippy --quiet --workspace --all-targets -- -D warnings; \
	else echo "cargo clippy is not installed: lints not checked"; fi
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --document-private-items --workspace

.PHONY: clean
clean: ## Remove everything that was built; fetched tools stay
	@find target -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} + 2>/dev/null || true

.PHONY: tools
tools: ## Fetch what tests and benchmark need (no-op when it is there)
	@$(TOOL) all

.PHONY: venv kafka connect node wasm-runner
venv kafka connect node wasm-runner:
	@$(TOOL) $@
