# SPDX-License-Identifier: Apache-2.0
"""The one exception whose text is meant for the user."""


class PlaygroundError(Exception):
    """Something the user can act on; `detail` holds lines to print before the message."""

    def __init__(self, message, detail=""):
        super().__init__(message)
        self.detail = detail
