-- A limit of instructions for each stretch of a script between two waits.
--
-- The count hook never fires in code that LuaJIT has compiled, so that a limited state is interpreted; nor does it fire
-- inside string functions, whose arguments are therefore bounded.  Once over the limit, every further instruction of
-- the script raises, so that no pcall can go on.

local host, core, limit = ...

local sethook, running, error, type = debug.sethook, core.raw_running, error, type
local TEXT = "script exceeded its limit of " .. string.format("%d", limit) .. " instructions"
local LONGEST_SUBJECT, LONGEST_PATTERN = 4 * 1024 * 1024, 1024

jit.off()
jit.off(true, true)
jit.on = nil
debug.sethook = nil

local stop
function stop()
  if running() then
    sethook(stop, "", 1)
    error(TEXT, 2)
  end
end

function core.begin_stretch()
  sethook(stop, "", limit)
end

function core.end_stretch()
  sethook()
end

for _, name in ipairs({ "find", "match", "gmatch", "gsub" }) do
  local original = string[name]
  string[name] = function(subject, pattern, ...)
    if type(subject) == "string" and #subject > LONGEST_SUBJECT then
      error("subject of string." .. name .. " is too long for a script with a limit", 2)
    elseif type(pattern) == "string" and #pattern > LONGEST_PATTERN then
      error("pattern of string." .. name .. " is too long for a script with a limit", 2)
    end
    return original(subject, pattern, ...)
  end
end

local rep = string.rep
function string.rep(text, times, ...)
  local size = type(text) == "string" and type(times) == "number" and #text * times or 0
  if size > LONGEST_SUBJECT then
    error("result of string.rep is too long for a script with a limit", 2)
  end
  return rep(text, times, ...)
end
