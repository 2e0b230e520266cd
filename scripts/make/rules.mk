# SPDX-License-Identifier: Apache-2.0
# What every part shares: flags, quiet output, dependency files.
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' $(1) $(2))

ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')

# clang 14 does not know every warning of gcc.
WARN := -Wall -Wextra -Werror $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option) \
	-Wformat-signedness
# libbpf and libelf are not listed by every libbpf.pc for static use; name them.
LIBS_CORE := json-c yaml-0.1 libmnl
LIBS_AGENT := libuv libmicrohttpd gnutls libcurl libcrypto libprotobuf-c zlib
LIBS_CLI := libcurl
CPPFLAGS += -I. -I$(BUILD) -D_GNU_SOURCE -DWEFT_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g
# SANITIZE=1: everything with AddressSanitizer and UBSan, for a BUILD of its own.
ifeq ($(SANITIZE),1)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
override LDFLAGS += $(SANITIZERS)
endif
CFLAGS_ALL = -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZERS) \
	$(shell $(PKG_CONFIG) --cflags $(LIBS_CORE) $(LIBS_AGENT) $(LIBS_CLI) 2>/dev/null)

$(BUILD)/obj/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
