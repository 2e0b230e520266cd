# SPDX-License-Identifier: Apache-2.0
"""The command line. `exec` and `node` are on the path of every measurement, so this file imports
only what they need; everything else is imported where it is used."""
import json
import os
import signal
import sys

from .errors import PlaygroundError
from .paths import Paths

USAGE = """\
usage: weft-playground [--name NAME] COMMAND ...

A simulated Kubernetes cluster on one kernel: nodes and pods are network namespaces and cgroups.

  up [--topology bridge|routed] [--no-agents] [--agent-args ARGS] [--timeout SECONDS] DIR
                                create the cluster that the manifests in DIR describe
  apply -f FILE|DIR|- [--no-wait] [--timeout SECONDS]
  delete -f FILE|DIR|- [--no-wait] [--timeout SECONDS] [--grace-period SECONDS]
  exec [-n NAMESPACE] POD -- CMD...
  node NODE -- CMD...           run CMD in a node (WEFT_BPFFS is set)
  agent NODE start|stop|kill|logs
  logs [-n NAMESPACE] [-c CONTAINER] POD
  wait [--timeout SECONDS]      until every pod is ready and the agents know it
  status [-o json]
  down                          remove everything, also after a crash

options:
  --name NAME                   which playground (default: $WEFT_PLAYGROUND_NAME or 'default')
  -h, --help                    this text

environment: WEFTD (the agent program), WEFT_PLAYGROUND_AGENT_ARGS (as --agent-args),
WEFT_PLAYGROUND_NAME
"""

# Option -> how many values it takes; "*" may be given several times.
OPTIONS = {
    "up": {"--topology": 1, "--no-agents": 0, "--agent-args": 1, "--timeout": 1},
    "apply": {"-f": "*", "--no-wait": 0, "--timeout": 1},
    "delete": {"-f": "*", "--no-wait": 0, "--timeout": 1, "--grace-period": 1},
    "exec": {"-n": 1},
    "node": {},
    "agent": {},
    "logs": {"-n": 1, "-c": 1},
    "wait": {"--timeout": 1},
    "status": {"-o": 1},
    "down": {},
    "_supervise": {},
}
ALIASES = {"--filename": "-f", "--namespace": "-n", "--container": "-c", "--output": "-o"}


class UsageError(Exception):
    pass


def parse(words, known):
    """(options, arguments, command after --). Options may come before and between arguments."""
    options, arguments = {}, []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            return options, arguments, words[index:]
        if word == "-" or not word.startswith("-"):
            arguments.append(word)
            continue
        name, equals, value = word.partition("=")
        name = ALIASES.get(name, name)
        if name not in known:
            raise UsageError(f"unknown option {name}")
        if known[name] == 0:
            options[name] = True
            continue
        if not equals:
            if index == len(words):
                raise UsageError(f"option {name} needs a value")
            value = words[index]
            index += 1
        if known[name] == "*":
            options.setdefault(name, []).append(value)
        else:
            options[name] = value
    return options, arguments, None


def _seconds(options, name, default):
    try:
        value = float(options.get(name, default))
    except ValueError:
        raise UsageError(f"{name}: not a number: {options[name]}") from None
    if not 0 <= value < 1e6:
        raise UsageError(f"{name}: out of range")
    return value


def _expect(arguments, *names):
    if len(arguments) != len(names):
        raise UsageError("expected " + (" ".join(names) or "no arguments"))
    return arguments


# --- commands that never need the supervisor

def _enter(place, path, what, command, base_env):
    """Become `command` inside the namespaces and the cgroup that the file at `path` names."""
    if not command:
        raise UsageError("expected -- CMD...")
    try:
        with open(path, encoding="utf-8") as file:
            target = json.load(file)
    except FileNotFoundError:
        if not os.path.isdir(place.state):
            raise PlaygroundError(f"there is no playground '{place.name}'") from None
        raise PlaygroundError(f"no {what} in playground {place.name}") from None
    try:
        with open(target["cgroup"] + "/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write("0")
    except OSError as error:
        raise PlaygroundError(f"cannot enter {what}: {target['cgroup']}: "
                              f"{error.strerror}") from None
    argv = ["nsenter", "--net=" + target["netns"]]
    if "uts" in target:
        argv.append("--uts=" + target["uts"])
    # Python ignores it; the command must not inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvpe("nsenter", argv + ["--", *command], {**base_env, **target["env"]})


def do_exec(place, options, arguments, command, _invoked):
    pod, = _expect(arguments, "POD")
    namespace = options.get("-n", "default")
    # As in a cluster the process gets the container's environment, not the caller's.
    base = {name: os.environ[name] for name in ("TERM",) if name in os.environ}
    _enter(place, place.pod_file(namespace, pod), f"running pod {namespace}/{pod}", command, base)


def do_node(place, _options, arguments, command, invoked):
    node, = _expect(arguments, "NODE")
    # A proxy outside cannot be reached from inside; `weft` and `weftd` are found as usual.
    base = {name: value for name, value in os.environ.items()
            if not name.lower().endswith("_proxy")}
    base["PATH"] = base.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin") + ":" + \
        os.path.dirname(os.path.abspath(invoked))
    _enter(place, place.node_file(node), f"node {node}", command, base)


def do_logs(place, options, arguments, _command, _invoked):
    pod, = _expect(arguments, "POD")
    namespace = options.get("-n", "default")
    prefix = f"pod_{namespace}_{pod}_"
    wanted = options.get("-c")
    try:
        names = sorted(name for name in os.listdir(place.logs) if name.startswith(prefix)
                       and (wanted is None or name == f"{prefix}{wanted}.log"))
    except FileNotFoundError:
        raise PlaygroundError(f"there is no playground '{place.name}'") from None
    if not names:
        raise PlaygroundError(f"no logs of pod {namespace}/{pod}" +
                              (f" container {wanted}" if wanted else ""))
    for name in names:
        if len(names) > 1:
            print(f"==> {name[len(prefix):-len('.log')]} <==", flush=True)
        _print_file(f"{place.logs}/{name}")
    return 0


def _print_file(path):
    with open(path, "rb") as file:
        while True:
            piece = file.read(1 << 16)
            if not piece:
                return
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()


def do_down(place, _options, arguments, _command, _invoked):
    from . import client, teardown
    _expect(arguments)
    client.check_machine()
    with teardown.global_lock():
        teardown.remove(place)
    return 0


# --- commands for the supervisor

def do_up(place, options, arguments, _command, invoked):
    import shlex
    import signal

    from . import client, manifests, teardown
    directory, = _expect(arguments, "DIR")
    topology = options.get("--topology", "bridge")
    if topology not in ("bridge", "routed"):
        raise UsageError(f"--topology: bridge or routed, not '{topology}'")
    timeout = _seconds(options, "--timeout", 60)
    client.check_machine()
    if not os.path.exists(directory):
        raise PlaygroundError(f"no such directory: {directory}")
    sources = manifests.read_paths([directory])
    with_agents = "--no-agents" not in options
    try:
        weftd = client.find_weftd(invoked)
    except PlaygroundError:
        if with_agents:
            raise
        weftd = "weftd"
    extra = options.get("--agent-args", os.environ.get("WEFT_PLAYGROUND_AGENT_ARGS", ""))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    client.start_supervisor(place, os.path.dirname(__file__) + "/weft-playground")
    try:
        client.request(place, timeout + 60, do="up", sources=sources, topology=topology,
                       agents=with_agents, agent_args=shlex.split(extra), weftd=weftd,
                       cwd=os.getcwd(), timeout=timeout)
    except BaseException:
        with teardown.global_lock():
            teardown.remove(place)
        raise
    return 0


def _sources(options):
    from . import manifests
    if "-f" not in options:
        raise UsageError("expected -f FILE")
    return manifests.read_paths(options["-f"])


def do_apply(place, options, arguments, _command, _invoked):
    from . import client
    _expect(arguments)
    timeout = _seconds(options, "--timeout", 15)
    client.request(place, 2 * timeout + 4000, do="apply", sources=_sources(options),
                   wait="--no-wait" not in options, timeout=timeout)
    return 0


def do_delete(place, options, arguments, _command, _invoked):
    from . import client
    _expect(arguments)
    timeout = _seconds(options, "--timeout", 15)
    grace = _seconds(options, "--grace-period", 0) if "--grace-period" in options else None
    client.request(place, 2 * timeout + 4000, do="delete", sources=_sources(options),
                   wait="--no-wait" not in options, timeout=timeout, grace=grace)
    return 0


def do_agent(place, _options, arguments, _command, _invoked):
    from . import client
    node, action = _expect(arguments, "NODE", "start|stop|kill|logs")
    if action not in ("start", "stop", "kill", "logs"):
        raise UsageError(f"agent: start, stop, kill or logs, not '{action}'")
    if action == "logs":
        if not os.path.exists(place.agent_log(node)):
            raise PlaygroundError(f"node {node} has no agent log in playground {place.name}")
        _print_file(place.agent_log(node))
        return 0
    client.request(place, 30, do="agent", node=node, action=action)
    return 0


def do_wait(place, options, arguments, _command, _invoked):
    from . import client
    _expect(arguments)
    timeout = _seconds(options, "--timeout", 15)
    client.request(place, timeout + 15, do="wait", timeout=timeout)
    return 0


def do_status(place, options, arguments, _command, _invoked):
    from . import client
    _expect(arguments)
    form = options.get("-o", "table")
    if form not in ("table", "json"):
        raise UsageError(f"-o: table or json, not '{form}'")
    status = client.request(place, 10, do="status")["status"]
    if form == "json":
        print(json.dumps(status, indent=2))
        return 0
    rows = [("NODE", "ADDRESSES", "AGENT", "PODS")]
    for node in status["nodes"]:
        count = sum(1 for pod in status["pods"] if pod["node"] == node["name"])
        rows.append((node["name"], ",".join(node["addresses"]),
                     str(node["agentPid"] or "-"), str(count)))
    _print_table(rows)
    rows = [("POD", "NODE", "ADDRESSES", "PID", "STATE")]
    for pod in status["pods"]:
        state = "Terminating" if pod["terminating"] else \
            "Ready" if pod["ready"] else f"{pod['phase']}, not ready"
        rows.append((f"{pod['namespace']}/{pod['name']}", pod["node"], ",".join(pod["addresses"]),
                     str(pod["pid"] or "-"), state))
    _print_table(rows)
    rows = [("SERVICE", "CLUSTER IPS")]
    rows += [(f"{one['namespace']}/{one['name']}", ",".join(one["clusterIPs"]) or "-")
             for one in status["services"]]
    _print_table(rows)
    return 0


def _print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def do_supervise(place, _options, arguments, _command, _invoked):
    from . import daemon
    return daemon.main(place.name, int(arguments[0]))


def main(argv):
    try:
        return _main(argv)
    except UsageError as error:
        print(f"weft-playground: {error} (see weft-playground --help)", file=sys.stderr)
        return 2
    except PlaygroundError as error:
        if error.detail:
            print(error.detail, file=sys.stderr)
        print(f"weft-playground: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        print(f"weft-playground: {error}", file=sys.stderr)
        return 1


def _main(argv):
    words = argv[1:]
    name = os.environ.get("WEFT_PLAYGROUND_NAME") or "default"
    while words and words[0].startswith("-"):
        option, equals, value = words[0].partition("=")
        if option in ("-h", "--help"):
            print(USAGE, end="")
            return 0
        if option != "--name":
            raise UsageError(f"unknown option {option}")
        if not equals:
            if len(words) < 2:
                raise UsageError("option --name needs a value")
            value = words.pop(1)
        name = value
        words = words[1:]
    if not words:
        raise UsageError("expected a command")
    command, words = words[0], words[1:]
    if command not in OPTIONS:
        raise UsageError(f"unknown command '{command}'")
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    options, arguments, rest = parse(words, {**OPTIONS[command], "--name": 1})
    name = options.get("--name", name)
    if rest is not None and command not in ("exec", "node"):
        raise UsageError(f"{command} takes no '--'")
    if os.geteuid() != 0:
        raise PlaygroundError("must run as root (it creates network namespaces and cgroups)")
    handler = globals()["do_" + command.lstrip("_")]
    return handler(Paths(name), options, arguments, rest or [], argv[0])
