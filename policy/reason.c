// SPDX-License-Identifier: Apache-2.0
#include "policy/reason.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
	[WEFT_REASON_NONE] = { "none", "Not judged." },
	[WEFT_REASON_UNMESHED] = { "unmeshed", "The destination is not meshed." },
	[WEFT_REASON_POLICY] = { "policy", "A TrafficTarget allows it." },
	[WEFT_REASON_LOCAL_HOST] = { "local_host", "A node may always reach its own pods." },
	[WEFT_REASON_CLUSTER_HOST] = { "cluster_host",
				       "The destination's namespace admits every node "
				       "(weft.dev/hosts: cluster)." },
	[WEFT_REASON_EXTERNAL_ALLOWED] = { "external_allowed",
					   "The destination admits unknown sources "
					   "(weft.dev/external: allow)." },
	[WEFT_REASON_OWN_POD] = { "own_pod", "A pod may always reach itself." },
	[WEFT_REASON_UDP_REPLY] = { "udp_reply", "It answers a flow that the pod opened." },
	[WEFT_REASON_HTTP] = { "http", "HTTP rules decide, request by request." },
	[WEFT_REASON_NO_RULE] = { "no_rule", "No TrafficTarget allows this source on this port." },
	[WEFT_REASON_UNKNOWN_SOURCE] = { "unknown_source",
					 "The source address belongs to no known pod." },
	[WEFT_REASON_REMOTE_HOST] = { "remote_host",
				      "The source is another node; no TrafficTarget can name a "
				      "host." },
	[WEFT_REASON_HTTP_NOT_SUPPORTED_YET] = { "http_not_supported_yet",
						 "Only HTTP rules could allow it, and that version "
						 "did not judge HTTP." },
	[WEFT_REASON_NO_ENDPOINT] = { "no_endpoint", "The service port has no usable endpoint." },
	[WEFT_REASON_UNKNOWN_SERVICE_PORT] = { "unknown_service_port",
					       "The cluster IP has no such port." },
	[WEFT_REASON_SPOOFED_SOURCE] = { "spoofed_source",
					 "The source address does not belong to the pod." },
	[WEFT_REASON_MALFORMED] = { "malformed", "The packet's headers are inconsistent." },
	[WEFT_REASON_EXTENSION_HEADER] = { "extension_header",
					   "The IPv6 extension headers cannot be walked." },
	[WEFT_REASON_TCP_FRAGMENT] = { "tcp_fragment",
				       "Fragmented TCP is not passed to a meshed pod." },
	[WEFT_REASON_UDP_FRAGMENT] = { "udp_fragment",
				       "The datagram's first fragment was not allowed or not "
				       "seen." },
	[WEFT_REASON_IP_PROTOCOL] = { "ip_protocol",
				      "Only TCP, UDP and ICMP are passed to a meshed pod." },
	[WEFT_REASON_ETHERTYPE] = { "ethertype", "Only IPv4, IPv6 and ARP are passed." },
	[WEFT_REASON_NO_ADDRESS] = { "no_address", "The pod's address is not published yet." },
	[WEFT_REASON_INTERNAL] = { "internal", "A map entry that must exist was missing." },
	[WEFT_REASON_OTHER_DESTINATION] = { "other_destination",
					    "The frame is another pod's; a bridge flooded it." },
	[WEFT_REASON_TUNNEL] = { "tunnel", "Pods may open IP, GRE, VXLAN and Geneve tunnels to "
					   "pods only: a node would unpack any sender." },
	[WEFT_REASON_NO_HTTP_RULE] = { "no_http_rule", "No HTTP rule allows the request." },
	[WEFT_REASON_AMBIGUOUS_PATH] = { "ambiguous_path",
					 "Servers might read another path than the rules do "
					 "(weft.dev/ambiguous-paths: allow admits it)." },
	[WEFT_REASON_HTTP_REQUEST_LINE] = { "http_request_line",
					    "The request line is malformed, or something stands "
					    "before it." },
	[WEFT_REASON_HTTP_VERSION] = { "http_version", "It is neither HTTP/1.0 nor HTTP/1.1." },
	[WEFT_REASON_HTTP_FIELD] = { "http_field", "A field line is malformed." },
	[WEFT_REASON_HTTP_HEAD_SIZE] = { "http_head_size", "The head is longer than allowed." },
	[WEFT_REASON_HTTP_CONTENT_LENGTH] = { "http_content_length",
					      "Content-Length is malformed or repeated." },
	[WEFT_REASON_HTTP_TRANSFER_ENCODING] = { "http_transfer_encoding",
						 "Transfer-Encoding is something else than "
						 "`chunked`, stands beside Content-Length, or in "
						 "HTTP/1.0." },
	[WEFT_REASON_HTTP_CHUNK] = { "http_chunk", "A chunk's size, extension or end is "
						   "malformed." },
	[WEFT_REASON_HTTP_HOST] = { "http_host", "Host is missing, repeated, malformed or not the "
						 "target's authority." },
	[WEFT_REASON_HTTP_UPGRADE] = { "http_upgrade", "Only an upgrade to websocket is passed." },
	[WEFT_REASON_HTTP2] = { "http2", "HTTP/2 is not judged." },
	[WEFT_REASON_TLS] = { "tls", "TLS cannot be judged." },
	[WEFT_REASON_HTTP_UNFINISHED] = { "http_unfinished", "The head ended with a FIN." },
	[WEFT_REASON_SYN_DATA] = { "syn_data", "Data came before the handshake was complete." },
	[WEFT_REASON_URGENT] = { "urgent", "TCP urgent data cannot be judged." },
	[WEFT_REASON_HTTP_STATE_LOST] = { "http_state_lost",
					  "Where the connection's requests begin is not known." },
	[WEFT_REASON_RETRANSMISSION] = { "retransmission",
					 "Other bytes came in place of those judged before." },
	[WEFT_REASON_HTTP_RULES_CHANGED] = { "http_rules_changed",
					     "The rules changed in the middle of a head." },
	[WEFT_REASON_HTTP_UNVERIFIABLE] = { "http_unverifiable",
					    "Many segments came that might be copies of judged "
					    "ones, or not." },
};

const char *reason_name(enum weft_reason reason)
{
	size_t index = reason;

	if (index >= sizeof(reasons) / sizeof(reasons[0]) || !reasons[index].name)
		return "unrecognised";
	return reasons[index].name;
}

const char *reason_text(enum weft_reason reason)
{
	size_t index = reason;

	if (index >= sizeof(reasons) / sizeof(reasons[0]) || !reasons[index].text)
		return "A newer version of weft gave this reason.";
	return reasons[index].text;
}

const char *verdict_name(enum weft_verdict_action action)
{
	switch (action) {
	case WEFT_VERDICT_ALLOW:
		return "allow";
	case WEFT_VERDICT_DENY:
		return "deny";
	case WEFT_VERDICT_WOULD_DENY:
		return "would_deny";
	}
	return "unrecognised";
}

const char *hook_name(enum weft_hook hook)
{
	switch (hook) {
	case WEFT_HOOK_CONNECT:
		return "connect";
	case WEFT_HOOK_SENDMSG:
		return "sendmsg";
	case WEFT_HOOK_TO_POD:
		return "to_pod";
	case WEFT_HOOK_FROM_POD:
		return "from_pod";
	case WEFT_HOOK_ACCEPT:
		return "accept";
	}
	return "unrecognised";
}

const char *reporter_name(enum weft_direction direction)
{
	switch (direction) {
	case WEFT_DIRECTION_OUTBOUND:
		return "source";
	case WEFT_DIRECTION_INBOUND:
		return "destination";
	case WEFT_DIRECTION_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *stat_name(enum weft_stat stat)
{
	static const char *const names[WEFT_STAT_COUNT] = {
		[WEFT_STAT_EVENTS_LOST] = "events_lost",
		[WEFT_STAT_EDGE_OVERFLOW] = "edge_overflow",
		[WEFT_STAT_VERDICT_OVERFLOW] = "verdict_overflow",
		[WEFT_STAT_SOCK_STORAGE_FAILED] = "sock_storage_failed",
		[WEFT_STAT_STICKY_FAILED] = "sticky_failed",
		[WEFT_STAT_UDP_PEER_FAILED] = "udp_peer_failed",
		[WEFT_STAT_UDP_FLOW_FAILED] = "udp_flow_failed",
		[WEFT_STAT_FRAG_FAILED] = "frag_failed",
		[WEFT_STAT_REJECT_FAILED] = "reject_failed",
		[WEFT_STAT_HTTP_REORDERED] = "http_reordered",
		[WEFT_STAT_HTTP_BUSY] = "http_busy",
		[WEFT_STAT_HTTP_UNVERIFIED] = "http_unverified",
		[WEFT_STAT_HTTP_WAITING] = "http_waiting",
		[WEFT_STAT_HTTP_FLOW_FAILED] = "http_flow_failed",
		[WEFT_STAT_REQUEST_OVERFLOW] = "request_overflow",
		[WEFT_STAT_LATENCY_OVERFLOW] = "latency_overflow",
		[WEFT_STAT_CLOSES_UNTOLD] = "closes_untold",
		[WEFT_STAT_HTTP_ANSWERS_LOST] = "http_answers_lost",
	};

	return (size_t)stat < WEFT_STAT_COUNT ? names[stat] : "unrecognised";
}

const char *protocol_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "other";
}

static const char *const methods[] = {
	[WEFT_HTTP_OTHER] = "other",	 [WEFT_HTTP_GET] = "GET",
	[WEFT_HTTP_HEAD] = "HEAD",	 [WEFT_HTTP_POST] = "POST",
	[WEFT_HTTP_PUT] = "PUT",	 [WEFT_HTTP_DELETE] = "DELETE",
	[WEFT_HTTP_CONNECT] = "CONNECT", [WEFT_HTTP_OPTIONS] = "OPTIONS",
	[WEFT_HTTP_TRACE] = "TRACE",	 [WEFT_HTTP_PATCH] = "PATCH",
};

enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]) };

const char *method_name(enum weft_http_method method)
{
	return (size_t)method < METHOD_COUNT ? methods[method] : "other";
}

int method_parse(const char *text, enum weft_http_method *method)
{
	size_t i;

	for (i = 0; i < METHOD_COUNT; i++)
		if (!strcmp(text, methods[i])) {
			*method = (enum weft_http_method)i;
			return 0;
		}
	return -EINVAL;
}
