# Moonweir. `make help` lists what can be made. Everything that is built or downloaded goes to build/.

BUILD   ?= build
# a second tree with other flags: make SAN=address …  (address, undefined, thread)
SAN     ?=
CC      ?= gcc
OUT     := $(BUILD)$(if $(SAN),/$(SAN))

PACKAGES := libevent libcurl libcjson luajit yaml-0.1
DEPS_BUILD := gcc make pkg-config libc6-dev libevent-dev libcurl4-openssl-dev libcjson-dev libluajit-5.1-dev libyaml-dev
DEPS_TEST  := $(DEPS_BUILD) luajit lua-busted lua-check libcmocka-dev clang libclang-rt-14-dev clang-format \
              python3-pytest python3-jsonschema python3-venv nodejs npm prometheus
DEPS_BENCH := $(DEPS_BUILD) wrk nginx-light luajit
DEPS_LLM   := $(DEPS_BUILD) python3-venv

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

.DEFAULT_GOAL := build
.PHONY: build
build: $(BIN) ## compile build/moonweir (needs what `make deps` installs)

$(BIN): $(OBJ) $(OUT)/obj/main.o $(OUT)/gen/embedded.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/obj/%.o: engine/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LIBCFLAGS) -MMD -MP -c -o $@ $<

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
	$(CC) $(CFLAGS) -c -o $@ $<

-include $(OBJ:.o=.d) $(OUT)/obj/main.d

# ---- tests -------------------------------------------------------------------------------------

# Unit tests are linked with the engine built with tiny ceilings, so that edges are always met.
TINY     := -DMW_BUF_FIRST=8 -DMW_ARENA_BLOCK=64 -DMW_UNIT_TEST
UNIT     := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT:tests/unit/%.c=$(OUT)/unit/%)
TINY_OBJ := $(SRC:engine/%.c=$(OUT)/tiny/%.o)

$(OUT)/tiny/%.o: engine/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TINY) $(LIBCFLAGS) -MMD -MP -c -o $@ $<
$(OUT)/tiny/libtiny.a: $(TINY_OBJ) $(OUT)/gen/embedded.o
	@rm -f $@
	ar crs $@ $^
$(OUT)/unit/%: tests/unit/%.c $(OUT)/tiny/libtiny.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TINY) $(LIBCFLAGS) -Itests/unit -MMD -MP $(LDFLAGS) -o $@ $< $(OUT)/tiny/libtiny.a $(LIBS) -lcmocka
-include $(TINY_OBJ:.o=.d) $(UNIT_BIN:=.d)

.PHONY: unit
unit: $(UNIT_BIN) ## unit tests of engine/ (cmocka)
	@for t in $(UNIT_BIN); do echo "$$t"; $$t || exit 1; done

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)
