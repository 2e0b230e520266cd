# SPDX-License-Identifier: Apache-2.0
"""What the agents of a mesh say has happened: verdict counters and events."""
import collections
import json
import re
import subprocess

from mesh import AGENT_URL

SAMPLE = re.compile(r'^weft_verdicts_total\{(.*)\} (\d+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


class Telemetry:
    """Differences since the last look, summed over all nodes."""

    def __init__(self, mesh):
        self.nodes = {node["name"]: node["netns"] for node in mesh.status()["nodes"]}
        self.counts, self.next = {}, {}
        for node in self.nodes:
            self.counts[node] = self._scrape(node)
            self.next[node] = json.loads(self._get(node, "/v1/events?since=0&limit=100000"))["next"]

    def _get(self, node, path):
        return subprocess.run(["nsenter", "--net=" + self.nodes[node], "curl", "-sS", "--max-time",
                               "10", AGENT_URL + path], check=True, capture_output=True,
                              text=True).stdout

    def _scrape(self, node):
        samples = collections.Counter()
        for line in self._get(node, "/metrics").splitlines():
            found = SAMPLE.match(line)
            if found:
                labels = dict(LABEL.findall(found.group(1)))
                samples[tuple(sorted(labels.items()))] += int(found.group(2))
        return samples

    def value(self, node, name):
        """A sample without labels."""
        return next(float(line.split()[1]) for line in self._get(node, "/metrics").splitlines()
                    if line.startswith(name + " "))

    def verdicts(self, *by):
        """New verdicts: {values of the labels `by`: how many}, over all nodes."""
        new = collections.Counter()
        for node in self.nodes:
            now = self._scrape(node)
            for labels, count in (now - self.counts[node]).items():
                new[tuple(dict(labels)[label] for label in by)] += count
            self.counts[node] = now
        return new

    def events(self, *kinds):
        """New events of these types, each with its node."""
        found = []
        for node in self.nodes:
            page = json.loads(self._get(node, "/v1/events?since=%d&limit=100000" % self.next[node]))
            assert page["lost"] == 0
            self.next[node] = page["next"]
            found += [dict(item, node=node) for item in page["items"] if item["type"] in kinds]
        return found
