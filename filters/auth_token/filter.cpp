// auth_token: a request needs a token that the auth service knows.
#include "proxy_wasm.hpp"

using namespace proxy_wasm;

constexpr std::string_view PATH = "/check";
constexpr uint32_t TIMEOUT_MS = 1000;

// The configuration is the name of the cluster that is asked.
struct AuthRoot : Root {
  std::string cluster;
  Metric allowed = counter("auth_token.allowed");
  Metric denied = counter("auth_token.denied");
  Metric unavailable = counter("auth_token.unavailable");

  bool on_configure() {
    cluster = configuration.empty() ? "auth" : configuration;
    return true;
  }
};

// Fails closed: no answer of the auth service is a 503.
struct AuthToken : Stream {
  using Root = AuthRoot;

  explicit AuthToken(Root &root) : root(root) {}

  Action on_request_headers(bool end) {
    request.remove("x-user");
    std::string token = request.get("authorization").value_or("");
    if (token.empty()) {
      reply(401, "no token\n", {{"www-authenticate", "Bearer"}});
    } else if (!get(root.cluster, PATH, {{"authorization", token}}, TIMEOUT_MS)) {
      refuse_unchecked();
    }
    return Action::Pause;
  }

  void on_http_call(const Answer &answer) {
    int status = answer.status();
    if (answer.failed || status >= 500) return refuse_unchecked();  // a time-out is a 504
    if (status < 200 || status > 299) {
      root.denied.add();
      return reply(403, "unknown token\n");
    }
    root.allowed.add();
    request.set("x-user", answer.headers.get("x-user").value_or("unknown"));
    continue_request();
  }

  void refuse_unchecked() {
    root.unavailable.add();
    reply(503, "cannot check the token\n");
  }

  Root &root;
};

PROXY_WASM_FILTER(AuthToken, request_headers, http_call)
