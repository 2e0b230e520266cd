# SPDX-License-Identifier: Apache-2.0
# weft on other kernels, in guests of QEMU. Not part of `make check`: without KVM a guest takes
# minutes. KERNELS="6.1 newest" chooses; tests/kernels/check.py lists them.
KERNELS ?=
KERNEL_TESTS := $(filter $(foreach tier,bpf loader agent,$(BUILD)/tests/$(tier)/%),$(TEST_BIN))
.PHONY: check-kernels
check-kernels:
	$(Q)scripts/setup.sh build run test kernels
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(KERNEL_TESTS)
	$(Q)/usr/bin/python3 tests/kernels/check.py --build $(BUILD) $(KERNELS)
