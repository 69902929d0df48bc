-- What Envoy's LuaJIT is built with (Lua 5.2 compatibility) and this one is not: `pairs` that asks the metatable,
-- rawlen, table.pack and table.unpack, math.log with a base, coroutine.running on the main thread.
-- Not to be had: __len of tables.

local _, core = ...

local debug_getmetatable, next, rawget, select, type = debug.getmetatable, next, rawget, select, type
local running = coroutine.running

function pairs(...)
  local object = ...
  local mt = debug_getmetatable(object)
  local own = mt and rawget(mt, "__pairs")
  if own then
    return own(object)
  end
  if type(object) ~= "table" then
    core.type_error(1, "table", object, select("#", ...))
  end
  return next, object, nil
end

function rawlen(value)
  if type(value) ~= "table" and type(value) ~= "string" then
    error("table or string expected", 2)
  end
  return #value
end

function table.pack(...)
  return { n = select("#", ...), ... }
end

table.unpack = unpack

local log = math.log
function math.log(value, base)
  if base == nil then
    return log(value)
  end
  return log(value) / log(base)
end

-- `require("pyvoy")`; made when a script first asks for it.
package.preload.pyvoy = function()
  return core.load_helpers()
end

function coroutine.running()
  local co = running()
  return co, co == nil
end
