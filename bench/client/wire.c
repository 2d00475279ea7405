/* Bytes into messages: a server's WebSocket frames (RFC 6455 section 5.2), and blocks of an event stream. */
#define _GNU_SOURCE
#include "viewers.h"

#include <string.h>

enum { TEXT = 1, CLOSE = 8 };

size_t read_websocket(struct viewer *viewer, const char *data, size_t size) {
  size_t used = 0;
  while (size - used >= 2) {
    const unsigned char *frame = (const unsigned char *)data + used;
    size_t head = 2, length = frame[1] & 0x7f;
    size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (size - used < head + extended) break;
    if (extended) {
      length = 0;
      for (size_t i = 0; i < extended; i++) length = length << 8 | frame[head + i];
      head += extended;
    }
    if (size - used - head < length) break;
    if ((frame[0] & 0x0f) == TEXT) hear(viewer, data + used + head, length);
    used += head + length;
  }
  return used;
}

/* The sizes of chunks stand between the blocks and are passed over with what is no `data:`. */
size_t read_blocks(struct viewer *viewer, const char *data, size_t size) {
  size_t used = 0;
  const char *end;
  while ((end = memmem(data + used, size - used, "\n\n", 2)) != NULL) {
    const char *block = data + used;
    size_t block_size = (size_t)(end - block);
    const char *line = memmem(block, block_size, "data: ", 6);
    if (line != NULL) hear(viewer, line + 6, (size_t)(end - line) - 6);
    used += block_size + 2;
  }
  return used;
}
