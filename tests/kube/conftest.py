# SPDX-License-Identifier: Apache-2.0
"""One cluster with weft installed, as the README says, for all tests here."""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "e2e"))
import control_plane  # noqa: E402  pylint: disable=wrong-import-position
from cluster import Cluster, why_missing  # noqa: E402  pylint: disable=wrong-import-position
from installed import Installed  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="session")
def kube():
    reason = why_missing()
    if reason:
        pytest.skip(reason)
    reason = control_plane.build()
    if reason:
        pytest.skip(reason)
    with Cluster("t%d" % os.getpid()) as cluster:
        cluster.up()
        installed = Installed(cluster)
        installed.install()
        yield installed
        installed.assert_sane()
