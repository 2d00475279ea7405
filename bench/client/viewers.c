/*
 * Many viewers in one thread: `viewers PORT REQUESTS`.
 *
 * REQUESTS holds one HTTP request after another, each ended by an empty line; for each there is one viewer on loopback.
 * Commands come on stdin, one a line, and each is answered by one line of JSON with what was seen so far:
 *   report      nothing else
 *   reset       and begins to count anew
 *   return MS   and everybody who is gone comes back with a cursor, at a moment of chance within MS milliseconds
 */
#define _GNU_SOURCE
#include "viewers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OPENING_AT_ONCE = 64, READ_BYTES = 1 << 20, EVENTS_AT_ONCE = 512 };

static struct viewer *viewers;
static int viewer_count, next_to_open, opening, returning, epoll_fd;
static struct sockaddr_in server = {.sin_family = AF_INET};
static uint64_t returned_ns;
static char buffer[READ_BYTES];

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path);
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(size + 1);
  if (fread(text, 1, size, file) != size) fail(path);
  text[size] = 0;
  fclose(file);
  for (char *at = text, *end; (end = strstr(at, "\r\n\r\n")) != NULL; at = end + 4) viewer_count++;
  viewers = calloc((size_t)viewer_count, sizeof *viewers);
  struct viewer *viewer = viewers;
  for (char *at = text, *end; (end = strstr(at, "\r\n\r\n")) != NULL; at = end + 4, viewer++) {
    viewer->request = at;
    viewer->request_size = (size_t)(end + 4 - at);
    viewer->websocket = memmem(at, viewer->request_size, "Upgrade: websocket", 18) != NULL;
  }
}

static void leave(struct viewer *viewer) {
  if (viewer->state == CONNECTING || viewer->state == OPENING) opening--;
  close(viewer->fd);
  free(viewer->rest);
  viewer->rest = NULL;
  viewer->rest_size = 0;
  viewer->state = GONE;
  counts.closes++;
}

static void come(struct viewer *viewer) {
  viewer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (viewer->fd < 0) fail("socket");
  viewer->state = CONNECTING;
  viewer->answered = false;
  viewer->owed = 0;
  opening++;
  int one = 1;
  setsockopt(viewer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = viewer};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, viewer->fd, &event) < 0) fail("epoll_ctl");
  if (connect(viewer->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) leave(viewer);
}

static void ask(struct viewer *viewer) {
  char with_cursor[4096];
  const char *request = viewer->request;
  size_t size = viewer->request_size;
  if (viewer->seq && viewer->epoch[0]) {
    size_t path = (size_t)((const char *)memmem(request, size, " HTTP/1.1", 9) - request);
    int head = snprintf(with_cursor, sizeof with_cursor, "%.*s?cursor=%s:%ld", (int)path, request, viewer->epoch, viewer->seq);
    if ((size_t)head + size - path > sizeof with_cursor) fail("request too long");
    memcpy(with_cursor + head, request + path, size - path);
    request = with_cursor;
    size = (size_t)head + size - path;
  }
  if (write(viewer->fd, request, size) != (ssize_t)size) {
    leave(viewer);
    return;
  }
  viewer->state = OPENING;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, viewer->fd, &event);
}

/* Takes the head of the answer off; returns false while it is not whole. */
static bool opened(struct viewer *viewer, const char *data, size_t size, size_t *used) {
  const char *end = memmem(data, size, "\r\n\r\n", 4);
  if (end == NULL) return false;
  *used = (size_t)(end - data) + 4;
  if (memcmp(data + 8, viewer->websocket ? " 101" : " 200", 4) != 0) {
    counts.refused++;
    leave(viewer);
    return false;
  }
  opening--;
  viewer->state = OPEN;
  return true;
}

static void take(struct viewer *viewer, const char *data, size_t size) {
  size_t used = 0;
  if (viewer->state == OPEN || opened(viewer, data, size, &used)) {
    size_t (*read_messages)(struct viewer *, const char *, size_t) = viewer->websocket ? read_websocket : read_blocks;
    used += read_messages(viewer, data + used, size - used);
  }
  if (viewer->state == GONE) return;
  char *rest = NULL;
  if (used < size) {
    rest = malloc(size - used);
    memcpy(rest, data + used, size - used);
  }
  free(viewer->rest);
  viewer->rest = rest;
  viewer->rest_size = size - used;
}

static void receive(struct viewer *viewer) {
  memcpy(buffer, viewer->rest, viewer->rest_size);
  ssize_t got = read(viewer->fd, buffer + viewer->rest_size, READ_BYTES - viewer->rest_size);
  if (got > 0) {
    counts.bytes += (uint64_t)got;
    take(viewer, buffer, viewer->rest_size + (size_t)got);
  } else if (got == 0 || errno != EAGAIN) {
    leave(viewer);
  }
}

static void report(void) {
  int open = 0, answered = 0;
  long lowest = 0;
  for (struct viewer *viewer = viewers; viewer < viewers + viewer_count; viewer++) {
    open += viewer->state == OPEN;
    answered += viewer->state == OPEN && viewer->answered;
    if (viewer == viewers || viewer->seq < lowest) lowest = viewer->seq;
  }
  double caught_up_s = counts.caught_up_ns > returned_ns ? (double)(counts.caught_up_ns - returned_ns) / 1e9 : 0;
  printf("{\"viewers\":%d,\"open\":%d,\"answered\":%d,\"lowest_seq\":%ld,\"events\":%ld,\"bytes\":%lu,\"snapshots\":%ld,"
         "\"resumed\":%ld,\"gaps\":%ld,\"duplicates\":%ld,\"closes\":%ld,\"refused\":%ld,\"caught_up\":%ld,"
         "\"caught_up_s\":%.3f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
         viewer_count, open, answered, lowest, counts.events, (unsigned long)counts.bytes, counts.snapshots,
         counts.resumed, counts.gaps, counts.duplicates, counts.closes, counts.refused, counts.caught_up, caught_up_s,
         delay_us(0.5), delay_us(0.99), delay_us(1.0));
  fflush(stdout);
}

static void obey(void) {
  char line[64];
  ssize_t got = read(STDIN_FILENO, line, sizeof line - 1); /* one command at a time: its answer is awaited */
  if (got <= 0) exit(0);
  line[got] = 0;
  report();
  if (strncmp(line, "reset", 5) == 0) {
    counts = (struct counts){0};
    forget_delays();
  } else if (strncmp(line, "return", 6) == 0) {
    uint64_t within_ns = strtoull(line + 6, NULL, 10) * 1000000ULL;
    returned_ns = now_ns();
    counts.caught_up = 0;
    for (struct viewer *viewer = viewers; viewer < viewers + viewer_count; viewer++) {
      if (viewer->state != GONE) continue;
      viewer->return_at_ns = returned_ns + (uint64_t)((double)within_ns * drand48());
      returning++;
    }
  }
}

static void come_back(void) {
  uint64_t now = now_ns();
  for (struct viewer *viewer = viewers; viewer < viewers + viewer_count; viewer++) {
    if (!viewer->return_at_ns || viewer->return_at_ns > now) continue;
    viewer->return_at_ns = 0;
    returning--;
    come(viewer);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: viewers PORT REQUESTS\n");
    return 2;
  }
  server.sin_port = htons((uint16_t)atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  load(argv[2]);
  epoll_fd = epoll_create1(0);
  struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &commands) < 0) fail("epoll_ctl");
  for (;;) {
    while (opening < OPENING_AT_ONCE && next_to_open < viewer_count) come(&viewers[next_to_open++]);
    if (returning) come_back();
    struct epoll_event events[EVENTS_AT_ONCE];
    int ready = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, returning ? 1 : -1);
    for (int i = 0; i < ready; i++) {
      struct viewer *viewer = events[i].data.ptr;
      if (viewer == NULL) {
        obey();
      } else if (viewer->state == CONNECTING) {
        if (events[i].events & (EPOLLERR | EPOLLHUP)) leave(viewer);
        else ask(viewer);
      } else if (viewer->state != GONE) {
        receive(viewer);
      }
    }
  }
}
