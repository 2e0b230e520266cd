# SPDX-License-Identifier: Apache-2.0
"""The cluster: holds all objects and plays API server, kubelet and endpoint slice controller."""
import asyncio
import contextlib
import copy
import json
import os
import signal
import sys

from . import agents, cgroups, endpoints, folder, kernel, network, objects, services
from .errors import PlaygroundError
from .node import Node
from .pods import Pod

# How long a pod that was deleted waits for the agents to stop sending to it, before SIGTERM.
DRAIN_TIMEOUT = 2.0


class Cluster:
    """All of one playground. Single-threaded; only methods marked async may be interleaved."""

    def __init__(self, paths, topology, cwd, make_agent):
        self.paths = paths
        self.folder = folder.Folder(paths.manifests)
        self.network = network.Network(paths, topology)
        self.nodes = {}
        self.pods = {}
        self.services = {}
        self._cwd = cwd
        self._make_agent = make_agent
        self._documents = {}
        self._slices = {}
        self._allocator = services.Allocator()
        self._node_index = 0
        self._dirty_pods = {}
        self._flush_scheduled = False
        self._endings = {}
        self._background = set()
        self._lock = asyncio.Lock()

    # --- publishing

    def _publish(self, key, document):
        self.folder.publish(key, document)

    def _pod_changed(self, pod):
        self._dirty_pods[(pod.namespace, pod.name)] = pod
        self._schedule_flush()

    def _schedule_flush(self):
        if not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self):
        """Bring the folder and state.json up to date with pods and services."""
        self._flush_scheduled = False
        dirty, self._dirty_pods = self._dirty_pods, {}
        for identity, pod in dirty.items():
            if self.pods.get(identity) is pod:
                self._publish(objects.Key("", "Pod", *identity), pod.published())
        self._publish_slices()
        temporary = self.paths.state_json + ".tmp"
        kernel.write_file(temporary, json.dumps(self.status()))
        os.rename(temporary, self.paths.state_json)

    def _publish_slices(self):
        wanted = {}
        pods = [self.pods[identity] for identity in sorted(self.pods)]
        for key in sorted(self.services):
            for document in self._slices_of(key, pods):
                metadata = document["metadata"]
                slice_key = objects.key_of(document)
                if slice_key in self._documents:
                    metadata["name"] += "-generated"
                    slice_key = objects.key_of(document)
                wanted[slice_key] = document
        for key, document in wanted.items():
            old = self._slices.get(key)
            objects.complete_metadata(document, key, old)
            if document != old:
                self._publish(key, document)
        for key in self._slices.keys() - wanted.keys():
            self.folder.withdraw(key)
        self._slices = wanted

    def _slices_of(self, key, pods):
        try:
            return endpoints.of_service(self.services[key], pods)
        except (TypeError, ValueError, AttributeError) as error:
            # A Service may be broken on purpose; the others still get their slices.
            print(f"{key}: no EndpointSlices: {error}", file=sys.stderr, flush=True)
            return []

    # --- objects

    def _accept_other(self, key, document):
        document = copy.deepcopy(document)
        if not key.name.startswith("!"):
            objects.complete_metadata(document, key, self._documents.get(key))
        self._documents[key] = document
        self._publish(key, document)

    def _accept_services(self, documents):
        for document in documents.values():
            self._allocator.reserve_given(document)
        for key, document in documents.items():
            previous = self.services.get(key)
            document = copy.deepcopy(document)
            objects.complete_metadata(document, key, previous)
            document = self._allocator.complete(document, previous)
            if previous is not None:
                self._allocator.release(previous, services.cluster_ips(document))
            self.services[key] = document
            self._publish(key, document)

    async def _accept_nodes(self, documents, with_agents):
        for key, document in documents.items():
            document = copy.deepcopy(document)
            known = self.nodes.get(key.name)
            objects.complete_metadata(document, key, known.document if known else None)
            if known:
                known.document = document
            else:
                self._node_index += 1
                known = Node(self.paths, document, self._node_index)
                await self._create_node(known, with_agents)
            self._publish(key, known.published())

    async def _create_node(self, node, with_agents):
        taken = {address: other.name for other in self.nodes.values()
                 for address in other.addresses}
        for address in node.addresses:
            if address in taken:
                raise PlaygroundError(f"Node {node.name}: address {address} belongs to node "
                                      f"{taken[address]}")
        node.create_directories()
        await self.network.add_node(node, list(self.nodes.values()))
        node.agent = self._make_agent(node)
        self.nodes[node.name] = node
        kernel.write_file(self.paths.node_file(node.name), json.dumps({
            "netns": node.netns, "cgroup": node.host_cgroup, "env": {
                "WEFT_BPFFS": node.bpffs, "WEFT_CGROUP": node.cgroup, "WEFT_NODE": node.name,
                "WEFT_MANIFESTS": self.paths.manifests}}))
        if with_agents:
            await node.agent.start()

    # --- pods

    def _place(self, document):
        name = document["spec"].get("nodeName")
        if name is not None:
            return self.nodes[name]
        load = {name: 0 for name in self.nodes}
        for pod in self.pods.values():
            load[pod.node.name] += 1
        return self.nodes[min(load, key=lambda name: (load[name], self.nodes[name].index))]

    async def _create_pods(self, documents):
        """New pods up to phase Running: namespaces and addresses exist, no container yet."""
        created = []
        try:
            for key, document in documents.items():
                document = copy.deepcopy(document)
                objects.complete_metadata(document, key)
                node = self._place(document)
                document["spec"]["nodeName"] = node.name
                pod = Pod(self.paths, document, node, self._cwd, self._pod_changed)
                created.append(pod)
                self.pods[(pod.namespace, pod.name)] = pod
                pod.prepare()
                await asyncio.sleep(0)
            await asyncio.gather(*[self.network.connect_pods(
                node, [pod for pod in created if pod.node is node and not pod.host_network])
                for node in self.nodes.values()])
        except BaseException:
            for pod in created:
                with contextlib.suppress(PlaygroundError, OSError):
                    await self._remove_pod(pod, 0)
                pod.settled.set()
            raise
        for pod in created:
            pod.set_plumbed()
            self._pod_changed(pod)
        self.flush()
        return created

    def _start_pods(self, pods):
        known = list(self.services.values())
        failures = []
        for pod in pods:
            try:
                pod.start(known)
            except PlaygroundError as error:
                failures.append(str(error))
            finally:
                pod.settled.set()
        if failures:
            raise PlaygroundError("; ".join(failures))

    def _update_pod(self, pod, key, document):
        """Take over changed labels and annotations; False when the pod must be made anew."""
        new_spec = copy.deepcopy(document["spec"])
        new_spec.setdefault("nodeName", pod.node.name)
        new_uid = document["metadata"].get("uid", pod.uid)
        if pod.terminating or new_spec != pod.spec or new_uid != pod.uid:
            return False
        document = copy.deepcopy(document)
        document["spec"] = new_spec
        objects.complete_metadata(document, key, pod.document)
        if document != pod.document:
            pod.document = document
            self._pod_changed(pod)
        return True

    async def _replace_pod(self, old, key, document):
        await self._end_pod(old, None)
        self._start_pods(await self._create_pods({key: document}))

    async def _new_pods(self, documents):
        self._start_pods(await self._create_pods(documents))

    def _end_pod(self, pod, grace):
        """The one task that ends this pod, started by whoever comes first."""
        task = self._endings.get(pod)
        if task is None:
            task = asyncio.ensure_future(
                self._drain_and_remove(pod, pod.grace() if grace is None else grace))
            self._endings[pod] = task
            task.add_done_callback(lambda _: self._endings.pop(pod, None))
        return asyncio.shield(task)

    async def _drain_and_remove(self, pod, grace):
        await pod.settled.wait()
        if self.pods.get((pod.namespace, pod.name)) is not pod:
            return  # its creation failed and was undone
        pod.mark_terminating(grace)
        self.flush()
        with contextlib.suppress(PlaygroundError):
            await self.wait_agents(DRAIN_TIMEOUT)
        await self._remove_pod(pod, grace)

    async def _remove_pod(self, pod, grace):
        await pod.stop(grace)
        if not pod.host_network:
            await self.network.disconnect_pod(pod.node, pod)
        pod.release_addresses()
        identity = (pod.namespace, pod.name)
        if self.pods.get(identity) is pod:
            del self.pods[identity]
            self.folder.withdraw(objects.Key("", "Pod", *identity))
        self.flush()

    # --- requests

    async def up(self, plan, with_agents):
        if not plan.of_kind("Node"):
            raise PlaygroundError("the manifests hold no Node object")
        plan.check_pods(())
        await self.network.create_fabric()
        await self._accept_nodes(plan.of_kind("Node"), False)
        for key, document in plan.others().items():
            self._accept_other(key, document)
        self._accept_services(plan.of_kind("Service"))
        pods = await self._create_pods(plan.of_kind("Pod"))
        if with_agents:
            # Before the containers: no connection is ever made ungoverned.
            await asyncio.gather(*[node.agent.start() for node in self.nodes.values()])
        self._start_pods(pods)
        self.flush()

    async def apply(self, plan, with_agents):
        """Take the manifests in; returns the tasks that are still changing pods."""
        plan.check_pods(self.nodes)
        async with self._lock:
            await self._accept_nodes(plan.of_kind("Node"), with_agents)
            for key, document in plan.others().items():
                self._accept_other(key, document)
            self._accept_services(plan.of_kind("Service"))
            tasks, new = [], {}
            for key, document in plan.of_kind("Pod").items():
                old = self.pods.get((key.namespace, key.name))
                if old is None:
                    new[key] = document
                elif not self._update_pod(old, key, document):
                    tasks.append(self._spawn(self._replace_pod(old, key, document)))
            if new:
                tasks.append(self._spawn(self._new_pods(new)))
            self.flush()
        return tasks

    async def delete(self, plan, grace):
        """Start deleting; returns (tasks, keys that do not exist)."""
        tasks, missing = [], []
        self._check_node_removal(plan)
        async with self._lock:
            for key in plan.documents:
                if key.kind == "Pod" and not key.group:
                    pod = self.pods.get((key.namespace, key.name))
                    if pod:
                        tasks.append(self._spawn(self._end_pod(pod, grace)))
                    else:
                        missing.append(key)
                elif key in self.services:
                    self._allocator.release(self.services.pop(key))
                    self.folder.withdraw(key)
                elif key in self._documents:
                    del self._documents[key]
                    self.folder.withdraw(key)
                elif not (key.kind == "Node" and key.name in self.nodes):
                    missing.append(key)
            self.flush()
            nodes = [self.nodes[key.name] for key in plan.of_kind("Node")
                     if key.name in self.nodes]
            if nodes:
                await asyncio.gather(*tasks)
                for node in nodes:
                    await self._remove_node(node)
        return tasks, missing

    def _check_node_removal(self, plan):
        going = {(key.namespace, key.name) for key in plan.of_kind("Pod")}
        for key in plan.of_kind("Node"):
            staying = [pod.name for identity, pod in self.pods.items()
                       if pod.node.name == key.name and identity not in going]
            if staying:
                raise PlaygroundError(f"{key} still has pods: {', '.join(staying)}")

    async def _remove_node(self, node):
        if node.agent.running:
            await node.agent.end(signal.SIGTERM)
        del self.nodes[node.name]
        self.folder.withdraw(objects.Key("", "Node", "", node.name))
        os.unlink(self.paths.node_file(node.name))
        await self.network.remove_node(node, list(self.nodes.values()))
        node.remove_directories()
        cgroups.remove(node.cgroup)
        self.flush()

    def _spawn(self, awaitable):
        async def body():
            return await awaitable
        task = asyncio.ensure_future(body())
        self._background.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task):
        self._background.discard(task)
        if not task.cancelled() and task.exception():
            print(f"error: {task.exception()}", file=sys.stderr, flush=True)

    async def wait_agents(self, timeout):
        await agents.wait_synced([node.agent for node in self.nodes.values()], self.folder,
                                 lambda: list(self.pods.values()), timeout)

    def status(self):
        """The answer of `status -o json`."""
        return {
            "name": self.paths.name,
            "topology": self.network.topology,
            "nodes": [{
                "name": node.name, "addresses": node.addresses,
                "agentPid": node.agent.pid if node.agent else None,
                "bpffs": node.bpffs, "cgroup": node.cgroup, "netns": node.netns,
                "manifests": self.paths.manifests, "agentLog": node.log,
                "podCIDRs": [str(pool.network) for pool in node.pools],
            } for node in self.nodes.values()],
            "pods": [{
                "namespace": pod.namespace, "name": pod.name, "node": pod.node.name,
                "addresses": pod.addresses, "pid": pod.pid, "cgroup": pod.cgroup,
                "netns": pod.netns, "ready": pod.ready, "uid": pod.uid, "phase": pod.phase,
                "terminating": pod.terminating,
                "interface": None if pod.host_network else pod.interface,
                "containers": [{"name": one.name, "restarts": one.restarts, "log": one.log,
                                "pid": one.child.pid if one.child and one.child.running else None}
                               for one in pod.containers],
            } for pod in self.pods.values()],
            "services": [{"namespace": key.namespace, "name": key.name,
                          "clusterIPs": services.cluster_ips(document)}
                         for key, document in self.services.items()],
            "outside": {"netns": self.paths.fabric_netns,
                        "addresses": [str(network.addresses.FABRIC_V4),
                                      str(network.addresses.FABRIC_V6)]},
        }
