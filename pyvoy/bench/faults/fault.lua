-- A filter that misbehaves when a request asks for it (x-fault): what that does to others is measured.

local STEP_BYTES, STEPS = 16 * 1024 * 1024, 32
local held = {}

function envoy_on_request(handle)
  local fault = handle:headers():get("x-fault")
  if fault == "crash" then
    error("a mistake")
  elseif fault == "exit" then
    os.exit(3)
  elseif fault == "hog" then
    for step = 1, STEPS do
      held[step] = step .. string.rep("x", STEP_BYTES)
    end
  end
  while fault == "loop" do
  end
end
