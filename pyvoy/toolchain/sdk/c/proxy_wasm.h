/* Proxy-Wasm ABI 0.2.1 for C: what the proxy calls, what it offers, and the numbers that both speak in.
 *
 * Define the callbacks that you want, under the names declared here: what is defined is exported, and what is not
 * defined costs nothing.  Texts have no NUL at their end.  What a function returns through `char **` is a block of
 * malloc that is yours to free; an empty value is NULL and 0.
 *
 * Source: the Proxy-Wasm specification.
 */
#ifndef PROXY_WASM_H
#define PROXY_WASM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- numbers ---- */

enum proxy_status {
  PROXY_OK = 0,
  PROXY_NOT_FOUND = 1,
  PROXY_BAD_ARGUMENT = 2,
  PROXY_SERIALIZATION_FAILURE = 3,
  PROXY_PARSE_FAILURE = 4,
  PROXY_INVALID_MEMORY_ACCESS = 6,
  PROXY_EMPTY = 7,
  PROXY_CAS_MISMATCH = 8,
  PROXY_INTERNAL_FAILURE = 10,
  PROXY_BROKEN_CONNECTION = 11,
  PROXY_UNIMPLEMENTED = 12,
};

/* What callbacks of streams return.  PROXY_PAUSE keeps headers (and all that follows) or what has come of a body. */
enum proxy_action { PROXY_CONTINUE = 0, PROXY_PAUSE = 1 };

enum proxy_log_level { PROXY_TRACE, PROXY_DEBUG, PROXY_INFO, PROXY_WARN, PROXY_ERROR, PROXY_CRITICAL };

enum proxy_map {
  PROXY_REQUEST_HEADERS = 0,
  PROXY_REQUEST_TRAILERS = 1,
  PROXY_RESPONSE_HEADERS = 2,
  PROXY_RESPONSE_TRAILERS = 3,
  PROXY_GRPC_INITIAL_METADATA = 4,
  PROXY_GRPC_TRAILING_METADATA = 5,
  PROXY_HTTP_CALL_HEADERS = 6,
  PROXY_HTTP_CALL_TRAILERS = 7,
};

enum proxy_buffer {
  PROXY_REQUEST_BODY = 0,
  PROXY_RESPONSE_BODY = 1,
  PROXY_DOWNSTREAM_DATA = 2,
  PROXY_UPSTREAM_DATA = 3,
  PROXY_HTTP_CALL_BODY = 4,
  PROXY_GRPC_MESSAGE = 5,
  PROXY_VM_CONFIGURATION = 6,
  PROXY_PLUGIN_CONFIGURATION = 7,
  PROXY_FOREIGN_ARGUMENTS = 8,
};

enum proxy_stream { PROXY_REQUEST = 0, PROXY_RESPONSE = 1, PROXY_DOWNSTREAM = 2, PROXY_UPSTREAM = 3 };
enum proxy_peer { PROXY_PEER_UNKNOWN = 0, PROXY_PEER_LOCAL = 1, PROXY_PEER_REMOTE = 2 };
enum proxy_metric { PROXY_COUNTER = 0, PROXY_GAUGE = 1, PROXY_HISTOGRAM = 2 };

#define PROXY_ALL UINT32_MAX /* as a size: everything there is */
#define PROXY_NO_GRPC_STATUS UINT32_MAX

/* ---- what the proxy offers: each returns a proxy_status ---- */

#define PROXY_IMPORT(name) __attribute__((import_module("env"), import_name(#name))) uint32_t name

PROXY_IMPORT(proxy_log)(uint32_t level, const char *text, size_t size);
PROXY_IMPORT(proxy_get_log_level)(uint32_t *level);
PROXY_IMPORT(proxy_get_current_time_nanoseconds)(uint64_t *since_1970);
PROXY_IMPORT(proxy_set_tick_period_milliseconds)(uint32_t period);
PROXY_IMPORT(proxy_set_effective_context)(uint32_t context);
PROXY_IMPORT(proxy_done)(void);
PROXY_IMPORT(proxy_get_status)(uint32_t *code, char **text, size_t *size);

PROXY_IMPORT(proxy_get_header_map_value)(uint32_t map, const char *key, size_t key_size, char **value, size_t *size);
PROXY_IMPORT(proxy_add_header_map_value)(uint32_t map, const char *key, size_t key_size, const char *value,
                                         size_t size);
PROXY_IMPORT(proxy_replace_header_map_value)(uint32_t map, const char *key, size_t key_size, const char *value,
                                             size_t size);
PROXY_IMPORT(proxy_remove_header_map_value)(uint32_t map, const char *key, size_t key_size);
PROXY_IMPORT(proxy_get_header_map_pairs)(uint32_t map, char **pairs, size_t *size);
PROXY_IMPORT(proxy_set_header_map_pairs)(uint32_t map, const char *pairs, size_t size);
PROXY_IMPORT(proxy_get_header_map_size)(uint32_t map, size_t *size);

PROXY_IMPORT(proxy_get_buffer_bytes)(uint32_t buffer, size_t start, size_t most, char **bytes, size_t *size);
PROXY_IMPORT(proxy_get_buffer_status)(uint32_t buffer, size_t *size, uint32_t *flags);
PROXY_IMPORT(proxy_set_buffer_bytes)(uint32_t buffer, size_t start, size_t size, const char *bytes, size_t bytes_size);

PROXY_IMPORT(proxy_continue_stream)(uint32_t stream);
PROXY_IMPORT(proxy_close_stream)(uint32_t stream);
PROXY_IMPORT(proxy_send_local_response)(uint32_t code, const char *details, size_t details_size, const char *body,
                                        size_t body_size, const char *headers, size_t headers_size,
                                        uint32_t grpc_status);

PROXY_IMPORT(proxy_http_call)(const char *cluster, size_t cluster_size, const char *headers, size_t headers_size,
                              const char *body, size_t body_size, const char *trailers, size_t trailers_size,
                              uint32_t timeout_ms, uint32_t *call);
PROXY_IMPORT(proxy_grpc_call)(const char *cluster, size_t cluster_size, const char *service, size_t service_size,
                              const char *method, size_t method_size, const char *metadata, size_t metadata_size,
                              const char *message, size_t message_size, uint32_t timeout_ms, uint32_t *call);
PROXY_IMPORT(proxy_grpc_stream)(const char *cluster, size_t cluster_size, const char *service, size_t service_size,
                                const char *method, size_t method_size, const char *metadata, size_t metadata_size,
                                uint32_t *stream);
PROXY_IMPORT(proxy_grpc_send)(uint32_t stream, const char *message, size_t size, uint32_t end);
PROXY_IMPORT(proxy_grpc_close)(uint32_t id);
PROXY_IMPORT(proxy_grpc_cancel)(uint32_t id);

PROXY_IMPORT(proxy_get_shared_data)(const char *key, size_t key_size, char **value, size_t *size, uint32_t *cas);
PROXY_IMPORT(proxy_set_shared_data)(const char *key, size_t key_size, const char *value, size_t size, uint32_t cas);
PROXY_IMPORT(proxy_register_shared_queue)(const char *name, size_t size, uint32_t *queue);
PROXY_IMPORT(proxy_resolve_shared_queue)(const char *vm_id, size_t vm_id_size, const char *name, size_t size,
                                         uint32_t *queue);
PROXY_IMPORT(proxy_enqueue_shared_queue)(uint32_t queue, const char *value, size_t size);
PROXY_IMPORT(proxy_dequeue_shared_queue)(uint32_t queue, char **value, size_t *size);

PROXY_IMPORT(proxy_define_metric)(uint32_t kind, const char *name, size_t size, uint32_t *metric);
PROXY_IMPORT(proxy_increment_metric)(uint32_t metric, int64_t by);
PROXY_IMPORT(proxy_record_metric)(uint32_t metric, uint64_t value);
PROXY_IMPORT(proxy_get_metric)(uint32_t metric, uint64_t *value);

/* The parts of a path are joined by NUL: "request\0path". */
PROXY_IMPORT(proxy_get_property)(const char *path, size_t path_size, char **value, size_t *size);
PROXY_IMPORT(proxy_set_property)(const char *path, size_t path_size, const char *value, size_t size);
PROXY_IMPORT(proxy_call_foreign_function)(const char *name, size_t name_size, const char *arguments,
                                          size_t arguments_size, char **results, size_t *results_size);

/* ---- what the proxy calls: define what you need ---- */

#define PROXY_EXPORT(name) __attribute__((export_name(#name))) name

uint32_t PROXY_EXPORT(proxy_on_vm_start)(uint32_t root, uint32_t configuration_size);
uint32_t PROXY_EXPORT(proxy_on_configure)(uint32_t root, uint32_t configuration_size);
void PROXY_EXPORT(proxy_on_context_create)(uint32_t context, uint32_t root); /* root is 0 for a root itself */
void PROXY_EXPORT(proxy_on_tick)(uint32_t root);
void PROXY_EXPORT(proxy_on_queue_ready)(uint32_t root, uint32_t queue);
void PROXY_EXPORT(proxy_on_foreign_function)(uint32_t root, uint32_t function, uint32_t arguments_size);
uint32_t PROXY_EXPORT(proxy_on_request_headers)(uint32_t context, uint32_t count, uint32_t end);
uint32_t PROXY_EXPORT(proxy_on_request_body)(uint32_t context, uint32_t size, uint32_t end);
uint32_t PROXY_EXPORT(proxy_on_request_trailers)(uint32_t context, uint32_t count);
uint32_t PROXY_EXPORT(proxy_on_response_headers)(uint32_t context, uint32_t count, uint32_t end);
uint32_t PROXY_EXPORT(proxy_on_response_body)(uint32_t context, uint32_t size, uint32_t end);
uint32_t PROXY_EXPORT(proxy_on_response_trailers)(uint32_t context, uint32_t count);
uint32_t PROXY_EXPORT(proxy_on_new_connection)(uint32_t context);
uint32_t PROXY_EXPORT(proxy_on_downstream_data)(uint32_t context, uint32_t size, uint32_t end);
uint32_t PROXY_EXPORT(proxy_on_upstream_data)(uint32_t context, uint32_t size, uint32_t end);
void PROXY_EXPORT(proxy_on_downstream_connection_close)(uint32_t context, uint32_t peer);
void PROXY_EXPORT(proxy_on_upstream_connection_close)(uint32_t context, uint32_t peer);
/* The answer to a call comes to the root, whoever called; no headers: the call has failed. */
void PROXY_EXPORT(proxy_on_http_call_response)(uint32_t root, uint32_t call, uint32_t headers, uint32_t body_size,
                                               uint32_t trailers);
void PROXY_EXPORT(proxy_on_grpc_receive_initial_metadata)(uint32_t root, uint32_t id, uint32_t count);
void PROXY_EXPORT(proxy_on_grpc_receive)(uint32_t root, uint32_t id, uint32_t size);
void PROXY_EXPORT(proxy_on_grpc_receive_trailing_metadata)(uint32_t root, uint32_t id, uint32_t count);
void PROXY_EXPORT(proxy_on_grpc_close)(uint32_t root, uint32_t id, uint32_t status);
uint32_t PROXY_EXPORT(proxy_on_done)(uint32_t context);
void PROXY_EXPORT(proxy_on_log)(uint32_t context);
void PROXY_EXPORT(proxy_on_delete)(uint32_t context);

/* ---- what every module has ---- */

__attribute__((weak)) void PROXY_EXPORT(proxy_abi_version_0_2_1)(void) {}
__attribute__((weak)) void *PROXY_EXPORT(proxy_on_memory_allocate)(size_t size) { return malloc(size); }

#ifdef __cplusplus
}
#endif
#endif
