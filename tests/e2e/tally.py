# SPDX-License-Identifier: Apache-2.0
"""Traffic whose both ends keep count (tally_client, tally_server), and what weft counted of it."""
import collections
import json
import subprocess

import promtext
from robust import BUILD

CLIENT = BUILD / "tests/e2e/tally_client"
SERVER = BUILD / "tests/e2e/tally_server"
HTTP, TALK = 80, 7000  # ports


class Server:
    """A tally_server in a pod, as a context manager."""

    def __init__(self, cluster, where):
        self.process = cluster.mesh.popen(where, str(SERVER), str(HTTP), str(TALK),
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.names = {address: name for name, pod in cluster.pods.items()
                      for address in pod["addresses"]}

    def __enter__(self):
        self.counts()
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=10)

    def counts(self):
        """Numbers by (caller's pod, "http" or "tcp", what), over both families."""
        self.process.stdin.write("counts\n")
        self.process.stdin.flush()
        counts = collections.Counter()
        for text, number in json.loads(self.process.stdout.readline()).items():
            peer, port, what = text.split(" ", 2)
            counts[self.names.get(peer, "outside"), port, what] += number
        return counts


class Run:
    """tally_clients that run side by side in `source`, a pod's name or a network namespace; each a
    list of what follows the address and port on its command line, "http" or "talk" first. Again `times`
    times, with a pause behind each."""

    def __init__(self, cluster, source, address, *clients, times=1, pause=0.0):
        lines = [" ".join([str(CLIENT), kind, address, str(HTTP if kind == "http" else TALK),
                           *arguments]) + " &" for kind, *arguments in clients]
        script = ["sh", "-c", "for i in $(seq %d); do\n%s\nwait; sleep %g; done"
                  % (times, "\n".join(lines), pause)]
        if source in cluster.pods:
            self.process = cluster.mesh.popen(source, *script, stdout=subprocess.PIPE)
        else:
            self.process = subprocess.Popen(["nsenter", "--net=" + source, *script],
                                            stdout=subprocess.PIPE, text=True)
        self.source, self.clients = source, len(clients) * times

    def counts(self):
        """Numbers by ("http" or "tcp", what), when all have ended."""
        out, _ = self.process.communicate(timeout=120)
        found = [json.loads(line) for line in out.splitlines()]
        assert len(found) == self.clients, out
        total = collections.Counter()
        for one in found:
            port = one.pop("port")
            total.update({(port, what): number for what, number in one.items()})
        return total

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Counted:
    """What the agents of all nodes have counted, summed."""

    FAMILIES = ("weft_verdicts_total", "weft_tcp_connections_opened_total",
                "weft_tcp_connections_closed_total", "weft_sent_bytes_total",
                "weft_received_bytes_total", "weft_http_requests_total",
                "weft_http_request_duration_seconds_count", "weft_program_incidents_total")

    def __init__(self, cluster):
        self.series = promtext.Metrics()
        for node in cluster.nodes:
            for (name, labels), value in promtext.parse(cluster.get(node, "/metrics")).items():
                if name in self.FAMILIES:
                    key = name, labels
                    self.series[key] = self.series.get(key, 0) + value

    def since(self, before):
        """What has grown."""
        grown = promtext.Metrics()
        for key, value in self.series.items():
            more = value - before.series.get(key, 0)
            if more:
                grown[key] = more
        return grown

    def edge(self, metric, reporter, source, port):
        return self.series.total("weft_%s_total" % metric, reporter=reporter, protocol="tcp",
                                 source_workload=source, destination_workload="web",
                                 destination_port=str(port))
