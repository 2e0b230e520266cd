# SPDX-License-Identifier: Apache-2.0
"""A simulated Kubernetes cluster: nodes and pods as network namespaces and cgroups."""
