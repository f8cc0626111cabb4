# griphub. `make` alone says what there is.

GOLANGCI_VERSION := v2.15.0
FUZZTIME ?= 10s
LINTER := bin/golangci-lint-$(GOLANGCI_VERSION)
NFPM_VERSION := v2.43.0
NFPM := bin/nfpm-$(NFPM_VERSION)
CYCLONEDX_VERSION := v1.10.0
CYCLONEDX := bin/cyclonedx-gomod-$(CYCLONEDX_VERSION)
GOVULNCHECK_VERSION := v1.1.4
VERSION ?= $(shell git describe --tags 2>/dev/null || echo 0.0.0+$$(git rev-parse --short HEAD))

# In a checkout of somebody else's (or in none) git answers nothing, and go build would fail for want of a commit to record.
export GOFLAGS := $(GOFLAGS)$(shell git rev-parse HEAD >/dev/null 2>&1 || echo ' -buildvcs=false')

.PHONY: help run build test lint reference pictures chaos scale soak bench fuzz vuln compose-check kubernetes-check deb deploy-check release release-check clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

run: build ## start everything on this machine (ARGS="--fleet 0 …" adds flags of griphub dev)
	@scripts/install-deps run
	@exec bin/griphub dev $(ARGS)

build: ## build bin/griphub
	@[ -e bin/griphub ] || echo "Building griphub, which takes some minutes the first time"
	@go build -trimpath -o bin/griphub ./cmd/griphub

test: ## install what the tests need, then run vet and all tests with the race detector
	@scripts/install-deps test
	@scripts/test

reference: ## write docs/reference anew from what the program says of itself
	@go test ./cmd/griphub -count=1 -run TestTheReferenceIsCurrent -write-reference

pictures: ## take the pictures of the documents from a run of the tests that show the pages
	@scripts/install-deps test
	@scripts/pictures

chaos: ## break everything 200 times with each set-up (SEED=… repeats; FAULTS=…, DB=sqlite|dev|postgres)
	@scripts/install-deps test
	@CGO_ENABLED=1 go test -race -count=1 -timeout 60m -v ./chaos -run TestNothing \
		-chaos.seed $(or $(SEED),0) -chaos.faults $(or $(FAULTS),200) $(if $(DB),-chaos.db $(DB))

scale: ## run three Pushpins, two griphubs and two PostgreSQLs on hosts of their own, part them, replace them, lose them (as root)
	@scripts/install-deps test
	@CGO_ENABLED=1 go test -race -count=1 -timeout 30m -tags long -v ./chaos -chaos.seed $(or $(SEED),0) \
		-run 'TestEachPair|TestEachHost|TestARolling|TestAFailover'

soak: ## let it run for DURATION (1h) with broker and proxy failing now and then, and see that memory and descriptors do not grow
	@scripts/install-deps test
	@go test -count=1 -timeout 0 -tags long -v ./chaos -run TestASoak -chaos.soak $(or $(DURATION),1h) -chaos.seed $(or $(SEED),0)

bench: ## measure griphub beside Pushpin on the same work (ARGS="--rows fan-out --rounds 1 --scale 0.1", --list shows the rows)
	@scripts/install-deps test
	@go run ./bench $(ARGS)

lint: $(LINTER) ## run golangci-lint, which also keeps the arrows between the packages
	@$(LINTER) run ./...

$(LINTER):
	@echo "Building golangci-lint $(GOLANGCI_VERSION), once"
	@GOBIN=$(CURDIR)/bin GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $(LINTER)

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@scripts/fuzz $(FUZZTIME)

compose-check: ## check the compose files without starting anything
	@scripts/compose-check

kubernetes-check: ## read the Kubernetes manifests strictly
	@cd deploy/kubernetes/check && GOFLAGS= go run . ../*.yaml

deb: build $(NFPM) ## build the Debian package in bin (VERSION=…)
	@VERSION=$(patsubst v%,%,$(VERSION)) ARCH=$$(go env GOARCH) $(NFPM) package --config deploy/debian/nfpm.yaml --packager deb --target bin

$(NFPM):
	@echo "Building nfpm $(NFPM_VERSION), once"
	@GOBIN=$(CURDIR)/bin GOFLAGS= go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	@mv bin/nfpm $(NFPM)

deploy-check: deb ## check the systemd units, and install, configure and purge the Debian package (as root)
	@scripts/deploy-check

release: $(NFPM) $(CYCLONEDX) ## build archives, Debian packages, SBOMs and checksums in dist, the same bytes each time (VERSION=…)
	@NFPM=$(CURDIR)/$(NFPM) CYCLONEDX=$(CURDIR)/$(CYCLONEDX) scripts/release $(VERSION)

release-check: $(NFPM) $(CYCLONEDX) ## build a release twice, in different places and from nothing, and compare every byte
	@NFPM=$(CURDIR)/$(NFPM) CYCLONEDX=$(CURDIR)/$(CYCLONEDX) scripts/release-check

$(CYCLONEDX):
	@echo "Building cyclonedx-gomod $(CYCLONEDX_VERSION), once"
	@GOBIN=$(CURDIR)/bin GOFLAGS= go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
	@mv bin/cyclonedx-gomod $(CYCLONEDX)

vuln: ## look for known vulnerabilities in what the program uses (asks vuln.go.dev)
	@go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

clean: ## remove what was built; the data of make run stays in griphub-data
	@rm -rf bin dist coverage.out
