-- What a script may learn of its stream: metadata, stream info, connection, TLS, route, filter state, statistics, keys.

local host, core = ...

local define, kept, new, new_type = core.define, core.kept, core.new, core.new_type
local to_string, to_number, to_int = core.to_string, core.to_number, core.to_int
local is_live, DEAD, Handle = core.is_live, core.DEAD, core.Handle
local error, type, getfenv, next = error, type, debug.getfenv, next

local SECOND = "cannot create a second iterator before completing the first"

local function type_named(name)
  return new_type("N5Envoy10Extensions11HttpFilters3Lua" .. #name .. name .. "E")
end

local function common_type(name)
  return new_type("N5Envoy10Extensions7Filters6Common3Lua" .. #name .. name .. "E")
end

-- A method that asks the proxy for a value by name; what is absent gives no result at all.
local function ask(kind, method, question, ...)
  local extra = ...
  define(kind, method, function(state)
    local value = question(extra or method)
    if value ~= nil then
      return value
    end
  end)
end

-- `pairs(object)` over a table of values; an object has one iteration at a time.
local function iterate(kind, values)
  kind.mt.__pairs = function(object)
    local state = getfenv(object)
    if not is_live(state) then
      error(core.because(DEAD), 2)
    elseif state.iterating then
      error(SECOND, 2)
    end
    state.iterating = true
    local table, key, value = values(state), nil, nil
    return function()
      if not is_live(state) then
        error(core.because(DEAD), 2)
      end
      key, value = next(table, key)
      if key == nil then
        state.iterating = false
        return
      end
      return key, value
    end
  end
end

-- ---- metadata ----

local Metadata = common_type("MetadataMapWrapper")
common_type("MetadataMapIterator")

local function fields_of(state)
  local fields = state.fields
  if fields == nil then
    fields = host.metadata(state.what)
    state.fields = fields
  end
  return fields
end

define(Metadata, "get", function(state, count, key)
  local value = fields_of(state)[to_string(key, 2, count)]
  if value ~= nil then
    return value
  end
end)

iterate(Metadata, fields_of)

define(Handle, "metadata", function(state)
  return kept(state, "metadata", Metadata, "what", "route_or_default")
end)

define(Handle, "filterContext", function(state)
  return kept(state, "filter_context", Metadata, "what", "filter_context")
end)

for method, name in pairs({ route = "RouteWrapper", virtualHost = "VirtualHostWrapper" }) do
  local kind = type_named(name)
  define(Handle, method, function(state)
    return kept(state, method, kind)
  end)
  define(kind, "metadata", function(state)
    return kept(state, "metadata", Metadata, "what", method)
  end)
end

-- ---- stream info ----

local StreamInfo = type_named("StreamInfoWrapper")
local ConnectionStreamInfo = type_named("ConnectionStreamInfoWrapper")
local DynamicMetadata = type_named("DynamicMetadataMapWrapper")
local ConnectionMetadata = type_named("ConnectionDynamicMetadataMapWrapper")
local FilterState = type_named("FilterStateWrapper")
type_named("DynamicMetadataMapIterator")
type_named("ConnectionDynamicMetadataMapIterator")

define(Handle, "streamInfo", function(state)
  return kept(state, "stream_info", StreamInfo)
end)

define(Handle, "connectionStreamInfo", function(state)
  return kept(state, "connection_stream_info", ConnectionStreamInfo)
end)

for _, method in ipairs({
  "protocol", "routeName", "virtualClusterName", "downstreamLocalAddress", "downstreamDirectLocalAddress",
  "downstreamRemoteAddress", "downstreamDirectRemoteAddress", "requestedServerName",
}) do
  ask(StreamInfo, method, host.stream_info)
end

define(StreamInfo, "drainConnectionUponCompletion", function()
  host.drain_connection()
end)

define(StreamInfo, "dynamicMetadata", function(state)
  return kept(state, "dynamic_metadata", DynamicMetadata)
end)

define(ConnectionStreamInfo, "dynamicMetadata", function(state)
  return kept(state, "dynamic_metadata", ConnectionMetadata)
end)

define(StreamInfo, "dynamicTypedMetadata", function(state, count, name)
  return host.typed_metadata(false, to_string(name, 2, count))
end)

define(ConnectionStreamInfo, "dynamicTypedMetadata", function(state, count, name)
  return host.typed_metadata(true, to_string(name, 2, count))
end)

define(DynamicMetadata, "get", function(state, count, name)
  local value = host.dynamic_metadata(false, to_string(name, 2, count))
  if value ~= nil then
    return value
  end
end)

define(ConnectionMetadata, "get", function(state, count, name)
  local value = host.dynamic_metadata(true, to_string(name, 2, count))
  if value ~= nil then
    return value
  end
end)

define(DynamicMetadata, "set", function(state, count, filter, key, value)
  if state.iterating then
    error("dynamic metadata map cannot be modified while iterating", 2)
  end
  filter, key = to_string(filter, 2, count), to_string(key, 3, count)
  local wrong = host.set_dynamic_metadata(filter, key, value)
  if wrong then
    error(wrong, 2)
  end
end)

iterate(DynamicMetadata, function()
  return host.all_dynamic_metadata(false)
end)
iterate(ConnectionMetadata, function()
  return host.all_dynamic_metadata(true)
end)

define(StreamInfo, "filterState", function(state)
  return kept(state, "filter_state", FilterState)
end)

define(FilterState, "get", function(state, count, name, field)
  name = to_string(name, 2, count)
  if field ~= nil then
    field = to_string(field, 3, count)
  end
  local value = host.filter_state(name, field)
  if value ~= nil then
    return value
  end
end)

define(FilterState, "set", function(state, count, name, factory, value)
  name, factory = to_string(name, 2, count), to_string(factory, 3, count)
  local wrong = host.set_filter_state(name, factory, to_string(value, 4, count))
  if wrong then
    error(wrong, 2)
  end
end)

-- ---- connection and TLS ----

local Connection = common_type("ConnectionWrapper")
local Tls = common_type("SslConnectionWrapper")
local Subject = common_type("ParsedX509NameWrapper")

define(Handle, "connection", function(state)
  return kept(state, "connection", Connection)
end)

define(Connection, "ssl", function(state)
  host.deprecated_ssl()
  if host.has_tls() then
    return kept(state, "tls", Tls)
  end
  return nil
end)

define(StreamInfo, "downstreamSslConnection", function(state)
  if host.has_tls() then
    return kept(state, "tls", Tls)
  end
  return nil
end)

for _, method in ipairs({
  "peerCertificatePresented", "peerCertificateValidated", "uriSanLocalCertificate", "dnsSansLocalCertificate",
  "subjectLocalCertificate", "oidsLocalCertificate", "sha256PeerCertificateDigest", "serialNumberPeerCertificate",
  "serialNumberPeerCertificateIssuer", "sha256PeerCertificateIssuerDigest", "issuerPeerCertificate",
  "subjectPeerCertificate", "uriSanPeerCertificate", "dnsSansPeerCertificate", "oidsPeerCertificate",
  "urlEncodedPemEncodedPeerCertificate", "urlEncodedPemEncodedPeerCertificateChain", "validFromPeerCertificate",
  "expirationPeerCertificate", "sessionId", "ciphersuiteId", "ciphersuiteString", "tlsVersion",
}) do
  ask(Tls, method, host.tls)
end

define(Tls, "parsedSubjectPeerCertificate", function(state)
  if host.tls("peerCertificatePresented") then
    return kept(state, "subject", Subject)
  end
  return nil
end)

ask(Subject, "commonName", host.tls)
ask(Subject, "organizationName", host.tls)

-- ---- statistics ----

local Stats = type_named("StatsScopeWrapper")
local Counter, Gauge, Histogram = type_named("CounterWrapper"), type_named("GaugeWrapper"),
  type_named("HistogramWrapper")

define(Handle, "stats", function(state)
  return kept(state, "stats", Stats)
end)

for method, kind in pairs({ counter = Counter, gauge = Gauge }) do
  define(Stats, method, function(state, count, name)
    return new(kind, { metric = host.metric(method, to_string(name, 2, count)) })
  end)
end

define(Stats, "histogram", function(state, count, name, unit)
  name = to_string(name, 2, count)
  if unit ~= nil then
    unit = to_string(unit, 3, count)
  end
  local metric = host.metric("histogram", name, unit)
  if type(metric) == "string" then
    error(metric, 2)
  end
  return new(Histogram, { metric = metric })
end)

-- `what` names the amount in the error about a negative one; nil for methods without an amount.
local function change(kind, method, what)
  define(kind, method, function(state, count, amount)
    if what then
      amount = to_number(amount, 2, count)
      if amount < 0 then
        error(what .. " must be non-negative", 2)
      end
    end
    host.metric_do(state.metric, method, amount or 1)
  end)
end

change(Counter, "inc")
change(Counter, "add", "counter add amount")
change(Gauge, "inc")
change(Gauge, "dec")
change(Gauge, "add", "gauge add amount")
change(Gauge, "sub", "gauge sub amount")
change(Gauge, "set", "gauge set value")
change(Histogram, "recordValue", "histogram value")

for _, kind in ipairs({ Counter, Gauge }) do
  define(kind, "value", function(state)
    return host.metric_value(state.metric)
  end)
end

-- ---- keys ----

local PublicKey = type_named("PublicKeyWrapper")

-- The key's own bytes are its name, up to a NUL as everywhere in Envoy; a handle keeps the first object it made.
define(Handle, "importPublicKey", function(state, count, bytes, length)
  bytes, length = to_string(bytes, 2, count), to_number(length, 3, count)
  local old = state.key
  if old == nil or not is_live(getfenv(old)) then
    old = new(PublicKey, { key = host.import_key(bytes:sub(1, length)) })
    state.key = old
  end
  return old
end)

define(PublicKey, "get", function(state)
  return state.key
end)

define(Handle, "verifySignature", function(state, count, hash, key, signature, signature_length, data, data_length)
  hash, key = to_string(hash, 2, count), to_string(key, 3, count)
  if not host.has_key(key) then
    error("invalid public key", 2)
  end
  signature, signature_length = to_string(signature, 4, count), to_number(signature_length, 5, count)
  data, data_length = to_string(data, 6, count), to_number(data_length, 7, count)
  return host.verify(hash, key, signature:sub(1, signature_length), data:sub(1, data_length))
end)
