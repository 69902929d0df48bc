-- canary: who asks for it gets the new version.

-- Runs in Envoy too, where there is no pyvoy and nothing is counted.
local found, pyvoy = pcall(require, "pyvoy")
local function counter(name)
  return found and pyvoy.counter(name) or { inc = function() end }
end

local WANTED = { ["1"] = true, ["true"] = true, always = true }
local asked = counter("canary")

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
