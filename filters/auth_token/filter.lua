-- auth_token: a request needs a token that the auth service knows.

-- Runs in Envoy too, where there is no pyvoy and nothing is counted.
local found, pyvoy = pcall(require, "pyvoy")
local function counter(name)
  return found and pyvoy.counter(name) or { inc = function() end }
end

local CLUSTER, PATH, TIMEOUT_MS = "auth", "/check", 1000

local allowed, denied, unavailable = counter("allowed"), counter("denied"), counter("unavailable")

-- Fails closed: no answer of the auth service is a 503.
function envoy_on_request(handle)
  local token = handle:headers():get("authorization")
  handle:headers():remove("x-user")
  if not token then
    handle:respond({ [":status"] = "401", ["www-authenticate"] = "Bearer" }, "no token\n")
  end
  local answer = handle:httpCall(CLUSTER, {
    [":method"] = "GET",
    [":path"] = PATH,
    [":authority"] = CLUSTER,
    authorization = token,
  }, nil, TIMEOUT_MS)
  local status = tonumber(answer[":status"])
  if status >= 500 then
    unavailable:inc()
    handle:respond({ [":status"] = "503" }, "cannot check the token\n")
  elseif status < 200 or status > 299 then
    denied:inc()
    handle:respond({ [":status"] = "403" }, "unknown token\n")
  end
  allowed:inc()
  handle:headers():replace("x-user", answer["x-user"] or "unknown")
end
