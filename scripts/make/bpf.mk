# SPDX-License-Identifier: Apache-2.0
# Every bpf/*.bpf.c is one hook family; they are linked into one object and one skeleton.
BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:%.bpf.c=$(BUILD)/%.o)
BPF_SKEL := $(BUILD)/weft.skel.h
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror \
	-D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -Ibpf

$(BUILD)/bpf/%.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/weft.bpf.o: $(BPF_OBJ)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BPF_SKEL): $(BUILD)/weft.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name weft_bpf > $@.tmp && mv $@.tmp $@

.PHONY: bpf
bpf: $(BPF_SKEL)
-include $(BPF_OBJ:.o=.d)
