-- The Lua side of Envoy's scripting interface: object types, lifetimes, argument errors, and how a hook is run.
--
-- Every object that a script sees is a userdata whose environment is its state.  `live` numbers the stretches between
-- two yields; an object belongs to the stretch in which it was made.  Only the stream handle is carried over; it is known
-- by itself while its hook runs, and has a state once the script uses it.
-- Errors name the line of the script: each exposed function is entered by a tail call, so that level 2 is the caller.
-- Source: Envoy, source/extensions/filters/common/lua and .../http/lua; texts observed on Envoy 1.40.

local host, core = ...

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local getfenv, setfenv, getinfo, traceback = debug.getfenv, debug.setfenv, debug.getinfo, debug.traceback
local debug_getmetatable, getregistry = debug.getmetatable, debug.getregistry
local error, newproxy, next = error, newproxy, next
local pcall, select, tonumber, tostring, type = pcall, select, tonumber, tostring, type
local format, find, gsub, floor, ceil = string.format, string.find, string.gsub, math.floor, math.ceil
local concat = table.concat

local DEAD = "object used outside of proper scope"
local MEMORY = "not enough memory"
local live = 0
local calls, nesting = 0, 0 -- of functions that cannot wait
local begin_stretch, end_stretch
local short_of_memory = false -- what the last hook has filled it with is garbage only when that hook is gone
local explaining = false
local handle_now, state_now = nil, nil
local waiting = nil
local DONE = {}
local ERROR = -1
local changes, change_count = {}, 0
local collecting = false
local clean, clean_count = {}, 0
local MOST_CLEAN, LONGEST_CLEAN = 256, 128

-- ---- errors ----

-- Raise as luaL_argerror does; `narg` counts the object of a method call.  The frames below are those of the checks
-- (which are all left by tail calls), then `depth` frames, by default one, down to the exposed function.
local function arg_error(narg, text, depth)
  depth = depth or 1
  local info = getinfo(1 + depth, "n") or {}
  local name = info.name
  if info.namewhat == "method" then
    narg = narg - 1
    if narg == 0 then
      error(format("calling '%s' on bad self (%s)", name or "?", text), 2 + depth)
    end
  end
  error(format("bad argument #%d to '%s' (%s)", narg, name or "?", text), 2 + depth)
end

-- `count`: how many arguments were given, which tells nil from nothing.
local function type_error(narg, expected, value, count, depth)
  local got = narg > count and "no value" or type(value)
  return arg_error(narg, format("%s expected, got %s", expected, got), depth)
end

-- luaL_checkstring: numbers are strings too.
local function to_string(value, narg, count, depth)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "number" then
    return tostring(value)
  end
  return type_error(narg, "string", value, count, depth)
end

local function to_number(value, narg, count, depth)
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then
    return type_error(narg, "number", value, count, depth)
  end
  return number
end

-- luaL_checkint: what is behind the point is cut off.
local function to_int(value, narg, count, depth)
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then
    return type_error(narg, "number", value, count, depth)
  end
  return number < 0 and ceil(number) or floor(number)
end

local function to_boolean(value, narg, count, depth)
  if type(value) ~= "boolean" then
    return type_error(narg, "boolean", value, count, depth)
  end
  return value
end

local function to_table(value, narg, count, depth)
  if type(value) ~= "table" then
    return type_error(narg, "table", value, count, depth)
  end
  return value
end

-- ---- explanations ----

local CALLS = { "body()", "bodyChunks()", "trailers()", "httpCall()" }

-- The line of the script that is running.
local function here()
  for level = 3, 20 do
    local info = getinfo(level, "Sl")
    if not info then
      break
    elseif info.what ~= "C" and info.short_src:sub(1, 6) ~= "pyvoy/" then
      return info.short_src .. ":" .. info.currentline
    end
  end
  return "?"
end

function core.explain_errors()
  explaining = true
end

-- Where a call of this name stands, for errors that it may cause later; nil unless they are explained.
function core.site(name)
  return explaining and name .. " at " .. here() or nil
end

-- An error's text, with the call that has made what was tried illegal.
local function because(text, site)
  site = site or explaining and state_now and state_now.waited
  return site and text .. " (since " .. site .. ")" or text
end

-- ---- objects ----

-- A type of objects: the prototype of its userdata and the metatable that they share.
local function new_type(name)
  local proto = newproxy(true)
  local mt = debug_getmetatable(proto)
  mt.__index = mt
  getregistry()[name] = mt
  return { proto = proto, mt = mt, name = name }
end

-- An object of a type; `state` is its own and must not be shared.
local function new(kind, state)
  local object = newproxy(kind.proto)
  state.kind = kind
  state.live = live
  setfenv(object, state)
  return object
end

-- Raise for an object that is not of the type or has died; called by a method, whose caller is to blame.
local function refuse(kind, object, count)
  if type(object) ~= "userdata" or debug_getmetatable(object) ~= kind.mt then
    return type_error(1, kind.name, object, count)
  end
  error(because(DEAD), 3)
end

-- Add a method; `fn(state, count, ...)` gets the object's state, the number of arguments with the object, and the rest.
local function define(kind, name, fn)
  kind.mt[name] = function(...)
    local object = ...
    local state = type(object) == "userdata" and getfenv(object)
    if state and state.kind == kind and state.live == live then
      return fn(state, select("#", ...), select(2, ...))
    end
    refuse(kind, object, select("#", ...))
  end
end

-- The same for the stream handle.
local function define_of_handle(kind, name, fn)
  kind.mt[name] = function(...)
    local object = ...
    if object ~= nil and object == handle_now then
      local state = state_now
      if state == nil then
        state = { kind = kind, live = live }
        state_now = state
      end
      return fn(state, select("#", ...), select(2, ...))
    end
    refuse(kind, object, select("#", ...))
  end
end

-- The object that `state` keeps under `key`, or a new one, whose state has `field` = `value`.
local function kept(state, key, kind, field, value)
  local object = state[key]
  if object == nil then
    object = newproxy(kind.proto)
    setfenv(object, { kind = kind, live = live, owner = state, [field or "owner"] = value or state })
    state[key] = object
  end
  return object
end

for level, name in ipairs({ "logTrace", "logDebug", "logInfo", "logWarn", "logErr", "logCritical" }) do
  local log, log_at = host.log, host.log_at -- the latter where requests are traced
  core[name] = log_at and function(_, count, text)
    log_at(level, to_string(text, 2, count), here())
  end or function(_, count, text)
    log(level, to_string(text, 2, count))
  end
end

-- A type whose objects also have the log methods; `define_method` is what adds them.
local function new_logging_type(name, define_method)
  local kind = new_type(name)
  for _, method in ipairs({ "logTrace", "logDebug", "logInfo", "logWarn", "logErr", "logCritical" }) do
    (define_method or define)(kind, method, core[method])
  end
  return kind
end

-- ---- changes of headers ----

-- Until a hook first waits, what it does to its own headers is collected here and crosses at once: when it ends, or
-- before the proxy is asked something that may depend on it.

-- Whether a text has no NUL; scripts use the same ones again and again.
local function is_clean(text)
  if clean[text] then
    return true
  elseif find(text, "\0", 1, true) then
    return false
  end
  if #text <= LONGEST_CLEAN then
    if clean_count == MOST_CLEAN then
      clean, clean_count = {}, 0
    end
    clean[text], clean_count = true, clean_count + 1
  end
  return true
end

-- Whether a change was collected; if not, it has to be made by a call.
function core.collect(what, name, value)
  if not (collecting and is_clean(name) and is_clean(value)) then
    return false
  end
  local n = change_count
  changes[n + 1], changes[n + 2], changes[n + 3] = what, name, value
  change_count = n + 3
  return true
end

-- The collected changes as one string.
local function take_changes()
  local text = concat(changes, "\0", 1, change_count)
  change_count = 0
  return text
end

-- Make a function of the proxy see what the hook has changed before.
function core.behind_changes(fn)
  return function(...)
    if change_count > 0 then
      host.header_changes(take_changes())
    end
    return fn(...)
  end
end

-- ---- running a hook ----

local Handle = new_logging_type("N5Envoy10Extensions11HttpFilters3Lua19StreamHandleWrapperE", define_of_handle)
local resting, rested = {}, 0
local suspended, last_id = {}, 0
local MOST_RESTING = 64

-- A coroutine serves one hook after the other; one that has ended by an error or waits for good is left to the
-- collector.
local function serve(fn, handle)
  while true do
    fn(handle)
    fn, handle = yield(DONE)
  end
end

-- The text of an error value, as Envoy shows it.
local function text_of(value)
  local kind = type(value)
  if kind == "number" then
    return tostring(value)
  elseif kind ~= "string" then
    return "unspecified lua error"
  end
  return value
end

-- The frames of the script in a coroutine that has failed.
local function frames(co)
  return (gsub(traceback(co), "\n\tpyvoy/[^\n]*", ""))
end

-- Take over the limits of limits.lua, if it was loaded.
function core.apply_limits()
  begin_stretch, end_stretch = core.begin_stretch, core.end_stretch
end

-- Run a script's main chunk; errors call it by its first line, as in Envoy, unless it has a name.  Answers nothing, or
-- why it cannot be loaded.
function core.load(code, name)
  local chunk, wrong = loadstring(code, name or code)
  if not chunk then
    return wrong
  end
  if not begin_stretch then -- on the main thread, as in Envoy, where a yield is the script's error
    local ok, value = pcall(chunk)
    return not ok and text_of(value) or nil
  end
  local co = create(chunk) -- limits hold in coroutines only
  begin_stretch()
  local ok, value = resume(co)
  end_stretch()
  if not ok then
    return text_of(value)
  elseif status(co) ~= "dead" then
    return "attempt to yield from outside a coroutine"
  end
end

-- Call a function that cannot wait: true and its last result, or false, text and traceback.  What it asks for may call
-- another one (a write, the function that sees writes): its own objects then live on behind that.
function core.call(fn, ...)
  local co, outer = create(fn), live
  local function ended(ok, ...)
    nesting = nesting - 1
    live = nesting > 0 and outer or 0
    if not ok then
      return false, text_of((...)), frames(co)
    elseif status(co) ~= "dead" then
      return false, "script performed an unexpected yield", frames(co)
    end
    local count = select("#", ...)
    return true, count > 0 and (select(count, ...)) or nil
  end
  calls, nesting = calls + 1, nesting + 1
  live = calls
  return ended(resume(co, ...))
end

-- The same within the limit of a stretch.
function core.call_limited(fn, ...)
  if not begin_stretch then
    return core.call(fn, ...)
  end
  local function ended(...)
    end_stretch()
    if nesting > 0 then
      begin_stretch() -- the limit of the one that goes on
    end
    return ...
  end
  begin_stretch()
  return ended(core.call(fn, ...))
end

local function after(co, ok, value)
  local handle, state = handle_now, state_now
  handle_now, state_now = nil, nil
  core.headers_now, core.iterated = nil, nil
  live = live + 1
  collecting = false
  if end_stretch then
    end_stretch()
  end
  if ok and value == DONE then
    if rested < MOST_RESTING then
      rested = rested + 1
      resting[rested] = co
    end
    if change_count > 0 then
      return take_changes()
    elseif state then
      return 0
    end
    return
  elseif change_count > 0 then
    host.header_changes(take_changes())
  end
  if ok then
    local what = waiting
    waiting = nil
    if what then
      state.co, state.handle = co, handle
      last_id = last_id + 1
      suspended[last_id] = state
      return what, last_id
    end
    return ERROR, "script performed an unexpected yield", frames(co)
  end
  waiting = nil
  if value == MEMORY then
    short_of_memory = true
    return ERROR, MEMORY, ""
  end
  return ERROR, text_of(value), frames(co)
end

local funcinfo = require("jit.util").funcinfo
package.loaded["jit.util"] = nil -- where Envoy's scripts do not find it either

-- Whether a function does nothing: its bytecode is its header and its return.
function core.is_empty(fn)
  return funcinfo(fn).bytecodes == 2
end

-- A function that runs a hook of the script: nothing when it has ended without having used its handle, 0 when it has
-- ended, or the changes that it has left to make; else what it waits for and its number, or ERROR, text and traceback.
-- `changing` says that the headers may be changed.
function core.runner(fn, changing)
  local proto = Handle.proto
  return function()
    if short_of_memory then
      short_of_memory = false
      collectgarbage()
    end
    collecting, change_count = changing, 0
    local handle = newproxy(proto)
    handle_now = handle
    local co
    if rested > 0 then
      co = resting[rested]
      rested = rested - 1
    else
      co = create(serve)
    end
    if begin_stretch then
      begin_stretch()
    end
    return after(co, resume(co, fn, handle))
  end
end

-- Go on with what a hook has waited for; answers as `run` does.
function core.go_on(id, ...)
  local state = suspended[id]
  suspended[id] = nil
  local co, waited = state.co, state.waited
  handle_now, state_now = state.handle, state
  for key in next, state do
    state[key] = nil
  end
  state.kind, state.live, state.waited = Handle, live, waited
  if begin_stretch then
    begin_stretch()
  end
  return after(co, resume(co, ...))
end

-- A hook that waits will not go on.
function core.forget(id)
  suspended[id] = nil
end

-- Wait for something; gives back what `go_on` was given.
local function wait(what)
  waiting = what
  if explaining and CALLS[what] then
    state_now.waited = CALLS[what] .. " at " .. here()
  end
  return yield()
end

function core.is_live(state)
  return state.live == live
end

-- The same state, as one of this stretch.
function core.stamp(state)
  state.live = live
  return state
end

-- The hook's own headers: `core.headers_now`, which is known by itself, as the handle is.
function core.own_headers(kind)
  local object = core.headers_now
  if object == nil then
    object = newproxy(kind.proto)
    core.headers_now = object
  end
  return object
end

core.raw_running = coroutine.running
core.DEAD, core.because, core.refuse = DEAD, because, refuse
core.Handle = Handle
core.arg_error, core.type_error = arg_error, type_error
core.to_string, core.to_number, core.to_int = to_string, to_number, to_int
core.to_boolean, core.to_table = to_boolean, to_table
core.new, core.new_type, core.kept, core.wait = new, new_logging_type, kept, wait

function core.define(kind, name, fn)
  return (kind == Handle and define_of_handle or define)(kind, name, fn)
end
