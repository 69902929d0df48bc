-- The stream handle: headers, body, trailers, calls and replies.
--
-- What has to be waited for yields with one of the numbers below; the proxy goes on with one of ABSENT, PRESENT, or
-- with the results themselves.

local host, core = ...

local define, kept, new, new_type, wait = core.define, core.kept, core.new, core.new_type, core.wait
local to_string, to_number, to_int, to_boolean, to_table = core.to_string, core.to_number, core.to_int,
  core.to_boolean, core.to_table
local arg_error, type_error = core.arg_error, core.type_error
local is_live, DEAD, because, Handle, HeaderMap = core.is_live, core.DEAD, core.because, core.Handle,
  core.HeaderMap
local own_headers = core.own_headers
local error, type, ipairs, pairs, next, tostring = error, type, ipairs, pairs, next, tostring
local concat, sub = table.concat, string.sub

local FOR_BODY, FOR_CHUNK, FOR_TRAILERS, FOR_CALL, RESPONDED = 1, 2, 3, 4, 5
local ABSENT, PRESENT, WAIT = 0, 1, 2
local TRAILERS, REQUEST_HEADERS = 1, 2

local Buffer = new_type("N5Envoy10Extensions7Filters6Common3Lua13BufferWrapperE")

-- ---- headers and trailers ----

define(Handle, "headers", function()
  return own_headers(HeaderMap)
end)

define(Handle, "requestHeaders", function(state)
  if not host.has_request_headers() then
    return
  end
  return kept(state, "request_headers", HeaderMap, "map", REQUEST_HEADERS)
end)

define(Handle, "trailers", function(state)
  local found = host.trailers()
  if found == WAIT then
    found = wait(FOR_TRAILERS)
  end
  if found == PRESENT then
    return kept(state, "trailers", HeaderMap, "map", TRAILERS)
  end
end)

-- ---- body ----

define(Handle, "body", function(state, count, always)
  if count >= 2 then
    to_boolean(always, 2, count)
  end
  local found = host.body(always or false)
  if found == WAIT then
    found = wait(FOR_BODY)
  elseif type(found) == "string" then
    error(because(found), 2)
  end
  if found == PRESENT then
    return kept(state, "body", Buffer)
  end
end)

define(Handle, "bodyChunks", function(state)
  local wrong = host.body_chunks()
  if wrong then
    error(because(wrong), 2)
  end
  return function()
    if not is_live(state) then
      error(because(DEAD), 2)
    end
    if host.at_end() or wait(FOR_CHUNK) ~= PRESENT then
      return
    end
    return new(Buffer, {})
  end
end)

-- The bytes of a buffer cross when they are first asked for.
local function bytes_of(state)
  local bytes = state.bytes
  if bytes == nil then
    bytes = host.buffer()
    state.bytes = bytes
  end
  return bytes
end

define(Buffer, "length", function(state)
  return #bytes_of(state)
end)

define(Buffer, "getBytes", function(state, count, index, length)
  index = to_int(index, 2, count)
  length = to_int(length, 3, count)
  local bytes = bytes_of(state)
  if index < 0 or length < 0 or index + length > #bytes then
    error("index/length must be >= 0 and (index + length) must be <= buffer size", 2)
  end
  return sub(bytes, index + 1, index + length)
end)

define(Buffer, "setBytes", function(state, count, bytes)
  bytes = to_string(bytes, 2, count)
  state.bytes = bytes
  host.set_buffer(bytes)
  return #bytes
end)

-- ---- replies and calls ----

-- A Lua table of headers as one string, in the order of the table; `count` is the number of arguments given.
local function flatten(headers, count)
  local flat, n = {}, 0
  for name, value in next, headers do
    name = to_string(name, count + 2, count + 2, 2)
    if type(value) == "table" then
      for _, item in ipairs(value) do
        flat[n + 1], flat[n + 2] = name, to_string(item, count + 5, count + 5, 2)
        n = n + 2
      end
    else
      flat[n + 1], flat[n + 2] = name, to_string(value, count + 3, count + 3, 2)
      n = n + 2
    end
  end
  flat[n + 1] = ""
  return concat(flat, "\0")
end

define(Handle, "respond", function(state, count, headers, body)
  local wrong = host.may_respond()
  if wrong then
    error(because(wrong), 2)
  end
  to_table(headers, 2, count)
  local flat = flatten(headers, count)
  if body ~= nil then
    body = to_string(body, 3, count)
  end
  wrong = host.respond(flat, body)
  if wrong then
    error(wrong, 2)
  end
  wait(RESPONDED)
end)

local function truth(value)
  return not not value
end

local OPTIONS = {
  asynchronous = truth,
  timeout_ms = to_int,
  trace_sampled = truth,
  return_duplicate_headers = truth,
  send_xff = truth,
}

local function read_options(given, count)
  local options = { send_xff = true, timeout_ms = 0 }
  for key, value in next, given do
    local read = OPTIONS[key]
    if not read then
      error(string.format('"%s" is not valid key for httpCall() options', tostring(key)), 3)
    end
    options[key] = read(value, count + 3, count + 3, 2)
  end
  if options.timeout_ms < 0 then
    error("http call timeout must be >= 0", 3)
  end
  return options
end

local function positional_options(timeout_ms, asynchronous, count)
  timeout_ms = to_int(timeout_ms, 5, count, 2)
  if timeout_ms < 0 then
    error("http call timeout must be >= 0", 3)
  end
  if count >= 6 and type(asynchronous) ~= "boolean" then
    error("http call asynchronous flag must be 'true', 'false', or empty", 3)
  end
  return { timeout_ms = timeout_ms, asynchronous = asynchronous, send_xff = true }
end

-- Response headers from one string of pairs; with `duplicates` each value is a list if the name occurs twice.
local function unflatten(text, duplicates)
  local headers = {}
  for name, value in string.gmatch(text, "(%Z*)%z(%Z*)%z") do
    local old = headers[name]
    if not duplicates or old == nil then
      headers[name] = value
    elseif type(old) == "table" then
      old[#old + 1] = value
    else
      headers[name] = { old, value }
    end
  end
  return headers
end

define(Handle, "httpCall", function(state, count, cluster, headers, body, timeout_ms, asynchronous)
  local options
  if type(timeout_ms) == "table" then
    options = read_options(timeout_ms, count)
  else
    options = positional_options(timeout_ms, asynchronous, count)
  end
  cluster = to_string(cluster, 2, count)
  to_table(headers, 3, count)
  local flat = flatten(headers, count)
  if body ~= nil then
    body = to_string(body, 4, count)
  end
  local found = host.http_call(cluster, flat, body, options.timeout_ms, options.asynchronous or false,
    options.send_xff)
  if type(found) == "string" then
    error(found, 2)
  elseif options.asynchronous then
    return
  end
  wait(FOR_CALL)
  local answer, answer_body = host.answer()
  return unflatten(answer, options.return_duplicate_headers), answer_body
end)

-- ---- the rest ----

define(Handle, "clearRouteCache", function()
  host.clear_route_cache()
end)

define(Handle, "setUpstreamOverrideHost", function(state, count, address, strict)
  address = to_string(address, 2, count)
  if count >= 3 then
    to_boolean(strict, 3, count)
  end
  local wrong = host.override_host(address, strict or false)
  if wrong then
    error(wrong, 2)
  end
end)

define(Handle, "base64Escape", function(state, count, text)
  return host.base64_encode(to_string(text, 2, count))
end)

define(Handle, "base64Decode", function(state, count, text)
  local decoded = host.base64_decode(to_string(text, 2, count))
  if decoded ~= nil then
    return decoded
  end
end)

EnvoyTimestampResolution = { MILLISECOND = 0, MICROSECOND = 1 }

define(Handle, "timestamp", function(state, count, unit)
  if unit ~= nil and tonumber(unit) ~= 0 then
    error("timestamp format must be MILLISECOND.", 2)
  end
  return host.timestamp()
end)

define(Handle, "timestampString", function(state, count, unit)
  local number = unit == nil and 0 or tonumber(unit)
  if number ~= 0 and number ~= 1 then
    error("timestamp format must be MILLISECOND or MICROSECOND.", 2)
  end
  return host.timestamp_text(number)
end)
