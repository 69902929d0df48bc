// A module as the C++ SDK makes them: factories by root id that static constructors register, a map of contexts, every
// callback exported (the old and the new ones), malloc as the allocator, and an abort for whatever the host refuses.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#define IMPORT(name) extern "C" __attribute__((import_module("env"), import_name(#name))) uint32_t name
#define EXPORTED(type, name) extern "C" __attribute__((export_name(#name))) type name

IMPORT(proxy_log)(uint32_t level, const char *text, size_t size);
IMPORT(proxy_get_property)(const char *path, size_t size, const char **value, size_t *value_size);
IMPORT(proxy_get_buffer_bytes)(uint32_t kind, uint32_t start, uint32_t size, const char **at, size_t *got);
IMPORT(proxy_set_buffer_bytes)(uint32_t kind, uint32_t start, uint32_t size, const char *at, size_t given);
IMPORT(proxy_get_header_map_pairs)(uint32_t map, const char **at, size_t *size);
IMPORT(proxy_add_header_map_value)(uint32_t map, const char *key, size_t key_size, const char *value, size_t size);
IMPORT(proxy_remove_header_map_value)(uint32_t map, const char *key, size_t key_size);
IMPORT(proxy_send_local_response)(uint32_t code, const char *details, size_t details_size, const char *body,
                                  size_t body_size, void *headers, size_t headers_size, uint32_t grpc_status);
IMPORT(proxy_define_metric)(uint32_t kind, const char *name, size_t size, uint32_t *id);
IMPORT(proxy_increment_metric)(uint32_t id, int64_t by);
IMPORT(proxy_set_effective_context)(uint32_t context);
IMPORT(proxy_done)();
extern "C" __attribute__((import_module("env"), import_name("emscripten_notify_memory_growth"))) void
emscripten_notify_memory_growth(uint32_t memory);

static void check(uint32_t result) {
  if (result != 0) abort();
}

static void log_info(const std::string &text) { check(proxy_log(2, text.data(), text.size())); }

struct Data {
  const char *at = nullptr;
  size_t size = 0;
  ~Data() { free(const_cast<char *>(at)); }
  std::string text() const { return {at == nullptr ? "" : at, size}; }
};

// As the SDK joins paths: each part with a NUL behind it.
static std::string property(const std::vector<std::string> &path) {
  std::string joined;
  for (const auto &part : path) joined.append(part).push_back('\0');
  Data found;
  return proxy_get_property(joined.data(), joined.size(), &found.at, &found.size) == 0 ? found.text() : "none";
}

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

// Views into the block that the host has filled.
static Pairs pairs_of(std::string_view data) {
  Pairs found;
  if (data.empty()) return found;
  const auto *sizes = reinterpret_cast<const uint32_t *>(data.data());
  uint32_t count = *sizes++;
  const char *at = data.data() + 4 + 8 * size_t(count);
  for (uint32_t each = 0; each < count; each++) {
    uint32_t name = *sizes++, value = *sizes++;
    found.emplace_back(std::string_view(at, name), std::string_view(at + name + 1, value));
    at += name + value + 2;
  }
  return found;
}

static std::string header(uint32_t map, std::string_view wanted) {
  Data data;
  check(proxy_get_header_map_pairs(map, &data.at, &data.size));
  for (const auto &[name, value] : pairs_of({data.at, data.size}))
    if (name == wanted) return std::string(value);
  return "none";
}

struct Root {
  uint32_t id;
  std::string root_id, configuration;
  uint32_t requests = 0;
};

struct Context {
  uint32_t id;
  Root *root;
};

using Factory = std::function<std::unique_ptr<Root>(uint32_t, std::string_view)>;

static std::unordered_map<std::string, Factory> *factories = nullptr;
static std::unordered_map<uint32_t, std::unique_ptr<Root>> roots;
static std::unordered_map<uint32_t, std::unique_ptr<Context>> contexts;

struct Register {
  Register(std::string_view root_id, Factory factory) {
    if (factories == nullptr) factories = new std::unordered_map<std::string, Factory>;
    (*factories)[std::string(root_id)] = std::move(factory);
  }
};

static Register sdk_root("sdk_root", [](uint32_t id, std::string_view root_id) {
  auto root = std::make_unique<Root>();
  root->id = id;
  root->root_id = root_id;
  return root;
});

EXPORTED(void, proxy_abi_version_0_2_1)() {}

EXPORTED(void, proxy_on_context_create)(uint32_t id, uint32_t parent) {
  if (parent != 0) {
    contexts[id] = std::make_unique<Context>(Context{id, roots.at(parent).get()});
    return;
  }
  Data root_id;
  check(proxy_get_property("plugin_root_id", 14, &root_id.at, &root_id.size));
  auto factory = factories->find(root_id.text());
  if (factory == factories->end()) abort();
  roots[id] = factory->second(id, root_id.text());
}

EXPORTED(uint32_t, proxy_on_vm_start)(uint32_t root, uint32_t size) {
  log_info("start of " + roots.at(root)->root_id + " with " + std::to_string(size));
  return 1;
}
EXPORTED(uint32_t, proxy_validate_configuration)(uint32_t, uint32_t) { return 1; }
EXPORTED(uint32_t, proxy_on_configure)(uint32_t id, uint32_t size) {
  Data data;
  check(proxy_get_buffer_bytes(7, 0, size, &data.at, &data.size));
  roots.at(id)->configuration = data.text();
  check(proxy_define_metric(0, "sdk.requests", 12, &roots.at(id)->requests));
  emscripten_notify_memory_growth(0);
  return 1;
}
EXPORTED(void, proxy_on_tick)(uint32_t) {}
EXPORTED(void, proxy_on_queue_ready)(uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_foreign_function)(uint32_t, uint32_t, uint32_t) {}

EXPORTED(uint32_t, proxy_on_request_headers)(uint32_t id, uint32_t count, uint32_t) {
  Context &context = *contexts.at(id);
  check(proxy_increment_metric(context.root->requests, 1));
  std::string path = header(0, ":path");
  std::string seen = path + " " + property({"request", "method"}) + " " + property({"request", "nothing"});
  check(proxy_add_header_map_value(0, "x-sdk", 5, seen.data(), seen.size()));
  if (path == "/refused") {
    std::string pairs("\1\0\0\0\5\0\0\0\3\0\0\0x-why\0sdk\0", 23);
    check(proxy_send_local_response(403, "refused by sdk", 14, "no", 2, pairs.data(), pairs.size(), UINT32_MAX));
    return 4;  // stop all and watermark, as SDKs call it
  }
  check(proxy_remove_header_map_value(0, "content-length", 14));
  return 0;
}
EXPORTED(uint32_t, proxy_on_request_metadata)(uint32_t, uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_request_body)(uint32_t, uint32_t size, uint32_t end) {
  if (end == 0) return 1;
  Data body;
  check(proxy_get_buffer_bytes(0, 0, size, &body.at, &body.size));
  std::string longer(1 << 18, '.');  // the memory grows, and what the host knows of it moves
  longer.replace(0, body.size, body.text());
  longer.resize(body.size + 3);
  check(proxy_set_buffer_bytes(0, 0, size, longer.data(), longer.size()));
  return 0;
}
EXPORTED(uint32_t, proxy_on_request_trailers)(uint32_t, uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_response_headers)(uint32_t id, uint32_t, uint32_t) {
  const std::string &text = contexts.at(id)->root->configuration;
  check(proxy_add_header_map_value(2, "x-configured", 12, text.data(), text.size()));
  return 0;
}
EXPORTED(uint32_t, proxy_on_response_metadata)(uint32_t, uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_response_body)(uint32_t, uint32_t, uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_response_trailers)(uint32_t, uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_new_connection)(uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_downstream_data)(uint32_t, uint32_t, uint32_t) { return 0; }
EXPORTED(uint32_t, proxy_on_upstream_data)(uint32_t, uint32_t, uint32_t) { return 0; }
EXPORTED(void, proxy_on_downstream_connection_close)(uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_upstream_connection_close)(uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_http_call_response)(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_grpc_receive_initial_metadata)(uint32_t, uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_grpc_trailing_metadata)(uint32_t, uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_grpc_receive_trailing_metadata)(uint32_t, uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_grpc_receive)(uint32_t, uint32_t, uint32_t) {}
EXPORTED(void, proxy_on_grpc_close)(uint32_t, uint32_t, uint32_t) {}
EXPORTED(uint32_t, proxy_on_done)(uint32_t) { return 1; }
EXPORTED(void, proxy_on_log)(uint32_t id) { log_info("log of " + std::to_string(id) + " " + header(2, ":status")); }
EXPORTED(void, proxy_on_delete)(uint32_t id) {
  contexts.erase(id);
  roots.erase(id);
}
