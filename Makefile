# regmirror - see README.md. `make help` lists the targets.
VERSION   := 0.1.0
O         ?= build
prefix    ?= /usr/local
bindir    ?= $(prefix)/bin
mandir    ?= $(prefix)/share/man
sysconfdir ?= /etc
unitdir   ?= $(prefix)/lib/systemd/system
compdir   ?= $(prefix)/share/bash-completion/completions

# ---- packages: name, and what each may use (the whole dependency graph) ----
PKGS      := util oci db schedule select config report http registry store state source transfer sync
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
LDHARDEN  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
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
PC_CFLAGS := $(if $(PCS),$(shell $(PKG_CONFIG) --cflags $(PCS)))
PC_LIBS   := $(if $(PCS),$(shell $(PKG_CONFIG) --libs $(PCS)))
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ipkg $(CPPFLAGS) \
             $(PC_CFLAGS) $(WARN) $(HARDEN) $(CFLAGS)

# ---- what there is to build ----------------------------------------------------
# Packages in link order (users before what they use), and the closure of a set of them.
closure    = $(if $(1),$(sort $(1) $(call closure,$(foreach p,$(1),$(DEPS_$(p))))))
rev        = $(if $(1),$(call rev,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
libs_of    = $(patsubst %,$(O)/pkg/%.a,$(filter $(call closure,$(1)),$(call rev,$(PKGS))))
PKG_SRC   := $(foreach p,$(PKGS),$(wildcard pkg/$(p)/*.c))
CMD_SRC   := $(foreach p,$(PROGS),$(wildcard cmd/$(p)/*.c))
UNIT_SRC  := $(wildcard tests/unit/*/*.c)
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard bench/*.c)
C_SRC     := $(PKG_SRC) $(CMD_SRC) $(UNIT_SRC) $(BENCH_SRC) $(FUZZ_SRC) tests/fuzz/standalone.c
HEADERS   := $(foreach p,$(PKGS),$(wildcard pkg/$(p)/*.h)) $(wildcard cmd/*/*.h)
BINS      := $(PROGS:%=$(O)/bin/%)
UNITS     := $(UNIT_SRC:tests/unit/%.c=$(O)/unit/%)
BENCHES   := $(BENCH_SRC:bench/%.c=$(O)/bench/%)
REPLAYS   := $(FUZZ_SRC:tests/fuzz/%.c=$(O)/replay/%)

.PHONY: all check unit cli replay lint fmt fmt-check headers analyze fuzz bench compdb \
        install uninstall dist clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY: $(C_SRC:%.c=$(O)/obj/%.o)
all: $(BINS)                  ## build the programs
	@:

# Changing any flag rebuilds: the stamp's content is the command line.
$(O)/.flags: FORCE
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
# DEPS_<pkg> is a link error, so the graph above stays true.
define unit_rule
$(O)/unit/$(1)/%: $(O)/obj/tests/unit/$(1)/%.o $(call libs_of,$(1))
	@mkdir -p $$(@D); echo "  LD      $$@"; $$(CC) $$(LDFLAGS) $$(LDHARDEN) -o $$@ $$+ -lcmocka $$(PC_LIBS)
endef
$(foreach p,$(PKGS),$(eval $(call unit_rule,$(p))))
$(O)/bench/%: $(O)/obj/bench/%.o $(call libs_of,$(PKGS))
	@mkdir -p $(@D); $(CC) $(LDFLAGS) $(LDHARDEN) -o $@ $+ $(PC_LIBS)

$(O)/replay/%: $(O)/obj/tests/fuzz/%.o $(O)/obj/tests/fuzz/standalone.o $(call libs_of,$(PKGS))
	@mkdir -p $(@D); $(CC) $(LDFLAGS) $(LDHARDEN) -o $@ $+ $(PC_LIBS)

check: unit cli replay        ## unit tests, command-line tests, fuzz corpora
unit: $(UNITS)
	@set -e; for t in $(UNITS); do echo "  TEST    $$t"; $$t; done
cli: $(BINS)
	@PATH="$(abspath $(O)/bin):$$PATH" tests/cli/run.sh
replay: $(REPLAYS)
	@set -e; for r in $(REPLAYS); do echo "  REPLAY  $$r"; $$r tests/fuzz/corpus/$$(basename $$r)/*; done
check-asan:                   ## tests under ASan + UBSan, own build folder
	@$(MAKE) --no-print-directory O=$(O)/asan SAN=address,undefined check
check-tsan:                   ## tests under ThreadSanitizer
	@$(MAKE) --no-print-directory O=$(O)/tsan SAN=thread check
headers:                      ## each header compiles alone
	@set -e; for h in $(HEADERS); do $(CC) $(ALL_CFLAGS) -Werror -fsyntax-only -include $$h -x c /dev/null; done
fmt:                          ## reformat in place
	@clang-format -i $(C_SRC) $(HEADERS)
fmt-check:
	@clang-format --dry-run -Werror $(C_SRC) $(HEADERS)
lint: fmt-check headers       ## style, self-contained headers, layering, size limits
	@tests/lint/layers.sh Makefile
analyze: compdb               ## gcc -fanalyzer, clang-tidy, cppcheck
	@set -e; for f in $(PKG_SRC) $(CMD_SRC); do \
	  $(CC) $(ALL_CFLAGS) -U_FORTIFY_SOURCE -O0 -fanalyzer -Werror -c -o /dev/null $$f; \
	  $(CC) $(ALL_CFLAGS) -U_FORTIFY_SOURCE -O1 -fanalyzer -Wno-analyzer-use-of-uninitialized-value \
	    -Werror -c -o /dev/null $$f; done
	@clang-tidy --quiet -p $(O) $(PKG_SRC) $(CMD_SRC)
	@cppcheck -q --error-exitcode=1 --enable=warning,performance,portability --inline-suppr -Ipkg $(PKG_SRC) $(CMD_SRC)
fuzz:                         ## build libFuzzer targets (clang)
	@set -e; mkdir -p $(O)/fuzz; for f in $(FUZZ_SRC); do b=$(O)/fuzz/$$(basename $$f .c); echo "  FUZZ    $$b"; \
	  clang -std=c17 -D_GNU_SOURCE -DVERSION='"fuzz"' -Ipkg -g -O1 -fsanitize=fuzzer,address,undefined -o $$b $$f $(PKG_SRC) $(PC_LIBS); done
bench: $(BENCHES)             ## run the microbenchmarks
	@set -e; for b in $(BENCHES); do $$b; done
compdb: $(C_SRC:%.c=$(O)/obj/%.o)  ## compile_commands.json for clangd and clang-tidy
	@{ echo '['; find $(O)/obj -name '*.o.json' | sort | xargs cat | sed '$$ s/,$$//'; echo ']'; } > $(O)/compile_commands.json
install: all                  ## install under $(DESTDIR)$(prefix)
	install -D -m 755 -t $(DESTDIR)$(bindir) $(BINS)
	@for p in $(PROGS); do mkdir -p $(DESTDIR)$(compdir); $(O)/bin/$$p completion bash > $(DESTDIR)$(compdir)/$$p; done
uninstall:
	rm -f $(PROGS:%=$(DESTDIR)$(bindir)/%) $(PROGS:%=$(DESTDIR)$(compdir)/%)
dist:                         ## reproducible source tarball
	git archive --format=tar.gz --prefix=regmirror-$(VERSION)/ -o regmirror-$(VERSION).tar.gz HEAD
clean:
	rm -rf $(O)
help:                         ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
