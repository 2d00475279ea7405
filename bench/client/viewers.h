/*
 * What the parts of the client share: one viewer, and what all of them have seen.
 *
 * The client is there to be cheap: one thread, no allocation a frame, nothing kept of what was read but numbers.
 */
#ifndef VIEWERS_H
#define VIEWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum state { GONE, CONNECTING, OPENING, OPEN };

struct viewer {
  int fd;
  enum state state;
  bool websocket;
  char *request; /* as it is sent, from GET to the empty line */
  size_t request_size;
  char *rest; /* the beginning of a message whose end has not come yet */
  size_t rest_size;
  char epoch[65];
  long seq; /* the last that it has seen; 0 before the first */
  long owed; /* events that `resumed` has announced and that are still to come */
  bool answered;
  uint64_t return_at_ns; /* when it comes back; 0 when it does not */
};

struct counts {
  long events, snapshots, resumed, gaps, duplicates, closes, refused, caught_up;
  uint64_t bytes, caught_up_ns;
};

extern struct counts counts;

uint64_t now_ns(void);

/* story.c: what a message says. */
void hear(struct viewer *viewer, const char *message, size_t size);
void forget_delays(void);
double delay_us(double share);

/* wire.c: bytes into messages. Returns how many bytes were used up; the rest begins a message that is not whole. */
size_t read_websocket(struct viewer *viewer, const char *data, size_t size);
size_t read_blocks(struct viewer *viewer, const char *data, size_t size);

#endif
