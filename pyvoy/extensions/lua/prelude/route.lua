-- What a cluster specifier's script sees: a handle with the request headers and the clusters.
--
-- Source: Envoy, source/extensions/router/cluster_specifiers/lua; observed on Envoy 1.40.

local host, core = ...

local define, kept, new, new_type, to_string = core.define, core.kept, core.new, core.new_type, core.to_string

local function type_named(name)
  return new_type("N5Envoy10Extensions6Router3Lua" .. #name .. name .. "E")
end

local RouteHandle = type_named("RouteHandleWrapper")
local HeaderMap = type_named("HeaderMapWrapper")
local Cluster = type_named("ClusterWrapper")

define(RouteHandle, "headers", function(state)
  return kept(state, "headers", HeaderMap)
end)

define(HeaderMap, "get", function(state, count, name)
  local value = host.header_get(to_string(name, 2, count))
  if value ~= nil then
    return value
  end
end)

define(RouteHandle, "getCluster", function(state, count, name)
  name = to_string(name, 2, count)
  if host.has_cluster(name) then
    return new(Cluster, { name = name })
  end
end)

for method, what in pairs({ numConnections = "cx", numRequests = "rq", numPendingRequests = "rq_pending" }) do
  define(Cluster, method, function(state)
    return host.cluster_level(state.name, what)
  end)
end

-- Ask the script for a cluster: as core.call.
function core.choose(fn)
  return core.call(function()
    return fn(new(RouteHandle, {}))
  end)
end
