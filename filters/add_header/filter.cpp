// add_header: every response says hello, and its location is ours.
#include "proxy_wasm.hpp"

using namespace proxy_wasm;

struct AddHeader : Stream {
  Action on_response_headers(bool end) {
    response.add("hello", "world!");
    response.set("location", "envoy-wasm");
    return Action::Continue;
  }
};

PROXY_WASM_FILTER(AddHeader, response_headers)
