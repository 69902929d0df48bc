// request_counter: what comes and goes, as statistics.
#include "proxy_wasm.hpp"

#include <map>

using namespace proxy_wasm;

struct Counters : Root {
  Metric requests = counter("request_counter.requests");
  Metric active = gauge("request_counter.active");
  Metric response_bytes = histogram("request_counter.response_bytes");

  // A counter that is defined once.
  Metric &of(std::string_view kind, std::string_view which) {
    std::string name = std::string("request_counter.").append(kind).append(".").append(which);
    return known.try_emplace(name, PROXY_COUNTER, name).first->second;
  }

  std::map<std::string, Metric> known;
};

constexpr std::string_view METHODS[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};

// Counters by method and class of the status, a gauge of what is running, a histogram of sizes.
struct RequestCounter : Stream {
  using Root = Counters;

  explicit RequestCounter(Root &root) : root(root) {}

  Action on_request_headers(bool end) {
    std::string method = request.get(":method").value_or("");
    bool is_known = false;
    for (auto each : METHODS) is_known = is_known || each == method;
    root.requests.add();
    root.of("method", is_known ? method : "other").add();
    root.active.add();
    counted = true;
    return Action::Continue;
  }

  Action on_response_headers(bool end) {
    root.of("status", response.get(":status").value_or("0").substr(0, 1) + "xx").add();
    return Action::Continue;
  }

  void on_log() {
    if (!counted) return;
    root.active.add(-1);
    root.response_bytes.record(uint64_t(number_property({"response", "size"}).value_or(0)));
  }

  Root &root;
  bool counted = false;
};

PROXY_WASM_FILTER(RequestCounter, request_headers, response_headers, log)
