# Targets for people and for CI. `make test` needs Go alone and no privileges.

GO            ?= go
GOLANGCI_LINT := bin/golangci-lint
# Pinned: another version may find other things.
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK := bin/govulncheck
GOVULNCHECK_VERSION := v1.3.0

# Modules of their own under testmodules/ and examples/ keep third-party
# middleware out of promfold's dependencies.
TEST_MODULES := $(dir $(wildcard testmodules/*/go.mod examples/*/go.mod))

.PHONY: all
all: test lint

# What --version and promfold_build_info tell.
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
REVISION    := $(shell git rev-parse HEAD 2>/dev/null)
BRANCH      := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null)
VERSION_PKG := github.com/prometheus/common/version
LDFLAGS     := -X $(VERSION_PKG).Version=$(VERSION) -X $(VERSION_PKG).Revision=$(REVISION) -X $(VERSION_PKG).Branch=$(BRANCH)

.PHONY: build
build:
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/promfold ./cmd/promfold

.PHONY: test
test: ## every test that needs nothing but Go
	$(GO) test ./...
	@# -count=1: they read files outside of their modules, of which the cache of test results does not know.
	@for m in $(TEST_MODULES); do echo "$(GO) test ./... in $$m" && (cd $$m && $(GO) test -count=1 ./...) || exit 1; done

.PHONY: race
race: ## the same with the race detector, which checks unsafe pointers as well
	$(GO) test -race -short ./...
	@for m in $(TEST_MODULES); do (cd $$m && $(GO) test -race -short -count=1 ./...) || exit 1; done

.PHONY: arm64
arm64: ## the kernel as arm64 code, with pages of 4 and of 64 KiB; needs qemu-aarch64
	@for size in 4096 65536; do echo "pages of $$size bytes"; \
	  TEST_EMULATOR="qemu-aarch64 -p $$size" GOARCH=arm64 CGO_ENABLED=0 $(GO) test -short -count=1 \
	    -exec "qemu-aarch64 -p $$size" ./mmapstore/... ./worker ./aggregate ./directory || exit 1; done

.PHONY: lint
lint: $(GOLANGCI_LINT) vet-platforms
	$(GOLANGCI_LINT) run ./...
	$(GO) mod tidy -diff

.PHONY: vet-platforms
vet-platforms: ## what we promise to compile on
	GOOS=darwin $(GO) build ./...
	GOOS=darwin $(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	GOARCH=386 $(GO) vet ./...

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: vulncheck
vulncheck: $(GOVULNCHECK) ## known vulnerabilities in what we call; VULNDB=file:///... asks a copy of the database
	.ci/vulncheck $(GOVULNCHECK)

$(GOVULNCHECK):
	GOBIN=$(CURDIR)/bin $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

.PHONY: e2e
e2e: ## against a real Prometheus: needs prometheus and promtool on PATH
	$(GO) test -tags e2e -run E2E -count=1 -v ./cmd/promfold

.PHONY: redis
redis: ## against real redis-servers, which the tests start: needs redis-server or valkey-server on PATH
	$(GO) test -tags redis -run Redis -count=1 -timeout 20m ./internal/redistest ./redisstore/... ./cmd/promfold

.PHONY: interop
interop: ## beside real gunicorn, Celery, Puma and Ruby processes; as root, with apt or what it would install
	.ci/install-interop || [ -z "$$CI" ] # elsewhere what is missing is skipped, by name
	$(GO) test -tags interop -count=1 -timeout 20m -v ./interop

# How hard to attack: ATTACK="-kills 2000 -lifetimes 50000", say, and how often the
# archiver is killed at every step.
ATTACK ?=
CYCLES ?= 1
CRASHTIMEOUT ?= 15m
.PHONY: crash
crash: ## the real program killed, starved, filled up and lied to; as root for all of it
	$(GO) test -tags attack -count=1 -timeout $(CRASHTIMEOUT) -v ./attack -args $(ATTACK)
	$(GO) test -tags attack -count=1 -timeout $(CRASHTIMEOUT) -v \
	  -run 'TestKillCampaign|TestFull|TestNativeFiles|TestArchiversStartedAtOnce|TestWipedUnderAll|TestDirectoryMadeAnew|TestArchiveVandalized' ./archiver -args -cycles $(CYCLES)

SOAKTIME ?= 10m
.PHONY: soak
soak: ## all attacks at once, at low intensity, for SOAKTIME
	$(GO) test -tags attack -count=1 -timeout 60m -v -run TestSoak ./attack -args -soak $(SOAKTIME)

.PHONY: demo-check
demo-check: ## the main job for ten seconds; fails unless its ledger balances
	$(GO) run ./cmd/promfold demo --for=10s --web.listen-address=127.0.0.1:0

DOCKER ?= docker
IMAGE  ?= ghcr.io/promfold/promfold:$(VERSION)
.PHONY: image
image: ## the container images, the plain one and that for users of Hermes; needs an engine
	$(DOCKER) build -t $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg BRANCH=$(BRANCH) .
	$(DOCKER) build -t $(IMAGE)-hermes --target hermes --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg BRANCH=$(BRANCH) .

.PHONY: image-check
image-check: ## the same without an engine, and runs what comes of it; as root
	cd testmodules/image && $(GO) test -tags image -count=1 -v ./...

.PHONY: unit-check
unit-check: ## what systemd says of the units: needs systemd-analyze and systemd-socket-activate
	$(GO) test -tags systemd -count=1 -v ./deploy/systemd

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME, or so many times: 1000x
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
	  done; done

.PHONY: bench
bench: ## every benchmark
	$(GO) test -run '^$$' -bench . -benchmem ./mmapstore/... ./worker ./aggregate ./directory ./exporter ./internal/exposition ./hermes/...

.PHONY: bench-peers
bench-peers: ## ratios to the peers on the same data, and what is kept of them; BENCH="-only REGEXP" for some
	.ci/install-bench
	$(GO) run ./bench $(if $(BENCH),$(BENCH),-results bench/RESULTS.md -plot bench/dead-pids.svg)

.PHONY: bench-check
bench-check: ## the comparison on small sets: every row is measured, and both sides give the same answers
	.ci/install-bench || [ -z "$$CI" ] # elsewhere what is missing is skipped, by name
	$(GO) test -tags interop -count=1 -v ./bench

.PHONY: golden
golden: ## write the golden files anew, after a look at the difference
	$(GO) test ./mmapstore ./directory -run Golden -update

.PHONY: clean
clean:
	rm -rf bin
