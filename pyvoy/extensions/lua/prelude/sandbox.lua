-- What a script in a sandbox does not find: files, processes, other code, the debugger, foreign functions.
-- Left of `os` are the clock and the calendar; load and loadstring take text only, since bytecode is not checked.

local host, core = ...

local load, type, error, sub = load, type, error, string.sub
local clock, date, difftime, time = os.clock, os.date, os.difftime, os.time

io, package, debug, require, module, dofile, loadfile = nil, nil, nil, nil, nil, nil, nil
os = { clock = clock, date = date, difftime = difftime, time = time }
jit = { version = jit.version, version_num = jit.version_num, arch = jit.arch, os = jit.os }

local loaded

-- Only the module `pyvoy` is to be had.
function require(name)
  if name ~= "pyvoy" then
    error("module '" .. tostring(name) .. "' cannot be loaded in a sandbox", 2)
  end
  loaded = loaded or core.load_helpers()
  return loaded
end

local function check(text)
  if type(text) == "string" and sub(text, 1, 1) == "\27" then
    error("bytecode cannot be loaded in a sandbox", 3)
  end
end

function _G.loadstring(text, name)
  check(text)
  return load(text, name or text, "t")
end

function _G.load(text, name, _, ...)
  if type(text) == "function" then
    return load(text, name, "t", ...)
  end
  check(text)
  return load(text, name, "t", ...)
end
