# SPDX-License-Identifier: Apache-2.0
.PHONY: clean
clean:
	$(Q)rm -rf $(BUILD)
