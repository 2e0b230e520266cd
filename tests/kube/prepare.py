#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Before the tests' clocks run: why there can be no cluster here, or a built control plane.

    prepare.py            says why not and exits with 3, or builds; takes minutes the first time
    prepare.py packages   exits with 0 if there could be one once the packages are there"""
import os
import sys

import control_plane
from cluster import why_impossible, why_missing

CANNOT = 3


def main():
    packages = sys.argv[1:] == ["packages"]
    reason = why_impossible() if packages else why_missing()
    if not reason and not packages:
        os.nice(19)  # others may run beside it
        reason = control_plane.build()
    if reason:
        print(reason)
    return CANNOT if reason else 0


if __name__ == "__main__":
    sys.exit(main())
