-- canary: who asks for it gets the new version.

local pyvoy = require("pyvoy")

local WANTED = { ["1"] = true, ["true"] = true, always = true }
local asked = pyvoy.counter("canary")

-- Puts `x-stage` on the request, which the routes match; what the client says there does not count.
function envoy_on_request(handle)
  local headers = handle:headers()
  local wants = WANTED[(headers:get("x-canary") or ""):lower()]
  headers:replace("x-stage", wants and "canary" or "stable")
  if wants then
    asked:inc()
  end
  handle:clearRouteCache()
end
