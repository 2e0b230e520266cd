-- SPDX-License-Identifier: Apache-2.0
-- As wrk-report.lua, but hardly a request is like another: some thousand paths, each with an id in
-- a header, as callers of a service have them. They are made before wrk measures.
dofile(debug.getinfo(1, "S").source:match("^@(.*)wrk%-fresh%.lua$") .. "wrk-report.lua")

local REQUESTS = 8192
local requests, last = {}, 0

function init(_)
	local path = wrk.path:gsub("%d?%d?%d?%d$", "")
	for number = 1, REQUESTS do
		wrk.headers["X-Request-Id"] = string.format(
			"7f3c%04x-9b1d-4c6e-a0%02x-%012x", number, number % 251, number * 2654435761)
		requests[number] = wrk.format(nil, path .. 1000 + number)
	end
end

function request()
	last = last % REQUESTS + 1
	return requests[last]
end
