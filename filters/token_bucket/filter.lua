-- token_bucket: each client has so many requests, over all workers.

local pyvoy = require("pyvoy")

local BURST, PER_SECOND, HEADER = 5, 1, "x-client"
local limited = pyvoy.counter("limited")
local buckets = pyvoy.shared_data("token_bucket")

-- The buckets lie in shared data; two workers that take at the same time try again (compare-and-swap).
local function take(client, now)
  local allowed
  buckets:update(client, function(state)
    local tokens, since = BURST, now
    if state then
      local kept, at = state:match("^(%S+) (%S+)$")
      tokens, since = tonumber(kept), tonumber(at)
    end
    tokens = math.min(BURST, tokens + math.max(0, now - since) * PER_SECOND)
    allowed = tokens >= 1
    return string.format("%.17g %.17g", allowed and tokens - 1 or tokens, math.max(now, since))
  end)
  return allowed
end

function envoy_on_request(handle)
  local client = handle:headers():get(HEADER) or handle:streamInfo():downstreamRemoteAddress():gsub(":%d+$", "")
  if not take(client, pyvoy.wall_s()) then
    limited:inc()
    local wait = tostring(math.floor(1 / PER_SECOND + 1))
    handle:respond({ [":status"] = "429", ["retry-after"] = wait }, "too many requests\n")
  end
end
