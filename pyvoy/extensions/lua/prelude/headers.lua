-- The header map object.  Its values stay with the proxy: one call each way for a value (0.5 microseconds, measured)
-- costs less than handing over and parsing the whole map (6), which only an iteration does.  Changes are collected.

local host, core = ...

local UNRELATED = { log = true, log_at = true, header_changes = true, base64_encode = true, base64_decode = true,
  timestamp = true, timestamp_text = true, at_end = true, buffer = true, answer = true, metric = true, metric_value = true }
for name, fn in next, host do
  if not UNRELATED[name] then
    host[name] = core.behind_changes(fn)
  end
end

local new_type, to_string, to_int = core.new_type, core.to_string, core.to_int
local is_live, stamp, DEAD, because, refuse = core.is_live, core.stamp, core.DEAD, core.because, core.refuse
local collect = core.collect
local error, find, select, sub, type, getfenv = error, string.find, select, string.sub, type, debug.getfenv
local header_get, header_at, header_count, header_items = host.header_get, host.header_at, host.header_count,
  host.header_items

local HEADERS = 0

-- The state of the hook's own headers until the script iterates over them: most hooks then need none of their own.
local OWN = { map = HEADERS }

-- Add a method, as `core.define` does.
local function define(kind, name, fn)
  kind.mt[name] = function(...)
    local object = ...
    if object ~= nil and object == core.headers_now then
      return fn(core.iterated or OWN, select("#", ...), select(2, ...))
    end
    local state = type(object) == "userdata" and getfenv(object)
    if state and state.kind == kind and is_live(state) then
      return fn(state, select("#", ...), select(2, ...))
    end
    refuse(kind, object, select("#", ...))
  end
end

local HeaderMap = new_type("N5Envoy10Extensions11HttpFilters3Lua16HeaderMapWrapperE", define)
new_type("N5Envoy10Extensions11HttpFilters3Lua17HeaderMapIteratorE")
core.HeaderMap = HeaderMap

local ITERATING = "header map cannot be modified while iterating"
local SECOND = "cannot create a second iterator before completing the first"

define(HeaderMap, "get", function(state, count, name)
  local value = header_get(state.map, to_string(name, 2, count))
  if value ~= nil then
    return value
  end
end)

define(HeaderMap, "getAtIndex", function(state, count, name, index)
  local value = header_at(state.map, to_string(name, 2, count), to_int(index, 3, count))
  if value ~= nil then
    return value
  end
end)

define(HeaderMap, "getNumValues", function(state, count, name)
  return header_count(state.map, to_string(name, 2, count))
end)

-- Methods that change the map: the proxy answers why it may not be changed, or nothing.
local function define_change(name, what, change)
  define(HeaderMap, name, function(state, count, key, value)
    if state.iterating then
      error(because(ITERATING, state.iterating_since), 2)
    end
    key, value = to_string(key, 2, count), to_string(value, 3, count)
    if state.map == HEADERS and collect(what, key, value) then
      return
    end
    local wrong = change(state.map, key, value)
    if wrong then
      error(because(wrong), 2)
    end
  end)
end

local function define_change_by_name(name, what, change)
  define(HeaderMap, name, function(state, count, key)
    if state.iterating then
      error(because(ITERATING, state.iterating_since), 2)
    end
    key = to_string(key, 2, count)
    if what and state.map == HEADERS and collect(what, key, "") then
      return
    end
    local wrong = change(state.map, key)
    if wrong then
      error(because(wrong), 2)
    end
  end)
end

define_change("add", "a", host.header_add)
define_change("replace", "r", host.header_replace)
define_change_by_name("remove", "d", host.header_remove)
define_change_by_name("setHttp1ReasonPhrase", nil, host.header_reason)

-- `pairs(headers)`: over a copy, as it was when the iteration began.
function HeaderMap.mt.__pairs(object)
  local state
  if object == core.headers_now then
    state = core.iterated or stamp({ map = HEADERS })
    core.iterated = state
  else
    state = getfenv(object)
  end
  if not is_live(state) then
    error(because(DEAD), 2)
  elseif state.iterating then
    error(because(SECOND, state.iterating_since), 2)
  end
  state.iterating = true
  state.iterating_since = core.site("pairs()")
  local text, at = header_items(state.map), 1
  return function()
    if not is_live(state) then
      error(because(DEAD), 2)
    end
    local middle = find(text, "\0", at, true)
    if not middle then
      state.iterating = false
      return
    end
    local stop = find(text, "\0", middle + 1, true)
    local name, value = sub(text, at, middle - 1), sub(text, middle + 1, stop - 1)
    at = stop + 1
    return name, value
  end
end
