/* Turns request bodies to upper case and says how often it has done so: libc, the heap and printf in a module. */
#include "proxy_wasm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned bodies;

uint32_t proxy_on_vm_start(uint32_t root, uint32_t size) {
  printf("started, the time is %s\n", time(NULL) > 1000000000 ? "known" : "unknown");
  return getenv("HOME") == NULL;
}

uint32_t proxy_on_request_headers(uint32_t context, uint32_t count, uint32_t end) {
  proxy_remove_header_map_value(PROXY_REQUEST_HEADERS, "content-length", 14);
  return PROXY_CONTINUE;
}

uint32_t proxy_on_request_body(uint32_t context, uint32_t size, uint32_t end) {
  char *body = NULL;
  size_t length = 0;
  if (!end) return PROXY_PAUSE;
  if (proxy_get_buffer_bytes(PROXY_REQUEST_BODY, 0, size, &body, &length) != PROXY_OK) return PROXY_CONTINUE;
  for (size_t at = 0; at < length; at++) body[at] = (char)toupper((unsigned char)body[at]);
  proxy_set_buffer_bytes(PROXY_REQUEST_BODY, 0, length, body, length);
  free(body);
  bodies++;
  return PROXY_CONTINUE;
}

uint32_t proxy_on_response_headers(uint32_t context, uint32_t count, uint32_t end) {
  char text[32];
  int size = snprintf(text, sizeof text, "%u bodies", bodies);
  proxy_add_header_map_value(PROXY_RESPONSE_HEADERS, "x-upper", 7, text, (size_t)size);
  return PROXY_CONTINUE;
}
