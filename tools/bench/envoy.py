# SPDX-License-Identifier: Apache-2.0
"""Envoy's configuration: one sidecar on each side, the server's with an RBAC filter."""
import certificates

_TYPE = "type.googleapis.com/envoy.extensions."
_MANAGER = _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = _TYPE + "filters.http.router.v3.Router"
_RBAC = _TYPE + "filters.http.rbac.v3.RBAC"
_TLS_IN = _TYPE + "transport_sockets.tls.v3.DownstreamTlsContext"
_TLS_OUT = _TYPE + "transport_sockets.tls.v3.UpstreamTlsContext"


def _regex(text):
    return {"safe_regex": {"regex": text}}


def _any_of(parts):
    return parts[0] if len(parts) == 1 else {"or_rules": {"rules": parts}}


def _header(name, how):
    return {"header": {"name": name, "string_match": how}}


def _permission(rule):
    # a safe_regex must match all of the text
    path = _regex(rule.path + ".*") if rule.is_regex else {"prefix": rule.path}
    return {"and_rules": {"rules": [
        {"url_path": {"path": path}},
        _any_of([_header(":method", {"exact": method}) for method in rule.methods]),
        *[_header(name, _regex(value)) for name, value in rule.headers.items()]]}}


def _rbac(rules, is_mtls):
    principal = {"authenticated": {"principal_name": {"exact": certificates.SPIFFE["client"]}}} \
        if is_mtls else {"any": True}
    # policies are tried in the order of their names
    return {"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": _RBAC, "rules": {"action": "ALLOW", "policies": {
            f"{number:03}-{rule.name}": {"permissions": [_permission(rule)],
                                         "principals": [principal]}
            for number, rule in enumerate(rules)}}}}


def _tls_files(folder, side, peer):
    """The certificate of this side, and whom it trusts."""
    def file(name):
        return {"filename": f"{folder}/{name}"}
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3",
                       "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [{"certificate_chain": file(f"{side}.pem"),
                              "private_key": file(f"{side}.key")}],
        "validation_context": {
            "trusted_ca": file("ca.pem"),
            "match_typed_subject_alt_names": [
                {"san_type": "URI", "matcher": {"exact": certificates.SPIFFE[peer]}}]}}


def _address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def _listener(host, port, cluster, filters, tls):
    name = f"in-{port}"
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": _MANAGER, "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}]}]},
        "stream_idle_timeout": "0s",
        "http_filters": [*filters, {"name": "envoy.filters.http.router",
                                    "typed_config": {"@type": _ROUTER}}]}}]}
    if tls:
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": _TLS_IN, "require_client_certificate": True, "common_tls_context": tls}}
    return {"name": name, "address": _address(host, port), "filter_chains": [chain]}


def _cluster(name, host, port, tls):
    cluster = {"name": name, "type": "STATIC", "connect_timeout": "5s",
               "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                   {"endpoint": {"address": _address(host, port)}}]}]}}
    if tls:
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": _TLS_OUT, "sni": certificates.NAMES["server"], "common_tls_context": tls}}
    return cluster


def client(folder, server, ports):
    """The proxy in the client's pod: everything goes on to the proxy in the server's pod."""
    tls = _tls_files(folder, "client", "server")
    listeners, clusters = [], []
    for kind in ("HTTP", "SINK", "HTTP_MTLS", "SINK_MTLS"):
        own = tls if kind.endswith("MTLS") else None
        listeners.append(_listener("127.0.0.1", ports["OUT_" + kind], kind, [], None))
        clusters.append(_cluster(kind, server, ports["IN_" + kind], own))
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def server(folder, rules, ports):
    """The proxy in the server's pod: judges by the rules, then asks the server on loopback."""
    tls = _tls_files(folder, "server", "client")
    listeners = [_listener("0.0.0.0", ports["IN_" + kind], kind.partition("_")[0],
                           [_rbac(rules, kind.endswith("MTLS"))],
                           tls if kind.endswith("MTLS") else None)
                 for kind in ("HTTP", "SINK", "HTTP_MTLS", "SINK_MTLS")]
    clusters = [_cluster(kind, "127.0.0.1", ports[kind], None) for kind in ("HTTP", "SINK")]
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}
