# rankd: `make help` lists the targets. Objects of each variant lie in build/<variant>/ and never mix.
.DEFAULT_GOAL := all
VARIANT ?= release
B := build/$(VARIANT)
ifeq ($(origin CC),default)
CC := gcc
endif
MARCH ?=
VERSION := 0.1.0
comma := ,

PACKAGES := gcc libc6-dev libmicrohttpd-dev libjansson-dev libsqlite3-dev libxxhash-dev libgnutls28-dev libcmocka-dev
LIBS := -lmicrohttpd -ljansson -lsqlite3 -lgnutls -lxxhash -lpthread -lm

WARN := -Wall -Wextra -Wshadow -Wconversion -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
        -Wcast-qual -Wpointer-arith -Wwrite-strings -Wundef -Wvla $(if $(CI),-Werror)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS_release := -O2 $(HARDEN) -D_FORTIFY_SOURCE=2
CFLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DRANKD_SANITIZED
CFLAGS_tsan := -O1 -fno-omit-frame-pointer -fsanitize=thread -DRANKD_SANITIZED
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_fuzz := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DRANKD_SANITIZED
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
BASE := -std=c11 -D_GNU_SOURCE -g -MMD -MP $(WARN) $(CFLAGS_$(VARIANT)) $(MARCH)
# The mathematics: vectorised, never fused or reordered, so that two runs give the same bits. Nobody reads errno or the
# floating-point exceptions after it: loops over roots and choices are vectorised too.
CORE_FLAGS := $(BASE) -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -Iinclude -Icore
SERVER_FLAGS := $(BASE) -Iinclude -Iserver -DRANKD_VERSION='"$(VERSION)"'
TEST_FLAGS := $(BASE) -Iinclude -Iserver -Itests -DRANKD_BINARY='"$(abspath $(B)/rankd)"'

CORE := $(patsubst %.c,$(B)/%.o,$(wildcard core/*.c))
SERVER := $(patsubst %.c,$(B)/%.o,$(filter-out server/main.c,$(wildcard server/*.c)))
EMBED := $(B)/embed.o
TEST_HELP := $(patsubst %.c,$(B)/%.o,$(filter-out tests/test_%.c tests/golden.c,$(wildcard tests/*.c)))
TESTS := $(patsubst tests/%.c,$(B)/%,$(wildcard tests/test_*.c))
THREADED := access api_caps backup retention pair known_list live models catalogue writer trainee trainee_recover trainee_reach trainee_walk trainer trainer_commands trainer_models api api_models_change api_score api_feedback storage http http_worker serve
RELS := $(patsubst tests/rel/rel_%.c,%,$(wildcard tests/rel/rel_*.c))
REL_HELP := $(patsubst %.c,$(B)/%.o,$(filter-out tests/rel/rel_%.c,$(wildcard tests/rel/*.c)))
LDFLAGS_rel_migrate := -Wl,--wrap=embedded_files,--wrap=fsync,--wrap=rename,--wrap=unlink
LDFLAGS_rel_poison := -Wl,--wrap=clock_unix_ms
# All memory of rankd's own code comes from tests/rel/oom_heap.c there.
LDFLAGS_rel_oom := $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc free aligned_alloc strdup)
LDFLAGS_test_http_heap := $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc aligned_alloc strdup)
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH_HELP := $(patsubst %.c,$(B)/%.o,$(filter-out tests/bench/bench_%.c,$(wildcard tests/bench/*.c)))
BENCHES := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/bench_*.c))
GOLDEN ?= $(wildcard ../shared/golden)

##@ Use
all: $(B)/rankd ## build the server (installs what is missing)
run: $(B)/rankd ## serve on 127.0.0.1:8080 with ./data/rankd.db
	@mkdir -p data && exec $(B)/rankd serve --db data/rankd.db --listen 127.0.0.1:8080
install: $(B)/rankd $(B)/librankd.a ## install binary, library, headers and pkg-config file below PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/rankd
	install -m 755 $(B)/rankd $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/librankd.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/rankd/*.h $(DESTDIR)$(PREFIX)/include/rankd/
	printf 'Name: rankd\nDescription: factorization machines and ranking losses\nVersion: $(VERSION)\nCflags: -I$(PREFIX)/include\nLibs: -L$(PREFIX)/lib -lrankd -lxxhash -lm\n' \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/rankd.pc
PREFIX ?= /usr/local

##@ Check
test: $(TESTS) $(B)/rankd ## build and run every test
	@failed=; passed=0; for t in $(TESTS); do echo "== $$t"; if $$t; then passed=$$((passed + 1)); else failed="$$failed $$t"; fi; done; \
	[ -z "$$failed" ] || echo "failed:$$failed"; echo "test programs: $$passed passed, $$(echo $$failed | wc -w) failed"; [ -z "$$failed" ]
check: test rel ## every test, and every kind of fault tried REL_SCALE times as often as usual (default 1)
rel: $(RELS:%=rel-%)
rel-%: $(B)/rel_% $(B)/rankd
	@echo "== $<"; $<
golden: $(B)/golden ## run the golden numbers of GOLDEN=<folder>
	$(B)/golden $(GOLDEN)
asan: ## tests under address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory VARIANT=asan test
tsan: ## tests with threads under the thread sanitizer (without address randomisation, which its shadow memory does not stand)
	@setarch -R $(MAKE) --no-print-directory VARIANT=tsan TESTS="$(THREADED:%=build/tsan/test_%)" test
fuzz: ## feed the readers damaged input for SECS seconds each (libFuzzer)
	@command -v clang-14 >/dev/null || { echo "rankd: missing package: clang-14"; exit 1; }
	@ls "$$(clang-14 -print-resource-dir)"/lib/linux/libclang_rt.fuzzer-* >/dev/null 2>&1 || { echo "rankd: missing package: libclang-rt-14-dev"; exit 1; }
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang-14 $(FUZZERS:%=build/fuzz/fuzz_%)
	@for f in $(FUZZERS); do mkdir -p build/fuzz/corpus/$$f; build/fuzz/fuzz_$$f -max_total_time=$(SECS) -timeout=10 -print_final_stats=1 \
		-artifact_prefix=build/fuzz/$$f- build/fuzz/corpus/$$f tests/fuzz/corpus/$$f >build/fuzz/$$f.log 2>&1 || { tail -50 build/fuzz/$$f.log; exit 1; }; \
	echo "== fuzz $$f: nothing found"; grep -E 'DONE|stat::(number|average|peak)' build/fuzz/$$f.log; done
SECS ?= 60
lint: $(B)/librankd.a ## who may include whom, symbols, sizes, formatting
	@tests/lint.sh $(B)/librankd.a
	@! command -v clang-format-14 >/dev/null || clang-format-14 --dry-run -Werror $(SOURCES)
bench: $(BENCHES) $(B)/rankd ## benchmarks, each row a ratio to a floor of the same run
	@for b in $(BENCHES); do $$b || exit 1; done
bench-peers: $(B)/bench/bench_train $(B)/rankd ## training beside Vowpal Wabbit, where its Python wheel is installed
	@python3 tests/bench/peers.py $(B)
bench-quick: ## the same in less than a minute: fewer rounds of less data
	@BENCH_QUICK=1 $(MAKE) --no-print-directory bench

##@ Care
format: ## format all sources
	clang-format-14 -i $(SOURCES)
clean: ## remove what was built
	rm -rf build
help: ## list the targets
	@awk -F ':.*## ' '/^##@/ {print substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile
.PHONY: all run install test check rel golden asan tsan fuzz bench bench-peers bench-quick format lint clean help
SOURCES := $(wildcard include/rankd/*.h core/*.[ch] server/*.[ch] tests/*.[ch] tests/bench/*.[ch] tests/rel/*.[ch])

# What a fresh machine lacks is installed once; where that cannot be done, one line says what is missing.
build/.packages: Makefile
	@mkdir -p build; if ! command -v dpkg-query >/dev/null; then echo "rankd: no dpkg here, needs the likes of: $(PACKAGES)"; touch $@; exit 0; fi; \
	missing=; for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" != 0 ]; then echo "rankd: missing packages:$$missing (as root: apt-get install$$missing)"; exit 1; fi; \
		echo "installing:$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null || \
		{ echo "rankd: could not install:$$missing"; exit 1; }; fi; touch $@

$(B)/core/%.o: core/%.c | build/.packages
	@mkdir -p $(@D)
	$(CC) $(CORE_FLAGS) -c -o $@ $<
$(B)/server/%.o: server/%.c | build/.packages
	@mkdir -p $(@D)
	$(CC) $(SERVER_FLAGS) -c -o $@ $<
$(B)/tests/%.o: tests/%.c | build/.packages
	@mkdir -p $(@D)
	$(CC) $(TEST_FLAGS) -Itests/rel -c -o $@ $<
$(B)/librankd.a: $(CORE)
	@rm -f $@
	ar rcs $@ $^
$(B)/rankd: $(B)/server/main.o $(SERVER) $(EMBED) $(B)/librankd.a
	$(CC) $(LDFLAGS_$(VARIANT)) -o $@ $^ $(LIBS)
$(B)/test_%: $(B)/tests/test_%.o $(TEST_HELP) $(SERVER) $(EMBED) $(B)/librankd.a
	$(CC) $(LDFLAGS_$(VARIANT)) $(LDFLAGS_test_$*) -o $@ $^ $(LIBS) -lcmocka
$(B)/rel_%: $(B)/tests/rel/rel_%.o $(REL_HELP) $(TEST_HELP) $(SERVER) $(EMBED) $(B)/librankd.a
	$(CC) $(LDFLAGS_$(VARIANT)) $(LDFLAGS_rel_$*) -o $@ $^ $(LIBS) -lcmocka -ldl
$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(SERVER) $(EMBED) $(B)/librankd.a
	$(CC) $(LDFLAGS_$(VARIANT)) -o $@ $^ $(LIBS)
$(B)/golden: $(B)/tests/golden.o $(B)/librankd.a
	$(CC) $(LDFLAGS_$(VARIANT)) -o $@ $^ $(LIBS)
$(B)/bench/%: tests/bench/%.c $(BENCH_HELP) $(SERVER) $(EMBED) $(B)/librankd.a
	@mkdir -p $(@D)
	$(CC) $(TEST_FLAGS) -O3 -ffp-contract=off $(LDFLAGS_$(VARIANT)) -o $@ $(filter %.c %.o %.a,$^) $(LIBS)

# Texts that ride in the binary: every migration in order, and the web files.
EMBEDDED := $(sort $(wildcard migrations/*.sql)) $(wildcard server/web/*)
$(B)/embed.c: $(EMBEDDED) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "embed.h"'; echo 'const struct embedded_file embedded_files[] = {'; for f in $(EMBEDDED); do \
		printf '{"%s",\n' "$$f"; sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $$f; echo '},'; done; echo '{0, 0}};'; } > $@
$(B)/embed.o: $(B)/embed.c | build/.packages
	$(CC) $(SERVER_FLAGS) -c -o $@ $<

-include $(wildcard $(B)/*/*/*.d $(B)/*/*.d $(B)/*.d)
.SECONDARY:
