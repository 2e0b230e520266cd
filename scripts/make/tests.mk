# SPDX-License-Identifier: Apache-2.0
# Tests mirror the tree. tests/run.sh runs tiers and prints the closing line.
