// Proxy-Wasm filters in C++: a class for a stream, one line that exports it.
//
//     #include "proxy_wasm.hpp"
//     using namespace proxy_wasm;
//
//     struct Hello : Stream {
//       Action on_response_headers(bool end) {
//         response.add("hello", "world!");
//         return Action::Continue;
//       }
//     };
//     PROXY_WASM_FILTER(Hello, response_headers)
//
// The second line names the events that the class has, and only these are exported: the proxy passes by an event that a
// module does not export, and the compiler refuses a list that is not what the class has.  What a plugin keeps for all
// its streams is its root (`struct Hello : Stream { using Root = MyRoot; ... }`).
//
// For what is not here, the C functions are at hand (proxy_wasm.h).  C++20, without exceptions.
#ifndef PROXY_WASM_HPP
#define PROXY_WASM_HPP

#include "proxy_wasm.h"

#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef _LIBCPP_VERSION
// libc++ tells by printf why it aborts, which would be half of a small module; a trap has a backtrace anyway.
_LIBCPP_BEGIN_NAMESPACE_STD
__attribute__((weak)) void __libcpp_verbose_abort(const char *, ...) _NOEXCEPT { __builtin_trap(); }
_LIBCPP_END_NAMESPACE_STD
#endif

namespace proxy_wasm {

using Pair = std::pair<std::string_view, std::string_view>;

enum class Action : uint32_t { Continue = PROXY_CONTINUE, Pause = PROXY_PAUSE };

namespace detail {

// A block of the host as a string; the block is freed.
inline std::string taken(char *block, size_t size) {
  std::string text(block == nullptr ? "" : block, block == nullptr ? 0 : size);
  free(block);
  return text;
}

// Pairs as the host reads them: their number, their sizes, then each text with a NUL.
template <class Pairs> std::string serialized(const Pairs &pairs) {
  std::string out;
  auto number = [&out](size_t value) { out.append(reinterpret_cast<const char *>(&value), 4); };
  number(pairs.size());
  for (const auto &[name, value] : pairs) number(name.size()), number(value.size());
  for (const auto &[name, value] : pairs) out.append(name).append(1, '\0').append(value).append(1, '\0');
  return out;
}

// Objects by the number of their context: sorted, as new numbers are the highest.
template <class T> class Contexts {
 public:
  T *find(uint32_t id) const {
    size_t at = place(id);
    return at < all_.size() && all_[at].first == id ? all_[at].second.get() : nullptr;
  }
  void add(uint32_t id, std::unique_ptr<T> made) {
    all_.insert(all_.begin() + ptrdiff_t(place(id)), {id, std::move(made)});
  }
  void remove(uint32_t id) {
    if (find(id) != nullptr) all_.erase(all_.begin() + ptrdiff_t(place(id)));
  }

 private:
  size_t place(uint32_t id) const {
    size_t low = 0, high = all_.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (all_[middle].first < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  std::vector<std::pair<uint32_t, std::unique_ptr<T>>> all_;
};

}  // namespace detail

// ---- log and time ----

inline void log(proxy_log_level level, std::string_view text) { proxy_log(level, text.data(), text.size()); }
inline void log_debug(std::string_view text) { log(PROXY_DEBUG, text); }
inline void log_info(std::string_view text) { log(PROXY_INFO, text); }
inline void log_warn(std::string_view text) { log(PROXY_WARN, text); }
inline void log_error(std::string_view text) { log(PROXY_ERROR, text); }

// Nanoseconds since 1970.
inline uint64_t now_ns() {
  uint64_t now = 0;
  proxy_get_current_time_nanoseconds(&now);
  return now;
}

// ---- headers and bodies ----

// Headers or trailers.  They can be read and changed in their callback, and while it keeps them back.
class Headers {
 public:
  constexpr explicit Headers(proxy_map map) : map_(map) {}

  // The first value of this name.
  std::optional<std::string> get(std::string_view name) const {
    char *value = nullptr;
    size_t size = 0;
    if (proxy_get_header_map_value(map_, name.data(), name.size(), &value, &size) != PROXY_OK) return std::nullopt;
    return detail::taken(value, size);
  }
  void add(std::string_view name, std::string_view value) const {
    proxy_add_header_map_value(map_, name.data(), name.size(), value.data(), value.size());
  }
  // In place of all values of this name.
  void set(std::string_view name, std::string_view value) const {
    proxy_replace_header_map_value(map_, name.data(), name.size(), value.data(), value.size());
  }
  void remove(std::string_view name) const { proxy_remove_header_map_value(map_, name.data(), name.size()); }

  // All of them, in order.
  std::vector<std::pair<std::string, std::string>> all() const {
    char *block = nullptr;
    size_t size = 0;
    std::vector<std::pair<std::string, std::string>> found;
    if (proxy_get_header_map_pairs(map_, &block, &size) != PROXY_OK || size < 4) return found;
    auto number = [block](size_t at) { uint32_t value; memcpy(&value, block + at, 4); return value; };
    uint32_t count = number(0);
    size_t text = 4 + 8 * size_t(count);
    for (uint32_t each = 0; each < count; each++) {
      uint32_t name_size = number(4 + 8 * each), value_size = number(8 + 8 * each);
      found.emplace_back(std::string(block + text, name_size), std::string(block + text + name_size + 1, value_size));
      text += name_size + value_size + 2;
    }
    free(block);
    return found;
  }

 private:
  proxy_map map_;
};

// A body, or what is there of it: the piece at hand, and after Action::Pause all that was kept.
class Body {
 public:
  constexpr explicit Body(proxy_buffer buffer) : buffer_(buffer) {}

  std::string get(size_t start = 0, size_t most = PROXY_ALL) const {
    char *block = nullptr;
    size_t size = 0;
    if (proxy_get_buffer_bytes(buffer_, start, most, &block, &size) != PROXY_OK) return {};
    return detail::taken(block, size);
  }
  // In place of all of it.  A content-length has to be removed while the headers are at hand.
  void set(std::string_view bytes) const { proxy_set_buffer_bytes(buffer_, 0, PROXY_ALL, bytes.data(), bytes.size()); }

 private:
  proxy_buffer buffer_;
};

// ---- properties, shared data, metrics ----

// A property as bytes; parts of the path as in property({"request", "path"}).
inline std::optional<std::string> property(std::initializer_list<std::string_view> path) {
  std::string joined;
  for (auto part : path) joined.append(joined.empty() ? "" : std::string_view("\0", 1)).append(part);
  char *value = nullptr;
  size_t size = 0;
  if (proxy_get_property(joined.data(), joined.size(), &value, &size) != PROXY_OK) return std::nullopt;
  return detail::taken(value, size);
}

// A property that is a number.
inline std::optional<int64_t> number_property(std::initializer_list<std::string_view> path) {
  auto bytes = property(path);
  int64_t value = 0;
  if (!bytes || bytes->size() != sizeof value) return std::nullopt;
  memcpy(&value, bytes->data(), sizeof value);
  return value;
}

// Keys and values that all workers share, below one vm_id.
namespace shared_data {

struct Value {
  std::string bytes;
  uint32_t cas;
};

inline std::optional<Value> get(std::string_view key) {
  char *block = nullptr;
  size_t size = 0;
  uint32_t cas = 0;
  if (proxy_get_shared_data(key.data(), key.size(), &block, &size, &cas) != PROXY_OK) return std::nullopt;
  return Value{detail::taken(block, size), cas};
}

// False when another one has set the key since `cas` was read (0: whatever is there).
inline bool set(std::string_view key, std::string_view value, uint32_t cas = 0) {
  return proxy_set_shared_data(key.data(), key.size(), value.data(), value.size(), cas) == PROXY_OK;
}

}  // namespace shared_data

class Metric {
 public:
  Metric(proxy_metric kind, std::string_view name) { proxy_define_metric(kind, name.data(), name.size(), &id_); }

  // Counters go up, gauges up and down.
  void add(int64_t by = 1) const { proxy_increment_metric(id_, by); }
  // Gauges are set, histograms get a sample.
  void record(uint64_t value) const { proxy_record_metric(id_, value); }
  uint64_t value() const {
    uint64_t found = 0;
    proxy_get_metric(id_, &found);
    return found;
  }

 private:
  uint32_t id_ = 0;
};

inline Metric counter(std::string_view name) { return Metric(PROXY_COUNTER, name); }
inline Metric gauge(std::string_view name) { return Metric(PROXY_GAUGE, name); }
inline Metric histogram(std::string_view name) { return Metric(PROXY_HISTOGRAM, name); }

// ---- what a filter derives from ----

// A plugin: what its streams share.  Derive from it for a configuration of your own.
struct Root {
  uint32_t id = 0;
  std::string configuration;

  // Whether the configuration, which is at hand in `configuration`, will do.
  bool on_configure() { return true; }
  // Needs the event `tick`.
  void on_tick() {}

  void tick_every_ms(uint32_t period) const { proxy_set_tick_period_milliseconds(period); }
};

// The answer to a call.  `failed` when there was none (time-out, no host); the rest is empty then.
struct Answer {
  uint32_t call;
  bool failed;
  static constexpr Headers headers{PROXY_HTTP_CALL_HEADERS};
  static constexpr Headers trailers{PROXY_HTTP_CALL_TRAILERS};
  static constexpr Body body{PROXY_HTTP_CALL_BODY};

  int status() const { return failed ? 0 : atoi(headers.get(":status").value_or("0").c_str()); }
};

namespace detail {
// Which stream waits for which call.
inline std::vector<std::pair<uint32_t, uint32_t>> &waiting() {
  static auto *calls = new std::vector<std::pair<uint32_t, uint32_t>>;
  return *calls;
}
}  // namespace detail

// One request and its response.
struct Stream {
  using Root = proxy_wasm::Root;
  uint32_t id = 0;
  static constexpr Headers request{PROXY_REQUEST_HEADERS}, request_trailers{PROXY_REQUEST_TRAILERS};
  static constexpr Headers response{PROXY_RESPONSE_HEADERS}, response_trailers{PROXY_RESPONSE_TRAILERS};
  static constexpr Body request_body{PROXY_REQUEST_BODY}, response_body{PROXY_RESPONSE_BODY};

  // The events.  `end`: nothing comes after it.
  Action on_request_headers(bool) { return Action::Continue; }
  Action on_request_body(size_t, bool) { return Action::Continue; }
  Action on_request_trailers() { return Action::Continue; }
  Action on_response_headers(bool) { return Action::Continue; }
  Action on_response_body(size_t, bool) { return Action::Continue; }
  Action on_response_trailers() { return Action::Continue; }
  void on_http_call(const Answer &) {}
  void on_log() {}

  // Answer the request here; a paused one needs nothing more.
  void reply(uint32_t status, std::string_view body = {}, std::initializer_list<Pair> headers = {},
             std::string_view details = {}) const {
    std::string fields = detail::serialized(headers);
    proxy_send_local_response(status, details.data(), details.size(), body.data(), body.size(), fields.data(),
                              fields.size(), PROXY_NO_GRPC_STATUS);
  }
  // Go on with what was paused.
  void continue_request() const { proxy_continue_stream(PROXY_REQUEST); }
  void continue_response() const { proxy_continue_stream(PROXY_RESPONSE); }

  // GET a path of a cluster; the answer comes to on_http_call (the event `http_call`).  False when it cannot be asked.
  bool get(std::string_view cluster, std::string_view path, std::initializer_list<Pair> headers,
           uint32_t timeout_ms) const {
    std::vector<Pair> fields{{":method", "GET"}, {":path", path}, {":authority", cluster}};
    fields.insert(fields.end(), headers);
    return call(cluster, fields, {}, timeout_ms);
  }
  // The same with any headers (:method, :path and :authority among them) and a body.
  bool call(std::string_view cluster, const std::vector<Pair> &headers, std::string_view body,
            uint32_t timeout_ms) const {
    std::string fields = detail::serialized(headers);
    uint32_t token = 0;
    if (proxy_http_call(cluster.data(), cluster.size(), fields.data(), fields.size(), body.data(), body.size(),
                        nullptr, 0, timeout_ms, &token) != PROXY_OK)
      return false;
    detail::waiting().emplace_back(token, id);
    return true;
  }
};

// ---- from the callbacks of the host to the methods ----

namespace detail {

template <class T> struct Filter {
  using Root = typename T::Root;

  // Made on first use and never destroyed: a module has no end of its own.
  static Contexts<Root> &roots() {
    static auto *all = new Contexts<Root>;
    return *all;
  }
  static Contexts<T> &streams() {
    static auto *all = new Contexts<T>;
    return *all;
  }

  static void create(uint32_t id, uint32_t root) {
    if (root == 0) {
      auto made = std::make_unique<Root>();
      made->id = id;
      roots().add(id, std::move(made));
      return;
    }
    std::unique_ptr<T> made;
    if constexpr (std::is_constructible_v<T, Root &>) made = std::make_unique<T>(*roots().find(root));
    else made = std::make_unique<T>();
    made->id = id;
    streams().add(id, std::move(made));
  }
  static bool configure(uint32_t id) {
    Root &root = *roots().find(id);
    root.configuration = Body(PROXY_PLUGIN_CONFIGURATION).get();
    return root.on_configure();
  }
  static void forget(uint32_t id) {
    streams().remove(id);
    roots().remove(id);
  }
  static void answered(uint32_t call, bool failed) {
    auto &calls = waiting();
    for (auto each = calls.begin(); each != calls.end(); ++each) {
      if (each->first != call) continue;
      uint32_t id = each->second;
      calls.erase(each);
      T *stream = streams().find(id);
      // The stream may be gone by now.
      if (stream != nullptr && proxy_set_effective_context(id) == PROXY_OK) stream->on_http_call(Answer{call, failed});
      return;
    }
  }
};

// The events in the list of a filter as bits, and those that its class has.
enum Event : unsigned {
  request_headers = 1,
  request_body = 2,
  request_trailers = 4,
  response_headers = 8,
  response_body = 16,
  response_trailers = 32,
  http_call = 64,
  tick = 128,
  log = 256,
};

template <class Own, class Base> constexpr unsigned own(unsigned event) {
  return std::is_same_v<Own, Base> ? 0 : event;
}

template <class T> constexpr unsigned events() {
  return own<decltype(&T::on_request_headers), decltype(&Stream::on_request_headers)>(request_headers) |
         own<decltype(&T::on_request_body), decltype(&Stream::on_request_body)>(request_body) |
         own<decltype(&T::on_request_trailers), decltype(&Stream::on_request_trailers)>(request_trailers) |
         own<decltype(&T::on_response_headers), decltype(&Stream::on_response_headers)>(response_headers) |
         own<decltype(&T::on_response_body), decltype(&Stream::on_response_body)>(response_body) |
         own<decltype(&T::on_response_trailers), decltype(&Stream::on_response_trailers)>(response_trailers) |
         own<decltype(&T::on_http_call), decltype(&Stream::on_http_call)>(http_call) |
         own<decltype(&T::Root::on_tick), decltype(&proxy_wasm::Root::on_tick)>(tick) |
         own<decltype(&T::on_log), decltype(&Stream::on_log)>(log);
}

}  // namespace detail
}  // namespace proxy_wasm

// ---- PROXY_WASM_FILTER(class, events...) ----

#define PROXY_WASM_FILTER(T, ...)                                                                          \
  static_assert(proxy_wasm::detail::events<T>() == (0u PROXY_WASM_EACH(PROXY_WASM_BIT, T, __VA_ARGS__)),   \
                "the events behind the class must be those that it has");                                  \
  extern "C" {                                                                                             \
  void proxy_on_context_create(uint32_t id, uint32_t root) { proxy_wasm::detail::Filter<T>::create(id, root); } \
  uint32_t proxy_on_configure(uint32_t root, uint32_t) { return proxy_wasm::detail::Filter<T>::configure(root); } \
  void proxy_on_delete(uint32_t id) { proxy_wasm::detail::Filter<T>::forget(id); }                         \
  PROXY_WASM_EACH(PROXY_WASM_EVENT, T, __VA_ARGS__)                                                        \
  }

#define PROXY_WASM_BIT(T, event) | proxy_wasm::detail::event
#define PROXY_WASM_EVENT(T, event) PROXY_WASM_ON_##event(T)
#define PROXY_WASM_STREAM(T) proxy_wasm::detail::Filter<T>::streams().find(id)

#define PROXY_WASM_ON_request_headers(T) \
  uint32_t proxy_on_request_headers(uint32_t id, uint32_t, uint32_t end) { return uint32_t(PROXY_WASM_STREAM(T)->on_request_headers(end)); }
#define PROXY_WASM_ON_request_body(T) \
  uint32_t proxy_on_request_body(uint32_t id, uint32_t size, uint32_t end) { return uint32_t(PROXY_WASM_STREAM(T)->on_request_body(size, end)); }
#define PROXY_WASM_ON_request_trailers(T) \
  uint32_t proxy_on_request_trailers(uint32_t id, uint32_t) { return uint32_t(PROXY_WASM_STREAM(T)->on_request_trailers()); }
#define PROXY_WASM_ON_response_headers(T) \
  uint32_t proxy_on_response_headers(uint32_t id, uint32_t, uint32_t end) { return uint32_t(PROXY_WASM_STREAM(T)->on_response_headers(end)); }
#define PROXY_WASM_ON_response_body(T) \
  uint32_t proxy_on_response_body(uint32_t id, uint32_t size, uint32_t end) { return uint32_t(PROXY_WASM_STREAM(T)->on_response_body(size, end)); }
#define PROXY_WASM_ON_response_trailers(T) \
  uint32_t proxy_on_response_trailers(uint32_t id, uint32_t) { return uint32_t(PROXY_WASM_STREAM(T)->on_response_trailers()); }
#define PROXY_WASM_ON_http_call(T) \
  void proxy_on_http_call_response(uint32_t, uint32_t call, uint32_t headers, uint32_t, uint32_t) { proxy_wasm::detail::Filter<T>::answered(call, headers == 0); }
#define PROXY_WASM_ON_tick(T) \
  void proxy_on_tick(uint32_t root) { proxy_wasm::detail::Filter<T>::roots().find(root)->on_tick(); }
#define PROXY_WASM_ON_log(T) \
  void proxy_on_log(uint32_t id) { PROXY_WASM_STREAM(T)->on_log(); }

// A macro for each of a list (at most 16).
#define PROXY_WASM_EACH(macro, T, ...) __VA_OPT__(PROXY_WASM_AGAIN(PROXY_WASM_STEP(macro, T, __VA_ARGS__)))
#define PROXY_WASM_STEP(macro, T, first, ...) macro(T, first) __VA_OPT__(PROXY_WASM_NEXT PROXY_WASM_PARENS(macro, T, __VA_ARGS__))
#define PROXY_WASM_NEXT() PROXY_WASM_STEP
#define PROXY_WASM_PARENS ()
#define PROXY_WASM_AGAIN(...) PROXY_WASM_AGAIN3(PROXY_WASM_AGAIN3(PROXY_WASM_AGAIN3(PROXY_WASM_AGAIN3(__VA_ARGS__))))
#define PROXY_WASM_AGAIN3(...) PROXY_WASM_AGAIN2(PROXY_WASM_AGAIN2(PROXY_WASM_AGAIN2(PROXY_WASM_AGAIN2(__VA_ARGS__))))
#define PROXY_WASM_AGAIN2(...) __VA_ARGS__

#endif
