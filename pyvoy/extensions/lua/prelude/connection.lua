-- What a network filter's script sees: its connection.  Nothing can be waited for here.

local host, core = ...

local define, new, new_type, to_string = core.define, core.new, core.new_type, core.to_string
local error, type = error, type

local Connection = new_type("pyvoy.Connection")
local tables = {}

-- A table that is the script's own as long as the connection lives.
define(Connection, "state", function(state)
  return tables[state.id]
end)

define(Connection, "write", function(_, count, data)
  host.write(to_string(data, 2, count))
end)

define(Connection, "close", function()
  host.close()
end)

for _, method in ipairs({ "remoteAddress", "localAddress", "requestedServerName" }) do
  define(Connection, method, function()
    return host.fact(method)
  end)
end

define(Connection, "setMetadata", function(_, count, namespace, key, value)
  local wrong = host.set_metadata(to_string(namespace, 2, count), to_string(key, 3, count), value)
  if wrong then
    error(wrong, 2)
  end
end)

-- What calls a function of the script for a connection; answers as core.call does.
function core.connection_caller(fn)
  return function(id, ...)
    if not tables[id] then
      tables[id] = {}
    end
    return core.call_limited(function(...)
      return fn(new(Connection, { id = id }), ...)
    end, ...)
  end
end

function core.connection_over(id)
  tables[id] = nil
end
