-- add_header: every response says hello, and its location is ours.

function envoy_on_response(handle)
  local headers = handle:headers()
  headers:add("hello", "world!")
  headers:replace("location", "envoy-wasm")
end
