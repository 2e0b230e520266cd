-- SPDX-License-Identifier: Apache-2.0
-- wrk's exact numbers as one line of JSON. Only done() is defined, so that wrk runs no Lua while
-- it measures.
function done(summary, latency, _)
	local errors = summary.errors
	io.write(string.format(
		'{"requests": %d, "duration_us": %d, "bytes": %d, "p50_us": %d, "p99_us": %d, '
		.. '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
		summary.requests, summary.duration, summary.bytes,
		latency:percentile(50), latency:percentile(99),
		errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
