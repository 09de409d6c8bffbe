# regmirror - see README.md. `make help` lists the targets.
VERSION   := 0.1.0
O         ?= build
prefix    ?= /usr/local
bindir    ?= $(prefix)/bin
mandir    ?= $(prefix)/share/man
sysconfdir ?= /etc
unitdir   ?= $(prefix)/lib/systemd/system
compdir   ?= $(prefix)/share/bash-completion/completions
docdir    ?= $(prefix)/share/doc/regmirror
PYTHON    ?= /usr/bin/python3

# ---- packages: name, and what each may use (the whole dependency graph) ----
PKGS      := util oci db schedule select config report http registry store state source transfer sync server
DEPS_util     :=
DEPS_oci      := util
DEPS_db       := util oci
DEPS_schedule := util
DEPS_select   := util oci
DEPS_config   := util oci schedule select
DEPS_report   := util oci
DEPS_http     := util
DEPS_registry := util oci http
DEPS_store    := util oci db
DEPS_state    := util oci db
DEPS_source   := util oci http registry state
DEPS_transfer := util oci http registry store state source
DEPS_server   := util oci http registry store state report source transfer
DEPS_sync     := util oci schedule select http registry store state source transfer
# pkg-config modules, and the third-party headers that only this package may include
PC_util   :=
OWNS_util := uthash utlist
PC_oci    := libcrypto jansson
OWNS_oci  := openssl jansson
PC_db     := sqlite3
OWNS_db   := sqlite3
PC_select := libpcre2-8
OWNS_select := pcre2
PC_config := libfyaml
OWNS_config := libfyaml
PC_http   := libcurl
OWNS_http := curl
PC_server := libmicrohttpd gnutls libcrypt
OWNS_server := microhttpd gnutls crypt
PROGS     := regmirror
DEPS_regmirror := $(PKGS)

# ---- toolchain --------------------------------------------------------------
PKG_CONFIG ?= pkg-config
CFLAGS    ?= -O2 -g
WARN      := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
             -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
             -Wwrite-strings -Wcast-qual -Wpointer-arith -Wvla -Wundef \
             -Wformat=2 -Wjump-misses-init -Wswitch-enum -Wduplicated-cond \
             -Wlogical-op -Wnull-dereference
ifeq ($(findstring clang,$(CC)),clang)
WARN      := $(filter-out -Wjump-misses-init -Wduplicated-cond -Wlogical-op,$(WARN))
endif
HARDEN    := -fstack-protector-strong -fno-common -fPIE
LDHARDEN  := -pie -Wl,-z,relro,-z,now
# The sanitizers' own crypt_r() would make libcrypt, which it calls, look as if nobody needed it.
ifndef SAN
LDHARDEN  += -Wl,--as-needed
endif
ifdef WERROR
WARN      += -Werror
endif
ifdef SAN
CFLAGS    := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=$(SAN)
LDFLAGS   += -fsanitize=$(SAN)
else
CPPFLAGS  += -D_FORTIFY_SOURCE=2
endif
PCS       := $(sort $(foreach p,$(PKGS),$(PC_$(p))))
PC_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PCS) 2>/dev/null)
PC_LIBS   := $(shell $(PKG_CONFIG) --libs $(PCS) 2>/dev/null) -lm
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ipkg $(CPPFLAGS) \
             $(PC_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS)

# ---- what there is to build ----------------------------------------------------
# Packages in link order (users before what they use), and the closure of a set of them.
closure    = $(if $(1),$(sort $(1) $(call closure,$(foreach p,$(1),$(DEPS_$(p))))))
rev        = $(if $(1),$(call rev,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
libs_of    = $(patsubst %,$(O)/pkg/%.a,$(filter $(call closure,$(1)),$(call rev,$(PKGS))))
PKG_SRC   := $(foreach p,$(PKGS),$(wildcard pkg/$(p)/*.c))
CMD_SRC   := $(foreach p,$(PROGS),$(wildcard cmd/$(p)/*.c))
UNIT_SRC  := $(wildcard tests/unit/*/test_*.c)
HELP_SRC  := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*/*.c))
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard bench/*.c)
LAB_SRC   := $(wildcard bench/peerlab/*.c)
NET_SRC   := $(wildcard tests/netlab/*.c)
C_SRC     := $(PKG_SRC) $(CMD_SRC) $(UNIT_SRC) $(HELP_SRC) $(BENCH_SRC) $(LAB_SRC) $(NET_SRC) $(FUZZ_SRC) tests/fuzz/standalone.c
HEADERS   := $(foreach p,$(PKGS),$(wildcard pkg/$(p)/*.h)) $(wildcard cmd/*/*.h tests/unit/*/*.h bench/*.h)
BINS      := $(PROGS:%=$(O)/bin/%)
UNITS     := $(UNIT_SRC:tests/unit/%.c=$(O)/unit/%)
BENCHES   := $(BENCH_SRC:bench/%.c=$(O)/bench/%)
NETLABS   := $(NET_SRC:tests/netlab/%.c=$(O)/netlab/%)
REPLAYS   := $(FUZZ_SRC:tests/fuzz/%.c=$(O)/replay/%)

# `make -jN` decides for itself; without -j, tests and variants are built on all cores.
PARALLEL   = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
MAKEFLAGS += --no-print-directory

.PHONY: all deps deps-demo deps-test deps-netlab deps-dev demo test e2e conformance netlab check build-tests unit cli replay \
        check-asan check-tsan lint lint-text headers fmt fmt-check warnings analyze fuzz fuzzers \
        bench compdb install uninstall dist clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY: $(C_SRC:%.c=$(O)/obj/%.o)
all: $(BINS)                  ## build the programs
	@:

# Changing any flag rebuilds: the stamp's content is the command line.
$(O)/.flags: FORCE
	@$(PKG_CONFIG) --print-errors --exists $(PCS) && echo '#include <uthash.h>' | $(CC) -E - > /dev/null || \
	  { echo 'A library or tool is missing: run `make deps` (Debian; installs by apt).' >&2; exit 1; }
	@mkdir -p $(@D); echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(LDFLAGS))' | cmp -s - $@ || \
	  echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(LDFLAGS))' > $@
FORCE:

$(O)/obj/%.o: %.c $(O)/.flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
	@printf '{"directory":"%s","file":"%s","command":"%s"},\n' '$(CURDIR)' '$<' \
	  '$(subst ",\",$(subst ','\'',$(CC) $(ALL_CFLAGS) -c -o $@ $<))' > $@.json
-include $(C_SRC:%.c=$(O)/obj/%.d)

define pkg_rule
$(O)/pkg/$(1).a: $(patsubst %.c,$(O)/obj/%.o,$(wildcard pkg/$(1)/*.c))
	@mkdir -p $$(@D); rm -f $$@; echo "  AR      $$@"; $$(AR) rcs $$@ $$^
endef
$(foreach p,$(PKGS),$(eval $(call pkg_rule,$(p))))
define prog_rule
$(O)/bin/$(1): $(patsubst %.c,$(O)/obj/%.o,$(wildcard cmd/$(1)/*.c)) $(call libs_of,$(DEPS_$(1)))
	@mkdir -p $$(@D); echo "  LD      $$@"; $$(CC) $$(LDFLAGS) $$(LDHARDEN) -o $$@ $$+ $$(PC_LIBS)
endef
$(foreach p,$(PROGS),$(eval $(call prog_rule,$(p))))
# A unit test links only its package's closure: using a package that is not in
# DEPS_<pkg> is a link error, so the graph above stays true.  Files beside the tests that are
# not named test_*.c are linked into all tests of that package.
define unit_rule
$(O)/unit/$(1)/%: $(O)/obj/tests/unit/$(1)/%.o $(patsubst %.c,$(O)/obj/%.o,$(filter tests/unit/$(1)/%,$(HELP_SRC))) $(call libs_of,$(1))
	@mkdir -p $$(@D); echo "  LD      $$@"; $$(CC) $$(LDFLAGS) $$(LDHARDEN) -o $$@ $$+ -lcmocka $$(PC_LIBS)
endef
$(foreach p,$(PKGS),$(eval $(call unit_rule,$(p))))
$(O)/bench/%: $(O)/obj/bench/%.o $(call libs_of,$(PKGS))
	@mkdir -p $(@D); $(CC) $(LDFLAGS) $(LDHARDEN) -o $@ $+ $(PC_LIBS)

$(O)/netlab/%: $(O)/obj/tests/netlab/%.o
	@mkdir -p $(@D); $(CC) $(LDFLAGS) $(LDHARDEN) -o $@ $+ $(PC_LIBS)

$(O)/replay/%: $(O)/obj/tests/fuzz/%.o $(O)/obj/tests/fuzz/standalone.o $(call libs_of,$(PKGS))
	@mkdir -p $(@D); $(CC) $(LDFLAGS) $(LDHARDEN) -o $@ $+ $(PC_LIBS)

# ---- fresh machine: packages of Debian 12 and newer, by apt --------------------
APT_BUILD := make gcc libc6-dev pkgconf libcurl4-openssl-dev libjansson-dev libssl-dev \
             libsqlite3-dev libfyaml-dev libpcre2-dev uthash-dev libmicrohttpd-dev libgnutls28-dev libcrypt-dev
APT_DEMO  := $(APT_BUILD) ca-certificates docker-registry openssl python3 skopeo zstd
APT_TEST  := $(APT_DEMO) apache2-utils libcmocka-dev python3-pytest umoci
APT_NET   := $(APT_TEST) aria2 curl iproute2 nginx-light
APT_DEV   := $(APT_TEST) chromium clang clang-format clang-tidy cppcheck libclang-rt-14-dev mandoc pmccabe \
             shellcheck universal-ctags
deps:                         ## install what building needs (apt; sudo unless root)
	@tests/lib/apt.sh $(APT_BUILD)
deps-demo:
	@tests/lib/apt.sh $(APT_DEMO)
deps-test:                    ## install what the tests need
	@tests/lib/apt.sh $(APT_TEST)
deps-netlab:
	@tests/lib/apt.sh $(APT_NET)
deps-dev:                     ## install what lint, analyze, fuzz and the look at pages need
	@tests/lib/apt.sh $(APT_DEV)
demo: deps-demo               ## the main job on this machine, from nothing to a verified mirror
	@$(MAKE) $(PARALLEL) all
	@REGMIRROR=$(abspath $(O)/bin/regmirror) PYTHON=$(PYTHON) tests/demo/demo.sh

# ---- tests -----------------------------------------------------------------------
test: deps-test               ## set up the machine, then check and e2e
	@$(MAKE) check
	@$(MAKE) e2e
build-tests: $(BINS) $(UNITS) $(REPLAYS) $(BENCHES) $(NETLABS) $(LAB_SRC:%.c=$(O)/obj/%.o)
check:                        ## unit tests, command-line tests, fuzz corpora
	@$(MAKE) $(PARALLEL) build-tests
	@$(MAKE) unit
	@$(MAKE) replay
	@$(MAKE) cli
unit: $(UNITS)
	@failed=; for t in $(UNITS); do echo "  TEST    $$t"; $$t || failed="$$failed $$t"; done; \
	  [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }
cli: $(BINS)
	@PATH="$(abspath $(O)/bin):$$PATH" tests/cli/run.sh
replay: $(REPLAYS)
	@set -e; for r in $(REPLAYS); do echo "  REPLAY  $$r"; $$r tests/fuzz/corpus/$$(basename $$r)/*; done
e2e:                          ## whole runs against docker-registry and a scripted faulty server
	@$(MAKE) $(PARALLEL) $(BINS) $(O)/unit/report/test_page
	@REGMIRROR=$(abspath $(O)/bin/regmirror) $(PYTHON) -B -m pytest -q -p no:cacheprovider tests/e2e $(E2E)
CONFORMANCE := github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
conformance: $(BINS)          ## the OCI conformance suite against serve (Go 1.24 or newer; fetches it as a module)
	@GOBIN=$(abspath $(O)/go) go install $(CONFORMANCE)
	@REGMIRROR=$(abspath $(O)/bin/regmirror) OCI_CONFORMANCE=$(abspath $(O)/go/conformance) \
	  $(PYTHON) -B -m pytest -q -p no:cacheprovider tests/e2e/test_conformance.py
netlab: deps-netlab           ## sources behind emulated links, with figures (root; NETLAB='-k stripe')
	@$(MAKE) $(PARALLEL) $(BINS) $(NETLABS)
	@REGMIRROR=$(abspath $(O)/bin/regmirror) NETLAB_OUT=$(abspath $(O)/netlab) \
	  $(PYTHON) -B -m pytest -q -s -p no:cacheprovider tests/netlab $(NETLAB)
check-asan:                   ## check under ASan and UBSan, own build folder
	@$(MAKE) O=$(O)/asan SAN=address,undefined check
check-tsan:                   ## check under ThreadSanitizer
	@$(MAKE) O=$(O)/tsan SAN=thread check

# ---- what reviewers would say, said by tools ---------------------------------------
lint: fmt-check headers lint-text  ## style, layers, banned functions, sizes, warnings, manuals
	@$(MAKE) $(PARALLEL) warnings
headers:
	@set -e; for h in $(HEADERS); do $(CC) $(ALL_CFLAGS) -Werror -fsyntax-only -include $$h -x c /dev/null; done
fmt:                          ## reformat in place
	@clang-format -i $(C_SRC) $(HEADERS)
fmt-check:
	@clang-format --dry-run -Werror $(C_SRC) $(HEADERS)
lint-text: $(BINS)
	@bad=0; tests/lint/layers.sh Makefile || bad=1; tests/lint/banned.sh || bad=1; \
	  tests/lint/sizes.sh || bad=1; tests/lint/texts.sh || bad=1; \
	  tests/lint/manual.sh $(O)/bin/regmirror cmd/regmirror/regmirror.1 || bad=1; exit $$bad
warnings:
	@$(MAKE) O=$(O)/gcc CC=gcc WERROR=1 build-tests
	@$(MAKE) O=$(O)/clang CC=clang WERROR=1 build-tests
analyze: compdb               ## gcc -fanalyzer, clang-tidy, cppcheck
	@set -e; for f in $(PKG_SRC) $(CMD_SRC); do \
	  $(CC) $(ALL_CFLAGS) -U_FORTIFY_SOURCE -O0 -fanalyzer -Werror -c -o /dev/null $$f; \
	  $(CC) $(ALL_CFLAGS) -U_FORTIFY_SOURCE -O1 -fanalyzer -Wno-analyzer-use-of-uninitialized-value \
	    -Werror -c -o /dev/null $$f; done
	@clang-tidy --quiet -p $(O) $(PKG_SRC) $(CMD_SRC)
	@cppcheck -q --error-exitcode=1 --enable=warning,performance,portability --inline-suppr -Ipkg $(PKG_SRC) $(CMD_SRC)
compdb: $(C_SRC:%.c=$(O)/obj/%.o)  ## compile_commands.json for clangd and clang-tidy
	@{ echo '['; find $(O)/obj -name '*.o.json' | sort | xargs cat | sed '$$ s/,$$//'; echo ']'; } > $(O)/compile_commands.json

# Every package once with clang's coverage, then each target linked with libFuzzer.  What a run
# finds stays in the build folder; a crash is moved to tests/fuzz/corpus/ together with its mending.
FUZZ_SECONDS ?= 300
FUZZERS   := $(FUZZ_SRC:tests/fuzz/%.c=$(O)/bin/%)
fuzz:                         ## run each fuzz target for FUZZ_SECONDS (clang; FUZZ="a b" picks some)
	@$(MAKE) $(PARALLEL) O=$(O)/fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzzers
	@set -e; for f in $(if $(FUZZ),$(FUZZ:%=fuzz_%),$(notdir $(FUZZERS))); do \
	  echo "  FUZZ    $$f, $(FUZZ_SECONDS) s"; mkdir -p $(O)/fuzz/found/$$f; \
	  $(O)/fuzz/bin/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 \
	    -artifact_prefix=$(O)/fuzz/found/$$f. $$(for d in tests/fuzz/$$f.dict; do [ ! -e $$d ] || echo -dict=$$d; done) \
	    $(O)/fuzz/found/$$f tests/fuzz/corpus/$$f; done
fuzzers: $(FUZZERS)
$(O)/bin/fuzz_%: $(O)/obj/tests/fuzz/fuzz_%.o $(call libs_of,$(PKGS))
	@mkdir -p $(@D); echo "  LD      $@"; $(CC) $(LDFLAGS) -fsanitize=fuzzer $(LDHARDEN) -o $@ $+ $(PC_LIBS)
bench: $(BINS) $(BENCHES)     ## microbenchmarks, and a small comparison with skopeo
	@set -e; for b in $(BENCHES); do $$b; done
	@REGMIRROR_BIN=$(abspath $(O)/bin/regmirror) bench/compare-with-skopeo.sh

# ---- shipping --------------------------------------------------------------------------
MAN1      := $(wildcard cmd/*/*.1)
MAN5      := $(wildcard conf/*.5)
SYSTEMD   := $(wildcard systemd/*.service systemd/*.socket systemd/*.timer)
install: all                  ## install under $(DESTDIR)$(prefix)
	install -D -m 755 -t $(DESTDIR)$(bindir) $(BINS)
	$(if $(MAN1),install -D -m 644 -t $(DESTDIR)$(mandir)/man1 $(MAN1))
	$(if $(MAN5),install -D -m 644 -t $(DESTDIR)$(mandir)/man5 $(MAN5))
	$(if $(wildcard conf/*.yaml),install -D -m 644 -t $(DESTDIR)$(docdir)/examples $(wildcard conf/*.yaml))
	install -D -m 644 -t $(DESTDIR)$(docdir) $(wildcard README.md CONTRIBUTING.md)
	install -D -m 644 systemd/regmirror.sysusers $(DESTDIR)$(prefix)/lib/sysusers.d/regmirror.conf
	install -D -m 644 systemd/regmirror.tmpfiles $(DESTDIR)$(prefix)/lib/tmpfiles.d/regmirror.conf
	install -D -m 644 -t $(DESTDIR)$(unitdir) $(SYSTEMD)
	sed -i 's|/usr/bin/regmirror|$(bindir)/regmirror|' $(patsubst systemd/%,$(DESTDIR)$(unitdir)/%,$(wildcard systemd/*.service))
	@for p in $(PROGS); do if text=$$($(O)/bin/$$p completion bash 2>/dev/null); then \
	  mkdir -p $(DESTDIR)$(compdir) && printf '%s\n' "$$text" > $(DESTDIR)$(compdir)/$$p; fi; done
uninstall:
	rm -f $(PROGS:%=$(DESTDIR)$(bindir)/%) $(PROGS:%=$(DESTDIR)$(compdir)/%) \
	  $(patsubst %,$(DESTDIR)$(mandir)/man1/%,$(notdir $(MAN1))) $(patsubst %,$(DESTDIR)$(mandir)/man5/%,$(notdir $(MAN5))) \
	  $(patsubst systemd/%,$(DESTDIR)$(unitdir)/%,$(SYSTEMD)) \
	  $(DESTDIR)$(prefix)/lib/sysusers.d/regmirror.conf $(DESTDIR)$(prefix)/lib/tmpfiles.d/regmirror.conf
	rm -rf $(DESTDIR)$(docdir)/examples $(DESTDIR)$(docdir)/README.md $(DESTDIR)$(docdir)/CONTRIBUTING.md
dist:                         ## reproducible source tarball
	git archive --format=tar.gz --prefix=regmirror-$(VERSION)/ -o regmirror-$(VERSION).tar.gz HEAD
clean:
	rm -rf $(O)
help:                         ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
