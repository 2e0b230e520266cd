# SPDX-License-Identifier: Apache-2.0
# Tests mirror the tree. Every C test is one binary built with ASan and UBSan in
# $(BUILD)/san, together with sanitized libraries and a sanitized weftd and weft, which the
# end-to-end tests run. tests/run.py runs the tiers and prints the closing line.
SAN := $(BUILD)/san
JOBS ?= $(shell nproc)
# First those that no clock judges: Kubernetes is built beside them, if it has to be.
TIERS := lint docs unit fuzz bpf loader agent playground e2e kube

C_TESTS := $(wildcard $(foreach tier,unit bpf loader agent,tests/$(tier)/test_*.c))
TEST_BIN := $(C_TESTS:%.c=$(BUILD)/%)
TEST_LIBS := $(AGENT_LIB) $(LOADER_LIB) $(POLICY_LIB)

$(TEST_BIN): $(BUILD)/%: %.c $(TEST_LIBS) | $(BPF_SKEL)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Itests -MMD -MP -MF $@.d -o $@ $< $(filter %.o,$^) \
		$(TEST_LIBS) $(LDFLAGS) -lcmocka -lm $(LDLIBS_AGENT) $(LDLIBS_CORE) $(ORACLES)
-include $(TEST_BIN:%=%.d)

# BPF programs that only tests load.
TEST_BPF_SRC := $(wildcard tests/bpf/*.bpf.c)
TEST_BPF_SKEL := $(TEST_BPF_SRC:tests/bpf/%.bpf.c=$(BUILD)/tests/bpf/%.skel.h)
$(BUILD)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/tests/bpf/%.skel.h: $(BUILD)/tests/bpf/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.tmp && mv $@.tmp $@
-include $(TEST_BPF_SRC:tests/bpf/%.bpf.c=$(BUILD)/tests/bpf/%.bpf.d)
$(filter $(BUILD)/tests/bpf/% $(BUILD)/tests/loader/%,$(TEST_BIN)): $(TEST_BPF_SKEL)

# The other C files of a test's folder are part of every test there.
test_helpers = $(filter-out tests/$(1)/test_% %.bpf.c,$(wildcard tests/$(1)/*.c))
define link_helpers
$(filter $(BUILD)/tests/$(1)/%,$(TEST_BIN)): $(call objects,$(call test_helpers,$(1)))
$(call objects,$(call test_helpers,$(1))): | $(BPF_SKEL) $(TEST_BPF_SKEL)
endef
$(foreach tier,unit bpf loader agent,$(if $(call test_helpers,$(tier)),$(eval $(call link_helpers,$(tier)))))

# The regex compiler's oracles. RE2 is C++, and the only reason to need a compiler for it.
TEST_CXX := $(if $(findstring clang,$(CC)),clang++,g++)
$(BUILD)/obj/tests/unit/regex_re2.o: tests/unit/regex_re2.cc
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(TEST_CXX) $(CPPFLAGS) -std=gnu++17 -Wall -Wextra -Werror $(CFLAGS) $(SANITIZERS) -Itests \
		-MMD -MP -c $< -o $@
$(BUILD)/tests/unit/test_regex_differential: $(BUILD)/obj/tests/unit/regex_re2.o
$(BUILD)/tests/unit/test_regex_differential: ORACLES := -lre2 -lpcre2-8 -lstdc++

# What the command line draws.
$(BUILD)/tests/unit/test_graph: $(call objects,$(patsubst %,tools/weft/live/%.c,graph words canvas layout draw_text draw_dot draw_svg))

# What end-to-end tests run in pods, each a program of one file. Without sanitizers: not under test.
E2E_BIN := $(patsubst %.c,$(BUILD)/%,$(filter-out %.bpf.c,$(wildcard tests/e2e/*.c)))
E2E_BPF := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/e2e/*.bpf.c))
$(E2E_BIN): $(BUILD)/%: %.c $(wildcard tests/e2e/*.h)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -o $@ $< $(LDFLAGS) -pthread
$(E2E_BPF): $(BUILD)/%.o: %.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

# The reference evaluator for tests in other languages.
HTTP_REFERENCE := $(BUILD)/tests/http_reference
$(HTTP_REFERENCE): $(call objects,$(wildcard tests/reference/*.c user/source/manifest*.c)) $(POLICY_LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm $(LDLIBS_CORE)
$(call objects,$(wildcard tests/reference/*.c)): CPPFLAGS += -Itests

# Fuzz targets: clang and libFuzzer over the pure parts only.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
FUZZ_UNDER_TEST := $(POLICY_SRC) $(wildcard user/source/manifest*.c)
FUZZ_SECONDS ?= 300
$(FUZZ_BIN): $(BUILD)/%: %.c $(FUZZ_UNDER_TEST) $(wildcard policy/*.h tests/unit/*.h bpf/http_run.bpf.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(filter-out -O2,$(CFLAGS_ALL)) -Wno-unknown-warning-option -O1 -Itests \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o $@ $< \
		$(FUZZ_UNDER_TEST) -lm $(LDLIBS_CORE)

.PHONY: test-programs e2e-programs fuzz-programs
test-programs: $(TEST_BIN)
e2e-programs: $(E2E_BIN) $(E2E_BPF) $(HTTP_REFERENCE)
fuzz-programs: $(FUZZ_BIN)

# Privileges, kernel and tools decide at run time which tiers can run; tests/run.py says which not and why.
define sanitized
$(Q)$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(SAN) SANITIZE=1 test-programs $(SAN)/weftd $(SAN)/weft
endef

.PHONY: setup setup-kube setup-browser test-build check test
setup:
	$(Q)scripts/setup.sh
# Only where a cluster is possible; otherwise, or when it fails, the tier says what is missing.
setup-kube: setup
	$(Q)! /usr/bin/python3 tests/kube/prepare.py packages || scripts/setup.sh kube || true
# Large, and of use for one page's tests, which say so when it is missing.
setup-browser: setup
	$(Q)scripts/setup.sh browser || true
test-build: setup
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all fuzz-programs e2e-programs
	$(sanitized)

check: test-build setup-kube
	$(Q)scripts/setup.sh browser || true
	$(Q)/usr/bin/python3 tests/run.py --build $(BUILD) $(TIERS)
test: check
CHECK_ONE := $(TIERS:%=check-%)
.PHONY: $(CHECK_ONE)
$(CHECK_ONE): check-%: test-build
	$(Q)/usr/bin/python3 tests/run.py --build $(BUILD) $*

check-kube: setup-kube
check-e2e: setup-browser

.PHONY: kube-up kube-down
kube-up: setup-kube
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)WEFT_BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/kube/by_hand.py up
kube-down:
	$(Q)/usr/bin/python3 tests/kube/by_hand.py down

.PHONY: lint fuzz demo
lint:
	$(Q)scripts/lint/run.sh
fuzz: setup fuzz-programs
	$(Q)/usr/bin/python3 tests/run.py --build $(BUILD) --fuzz-seconds $(FUZZ_SECONDS) fuzz
demo: setup
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)tools/demo/demo.py
