-- redact_json: fields of JSON responses that nobody outside must see.

local pyvoy = require("pyvoy")

local HIDDEN = "***"
local FIELDS = { password = true, token = true, ssn = true }
local redacted = pyvoy.counter("redacted")

-- Hide the fields below; whether there were any.
local function hide(data)
  if type(data) ~= "table" then
    return false
  end
  local found = false
  for key, value in pairs(data) do
    if FIELDS[key] then
      data[key] = HIDDEN
      found = true
    else
      found = hide(value) or found
    end
  end
  return found
end

-- Buffers JSON responses up to the connection's buffer limit; other responses flow past.
function envoy_on_response(handle)
  local headers = handle:headers()
  local kind = (headers:get("content-type") or ""):match("^[^;]*"):gsub("%s", ""):lower()
  if kind ~= "application/json" or headers:get("content-encoding") then
    return
  end
  local body = handle:body()
  local data = body and pyvoy.json.decode(body:getBytes(0, body:length()))
  if data ~= nil and hide(data) then
    redacted:inc()
    body:setBytes(pyvoy.json.encode(data))
  end
end
