#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""caller.py: reads JSON, [{"name", "addresses", "get", "post"}]: so many GETs (on one connection) and POSTs
(each on its own) of /public/x at port 8080, over the addresses in turn. Says as JSON by name which
statuses and which bodies came how often."""
import collections
import http.client
import json
import sys

PORT, TIMEOUT_S = 8080, 5


def ask(connection, method, seen):
    connection.request(method, "/public/x")
    answer = connection.getresponse()
    body = answer.read()
    seen["statuses"][str(answer.status)] += 1
    if answer.status == 200:
        seen["bodies"][body.decode()] += 1


def call(one):
    seen = {"statuses": collections.Counter(), "bodies": collections.Counter()}
    addresses = one["addresses"]
    connections = [http.client.HTTPConnection(address, PORT, timeout=TIMEOUT_S) for address in addresses]
    for i in range(one["get"]):
        ask(connections[i % len(connections)], "GET", seen)
    for i in range(one["post"]):
        ask(http.client.HTTPConnection(addresses[i % len(addresses)], PORT, timeout=TIMEOUT_S), "POST", seen)
    return seen


print(json.dumps({one["name"]: call(one) for one in json.load(sys.stdin)}))
