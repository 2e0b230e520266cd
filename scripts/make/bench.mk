# SPDX-License-Identifier: Apache-2.0
# Cost against direct connections. BENCH_* variables are described in tools/bench/bench.py.
.PHONY: bench bench-kube
bench:
	$(Q)scripts/setup.sh build run bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)WEFT_BUILD=$(abspath $(BUILD)) tools/bench/bench.py

# The agent behind an API server: latency of changes, memory and CPU time in large clusters.
bench-kube:
	$(Q)scripts/setup.sh build run bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)WEFT_BUILD=$(abspath $(BUILD)) tools/bench/kube.py
