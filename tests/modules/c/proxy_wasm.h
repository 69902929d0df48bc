/* A thin header for Proxy-Wasm ABI 0.2.1 in C: the host functions that the modules here use, and what they return. */
#ifndef PROXY_WASM_H
#define PROXY_WASM_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name))) name
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) name

enum { REQUEST_HEADERS = 0, RESPONSE_HEADERS = 2 };
enum { REQUEST_BODY = 0, RESPONSE_BODY = 1, PLUGIN_CONFIGURATION = 7 };
enum { CONTINUE = 0, PAUSE = 1 };
enum { LOG_INFO = 2, LOG_WARN = 3 };

uint32_t IMPORT(proxy_log)(uint32_t level, const char *text, size_t size);
uint32_t IMPORT(proxy_get_header_map_value)(uint32_t map, const char *key, size_t key_size, char **value, size_t *size);
uint32_t IMPORT(proxy_add_header_map_value)(uint32_t map, const char *key, size_t key_size, const char *value,
                                            size_t size);
uint32_t IMPORT(proxy_remove_header_map_value)(uint32_t map, const char *key, size_t key_size);
uint32_t IMPORT(proxy_get_buffer_bytes)(uint32_t buffer, uint32_t start, uint32_t max, char **value, size_t *size);
uint32_t IMPORT(proxy_set_buffer_bytes)(uint32_t buffer, uint32_t start, uint32_t size, const char *value,
                                        size_t value_size);
uint32_t IMPORT(proxy_get_property)(const char *path, size_t path_size, char **value, size_t *size);

#endif
