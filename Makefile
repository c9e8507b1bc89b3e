# Margay. `make help` lists what there is. Each target does its own set-up.

GO      ?= go
GOTOOL   = $(GO) tool -modfile=tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
ARGS     ?=
PACKAGES ?= ./...
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help assets build demo test test-go check fmt fmt-check lint generate bench fuzz vuln clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

assets: ## build style and scripts of the web UI, when they are missing or stale
	scripts/assets

build: assets ## make bin/margay
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/margay ./cmd/margay

demo: build ## run the whole road against a simulated Tableau (ARGS=--exit stops after it)
	bin/margay demo $(ARGS)

test: ## install what the tests need, then run them all on SQLite and PostgreSQL
	scripts/setup
	scripts/with-postgres $(MAKE) --no-print-directory test-go

# The race detector sees everything but what was translated from C, and the
# bundler, a program without state of ours: with those under it the tests take
# many times as long. Only packages that make no generic type of sync or
# sync/atomic their own may be left out: the linker keeps one copy of such a type
# for all, and one that the detector does not see has it report what is no race.
UNSEEN = modernc.org/sqlite/lib modernc.org/libquickjs modernc.org/libc modernc.org/memory github.com/evanw/...
RACE   = -race $(UNSEEN:%=-gcflags=%=-race=false)

test-go: assets # the tests alone; TEST_POSTGRES names a server, else that half is skipped
	CGO_ENABLED=1 $(GOTOOL) gotestsum --format pkgname --format-hide-empty-pkg -- $(RACE) -shuffle=on -timeout 20m $(PACKAGES)

check: fmt-check lint test ## what must hold before a change lands

fmt: ## format the code
	$(GOTOOL) golangci-lint fmt ./...

fmt-check:
	$(GOTOOL) golangci-lint fmt --diff ./...
	scripts/generated

lint: ## find what the compiler does not
	$(GOTOOL) golangci-lint run ./...

generate: ## make generated files anew
	$(GO) generate ./...
	$(GOTOOL) templ generate -path internal/web

bench: assets ## print the figures of the road, the engine, the sandbox and the client
	scripts/setup
	scripts/with-postgres scripts/bench $(ARGS)

fuzz: ## fuzz each target for FUZZTIME (default 30s)
	scripts/fuzz

vuln: ## look for known faults in dependencies (needs vuln.go.dev)
	$(GOTOOL) govulncheck ./...

clean: ## remove what was built
	rm -rf bin internal/web/assets/node_modules
	find internal/web/assets/dist -mindepth 1 ! -name .keep -delete
