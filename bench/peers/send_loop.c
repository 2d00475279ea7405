/*
 * The physical limit: a frame made once, one `send` for each viewer, and nothing else.
 *
 * `send_loop PORT` takes viewers on PORT (with the shortest handshake there can be: our client looks at nothing but
 * the 101) and lines on PORT + 1; each line is sent to every viewer as one text frame.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_VIEWERS = 20000, LINE_BYTES = 1 << 16 };

static int viewers[MOST_VIEWERS], viewer_count;

static int listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0 || listen(fd, 1024) < 0) {
    perror("listen");
    exit(1);
  }
  return fd;
}

static void welcome(int fd) {
  static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
  char request[4096];
  if (read(fd, request, sizeof request) <= 0) { /* only somebody who looked whether we listen */
    close(fd);
    return;
  }
  send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
  viewers[viewer_count++] = fd;
}

static void broadcast(const char *line, size_t size) {
  static char frame[LINE_BYTES + 4];
  size_t head = size < 126 ? 2 : 4;
  frame[0] = (char)0x81;
  frame[1] = (char)(size < 126 ? size : 126);
  if (head == 4) frame[2] = (char)(size >> 8), frame[3] = (char)size;
  memcpy(frame + head, line, size);
  for (int i = 0; i < viewer_count; i++) send(viewers[i], frame, head + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int port = atoi(argv[1]), feed = -1;
  int lines = listen_on(port + 1), door = listen_on(port);
  static char buffer[LINE_BYTES];
  size_t filled = 0;
  for (;;) {
    struct pollfd ready[] = {{door, POLLIN, 0}, {lines, POLLIN, 0}, {feed, POLLIN, 0}};
    poll(ready, 3, -1);
    if (ready[0].revents) welcome(accept(door, NULL, NULL));
    if (ready[1].revents) feed = accept(lines, NULL, NULL);
    if (!ready[2].revents) continue;
    ssize_t got = read(feed, buffer + filled, sizeof buffer - filled);
    if (got <= 0) return 0;
    filled += (size_t)got;
    char *line = buffer, *end;
    while ((end = memchr(line, '\n', filled - (size_t)(line - buffer))) != NULL) {
      broadcast(line, (size_t)(end - line));
      line = end + 1;
    }
    filled -= (size_t)(line - buffer);
    memmove(buffer, line, filled);
  }
}
