# SPDX-License-Identifier: Apache-2.0
# The pure policy library, the loader, the agent, and the command line.
POLICY_SRC := $(wildcard policy/*.c)
LOADER_SRC := $(wildcard loader/*.c)
AGENT_SRC := $(filter-out user/main.c,$(wildcard user/*.c user/*/*.c))
CLI_SRC := $(wildcard tools/weft/*.c tools/weft/*/*.c)

POLICY_LIB := $(BUILD)/libpolicy.a
LOADER_LIB := $(BUILD)/libloader.a
AGENT_LIB := $(BUILD)/libagent.a

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

$(POLICY_LIB): $(call objects,$(POLICY_SRC))
$(LOADER_LIB): $(call objects,$(LOADER_SRC))
$(AGENT_LIB): $(call objects,$(AGENT_SRC)) $(BUILD)/obj/user/telemetry/metrics.pb-c.o
$(BUILD)/lib%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(call objects,$(LOADER_SRC)): | $(BPF_SKEL)
# The page is part of the agent.
$(call objects,user/http/ui_page.c): user/http/ui.html

# The format of Prometheus' protocol buffers, by the compiler of protobuf-c.
$(BUILD)/user/telemetry/metrics.pb-c.h: user/telemetry/metrics.proto
	$(call say,PROTO,$<)
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(BUILD) $<
$(BUILD)/user/telemetry/metrics.pb-c.c: $(BUILD)/user/telemetry/metrics.pb-c.h
$(BUILD)/obj/user/telemetry/metrics.pb-c.o: $(BUILD)/user/telemetry/metrics.pb-c.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c $< -o $@
$(BUILD)/obj/user/telemetry/metric_proto.o: $(BUILD)/user/telemetry/metrics.pb-c.h

LDLIBS_BPF := $(shell $(PKG_CONFIG) --libs libbpf 2>/dev/null) -lelf -lz
LDLIBS_CORE = $(shell $(PKG_CONFIG) --libs $(LIBS_CORE)) $(LDLIBS_BPF)
LDLIBS_AGENT = $(shell $(PKG_CONFIG) --libs $(LIBS_AGENT)) -lm
LDLIBS_CLI = $(shell $(PKG_CONFIG) --libs $(LIBS_CLI))

$(BUILD)/weftd: $(call objects,user/main.c) $(AGENT_LIB) $(LOADER_LIB) $(POLICY_LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_AGENT) $(LDLIBS_CORE)

# The CLI uses the agent's pure parts (manifest reading, discovery of the cgroup mount) through its library.
$(BUILD)/weft: $(call objects,$(CLI_SRC)) $(AGENT_LIB) $(LOADER_LIB) $(POLICY_LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_CLI) $(LDLIBS_AGENT) $(LDLIBS_CORE)

$(BUILD)/weft-playground: | $(BUILD)
	$(Q)ln -sf ../tools/playground/weft-playground $@
$(BUILD):
	@mkdir -p $@

.PHONY: all
all: $(BUILD)/weftd $(BUILD)/weft $(BUILD)/weft-playground

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
