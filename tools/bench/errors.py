# SPDX-License-Identifier: Apache-2.0
"""What ends the bench with a message instead of a report."""


class BenchError(RuntimeError):
    """A measurement is impossible or would be wrong; the message says why and what helps."""
