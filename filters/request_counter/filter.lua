-- request_counter: what comes and goes, as statistics.

local pyvoy = require("pyvoy")

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, PATCH = true, OPTIONS = true }
local requests, active = pyvoy.counter("requests"), pyvoy.gauge("active")
local sizes = pyvoy.histogram("response_bytes", "bytes")

function envoy_on_request(handle)
  local method = handle:headers():get(":method")
  requests:inc()
  pyvoy.counter("method." .. (METHODS[method] and method or "other")):inc()
  active:inc()
end

function envoy_on_response(handle)
  pyvoy.counter("status." .. handle:headers():get(":status"):sub(1, 1) .. "xx"):inc()
end

-- Beyond Envoy: once for each stream, when it is over.
function pyvoy_on_log()
  active:dec()
  sizes:record(pyvoy.attribute("response.size"))
end
