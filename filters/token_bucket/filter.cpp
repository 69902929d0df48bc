// token_bucket: each client has so many requests, over all workers.
#include "proxy_wasm.hpp"

#include <algorithm>

using namespace proxy_wasm;

constexpr double BURST = 5, PER_SECOND = 1;
constexpr std::string_view HEADER = "x-client";

// What is kept of a client.
struct Bucket {
  double tokens;
  uint64_t since_ns;
};

struct BucketRoot : Root {
  Metric limited = counter("token_bucket.limited");
};

// The buckets lie in shared data; two workers that take at the same time try again (compare-and-swap).
struct TokenBucket : Stream {
  using Root = BucketRoot;

  explicit TokenBucket(Root &root) : root(root) {}

  Action on_request_headers(bool end) {
    if (take("token_bucket." + client())) return Action::Continue;
    root.limited.add();
    reply(429, "too many requests\n", {{"retry-after", std::to_string(int(1 / PER_SECOND + 1))}});
    return Action::Pause;
  }

  // Who asks: what the header says, else the address without its port.
  static std::string client() {
    if (auto named = request.get(HEADER)) return *named;
    std::string address = property({"source", "address"}).value_or("");
    return address.substr(0, address.rfind(':'));
  }

  static bool take(const std::string &key) {
    for (;;) {
      uint64_t now = now_ns();
      auto kept = shared_data::get(key);
      Bucket bucket{BURST, now};
      if (kept && kept->bytes.size() == sizeof bucket) memcpy(&bucket, kept->bytes.data(), sizeof bucket);
      uint64_t later = std::max(now, bucket.since_ns);
      bucket.tokens = std::min(BURST, bucket.tokens + double(later - bucket.since_ns) / 1e9 * PER_SECOND);
      bucket.since_ns = later;
      bool allowed = bucket.tokens >= 1;
      if (allowed) bucket.tokens -= 1;
      std::string_view bytes(reinterpret_cast<const char *>(&bucket), sizeof bucket);
      if (shared_data::set(key, bytes, kept ? kept->cas : 0)) return allowed;
    }
  }

  Root &root;
};

PROXY_WASM_FILTER(TokenBucket, request_headers)
