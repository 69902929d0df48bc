// canary: who asks for it gets the new version.
#include "proxy_wasm.hpp"

#include <cctype>

using namespace proxy_wasm;

struct CanaryRoot : Root {
  Metric asked = counter("canary.canary");
};

// Puts `x-stage` on the request, which the routes match; what the client says there does not count.
struct Canary : Stream {
  using Root = CanaryRoot;

  explicit Canary(Root &root) : root(root) {}

  Action on_request_headers(bool end) {
    std::string wish = request.get("x-canary").value_or("");
    for (char &letter : wish) letter = char(tolower(letter));
    bool wants = wish == "1" || wish == "true" || wish == "always";
    request.set("x-stage", wants ? "canary" : "stable");  // the route is chosen anew
    if (wants) root.asked.add();
    return Action::Continue;
  }

  Root &root;
};

PROXY_WASM_FILTER(Canary, request_headers)
