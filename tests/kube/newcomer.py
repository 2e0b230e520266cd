#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""newcomer.py PORT ADDRESS...: serves at once, calls at once, says as JSON what came of the calls, and stays
for a moment so that others can try to come in."""
import json
import socket
import sys
import time

STAY_S = 0.5

server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
result = []
for address in sys.argv[2:]:
    try:
        with socket.create_connection((address, int(sys.argv[1])), timeout=3) as sock:
            sock.send(b"in\n")
            result.append("ok" if sock.recv(10) else "closed")
    except OSError as problem:
        result.append(type(problem).__name__)
time.sleep(STAY_S)
print(json.dumps(result), flush=True)
