-- The module `pyvoy`: what scripts can have here beyond Envoy.  `require("pyvoy")` gives it; a script that does not ask
-- sees nothing of it.

local host, core = ...

local error, ipairs, next, pairs, setmetatable, getmetatable, tostring, type = error, ipairs, next, pairs,
  setmetatable, getmetatable, tostring, type
local concat, format, gsub, byte, char = table.concat, string.format, string.gsub, string.byte, string.char
local floor, huge = math.floor, math.huge

local pyvoy = {}

-- ---- json ----

local null = setmetatable({}, { __tostring = function() return "null" end })
local Array = {}
local json = { null = null }
pyvoy.json = json

-- Mark a table as a list, so that it is written as one even when it is empty.
function json.array(list)
  return setmetatable(list or {}, Array)
end

-- The value of a JSON text, or nil and what is wrong with it; null is `json.null`.
function json.decode(text)
  if type(text) ~= "string" then
    error("string expected, got " .. type(text), 2)
  end
  local value, wrong = host.json_decode(text, null, json.array)
  if wrong ~= nil then
    return nil, wrong
  end
  return value
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

local function escape(c)
  return ESCAPES[c] or format("\\u%04x", byte(c))
end

local function quote(text)
  return '"' .. gsub(text, '[%c"\\]', escape) .. '"'
end

local write

local function write_list(list, parts, depth)
  parts[#parts + 1] = "["
  for index = 1, #list do
    if index > 1 then
      parts[#parts + 1] = ","
    end
    write(list[index], parts, depth)
  end
  parts[#parts + 1] = "]"
end

local function write_object(object, parts, depth)
  parts[#parts + 1] = "{"
  local first = true
  for key, value in next, object do
    if type(key) ~= "string" and type(key) ~= "number" then
      error("a JSON object cannot have a " .. type(key) .. " as key", 0)
    end
    parts[#parts + 1] = (first and "" or ",") .. quote(tostring(key)) .. ":"
    first = false
    write(value, parts, depth)
  end
  parts[#parts + 1] = "}"
end

function write(value, parts, depth)
  local kind = type(value)
  if kind == "string" then
    parts[#parts + 1] = quote(value)
  elseif kind == "number" then
    if value ~= value or value == huge or value == -huge then
      error("JSON has no such number", 0)
    end
    parts[#parts + 1] = value == floor(value) and format("%.0f", value) or format("%.17g", value)
  elseif kind == "boolean" then
    parts[#parts + 1] = tostring(value)
  elseif value == nil or value == null then
    parts[#parts + 1] = "null"
  elseif kind ~= "table" then
    error("JSON cannot hold a " .. kind, 0)
  elseif depth > 100 then
    error("too deep for JSON", 0)
  elseif getmetatable(value) == Array or #value > 0 then
    write_list(value, parts, depth + 1)
  else
    write_object(value, parts, depth + 1)
  end
end

-- The JSON text of a value; raises for what JSON cannot hold.
function json.encode(value)
  local parts = {}
  local ok, wrong = pcall(write, value, parts, 0)
  if not ok then
    error(wrong, 2)
  end
  return concat(parts)
end

-- ---- base64 and URLs ----

-- Functions of the proxy behind functions of Lua: what a script holds is no foreign object.
local function wrapped(fn)
  return function(text)
    return fn(text)
  end
end

pyvoy.base64 = {
  encode = wrapped(host.base64_encode),
  decode = wrapped(host.base64_decode),
  encode_url = wrapped(host.base64_encode_url),
  decode_url = wrapped(host.base64_decode_url),
}

local url = {}
pyvoy.url = url

function url.encode(text)
  return (gsub(tostring(text), "[^%w%-._~]", function(c) return format("%%%02X", byte(c)) end))
end

function url.decode(text)
  return (gsub(gsub(text, "+", " "), "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

-- The parameters of a query (what follows the question mark of a path, if there is one); the first value of each.
function url.parse_query(text)
  local query = {}
  for pair in text:match("^[^?]*%?(.*)$" ) and text:match("%?(.*)$"):gmatch("[^&]+") or text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name = url.decode(name)
    if query[name] == nil then
      query[name] = url.decode(value)
    end
  end
  return query
end

function url.build_query(parameters)
  local parts = {}
  for name, value in pairs(parameters) do
    parts[#parts + 1] = url.encode(name) .. "=" .. url.encode(value)
  end
  table.sort(parts)
  return concat(parts, "&")
end

-- ---- jwt ----

local jwt = {}
pyvoy.jwt = jwt

-- Header and claims of a token, not verified; or nil and what is wrong.
function jwt.decode(token)
  local header, claims = host.jwt_decode(token)
  if header == nil then
    return nil, claims
  end
  return json.decode(header), json.decode(claims)
end

-- The claims of a token that holds, or nil and why it does not.  `key`: PEM text, or the secret of HS algorithms.
-- `options`: algorithms (a list, by default RS256 and ES256), issuer, audience, leeway_s.
function jwt.verify(token, key, options)
  options = options or {}
  local algorithms = concat(options.algorithms or { "RS256", "ES256" }, ",")
  local claims, wrong = host.jwt_verify(token, key, algorithms, options.issuer, options.audience, options.leeway_s or 0)
  if claims == nil then
    return nil, wrong
  end
  return json.decode(claims)
end

-- ---- the host API ----

local function class(methods)
  methods.__index = methods
  return methods
end

local Counter = class({ inc = function(self, n) host.metric_do(self.metric, "add", n or 1) end })
local Gauge = class({
  add = function(self, n) host.metric_do(self.metric, "add", n) end,
  sub = function(self, n) host.metric_do(self.metric, "sub", n) end,
  set = function(self, n) host.metric_do(self.metric, "set", n) end,
  inc = function(self) host.metric_do(self.metric, "add", 1) end,
  dec = function(self) host.metric_do(self.metric, "sub", 1) end,
})
local Histogram = class({ record = function(self, value) host.metric_do(self.metric, "recordValue", value) end })

for name, methods in pairs({ counter = Counter, gauge = Gauge, histogram = Histogram }) do
  pyvoy[name] = function(metric, unit)
    return setmetatable({ metric = host.own_metric(name, metric, unit) }, methods)
  end
end

-- Values by key that all workers see; a value's number changes with it, for compare-and-swap.
local SharedData = class({
  get = function(self, key) return host.shared_get(self.data, key) end,
  set = function(self, key, value, number) return host.shared_set(self.data, key, value, number or 0) end,
  delete = function(self, key, number) return host.shared_delete(self.data, key, number or 0) end,
})

-- Replace a value (nil: there is none) by what `change` makes of it, again if another worker was quicker.
function SharedData:update(key, change)
  while true do
    local old, number = self:get(key)
    local value = change(old)
    if self:set(key, value, old == nil and -1 or number) then
      return value
    end
  end
end

function pyvoy.shared_data(namespace)
  return setmetatable({ data = host.shared_data(namespace) }, SharedData)
end

local SharedQueue = class({
  push = function(self, item) host.queue_push(self.queue, item) end,
  pop = function(self) return host.queue_pop(self.queue) end,
  length = function(self) return host.queue_length(self.queue) end,
})

function pyvoy.shared_queue(namespace, name)
  return setmetatable({ queue = host.shared_queue(namespace, name) }, SharedQueue)
end

-- An attribute of the stream by its path (`request.path`, `source.address`, `response.code`, ...), or nil.
if host.attribute then
  function pyvoy.attribute(path)
    return host.attribute(path)
  end
end

-- Seconds since the epoch, with a fraction.
function pyvoy.wall_s()
  return host.wall_s()
end

return pyvoy
