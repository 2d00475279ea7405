/*
 * What a message says: whether a viewer missed something or saw it twice, and how long it was on its way.
 *
 * A message of the relay begins with its type; `@` and digits in it are when it was written at the far end, in
 * nanoseconds of this machine's monotonic clock.
 */
#define _GNU_SOURCE
#include "viewers.h"

#include <stdlib.h>
#include <string.h>

enum { MARK_DIGITS = 16, MANTISSA_BITS = 6, BUCKETS = 64 << MANTISSA_BITS };

struct counts counts;
static long buckets[BUCKETS];
static long marked;

/* 64 buckets to each power of two, so a delay is known to 1.6 %. */
static int bucket_of(uint64_t us) {
  if (us < (1 << MANTISSA_BITS)) return (int)us;
  int shift = 63 - __builtin_clzll(us) - MANTISSA_BITS;
  return ((shift + 1) << MANTISSA_BITS) + (int)(us >> shift) - (1 << MANTISSA_BITS);
}

static double middle_of(int bucket) {
  if (bucket < (1 << MANTISSA_BITS)) return bucket;
  int shift = (bucket >> MANTISSA_BITS) - 1;
  return ((double)((bucket & ((1 << MANTISSA_BITS) - 1)) + (1 << MANTISSA_BITS)) + 0.5) * (double)(1ULL << shift);
}

void forget_delays(void) {
  memset(buckets, 0, sizeof buckets);
  marked = 0;
}

double delay_us(double share) {
  long left = (long)((double)marked * share);
  for (int i = 0; i < BUCKETS; i++)
    if ((left -= buckets[i]) < 0) return middle_of(i);
  for (int i = BUCKETS - 1; i >= 0; i--)
    if (buckets[i]) return middle_of(i);
  return 0;
}

static void time_it(const char *message, size_t size) {
  const char *mark = message;
  const char *end = message + size;
  while ((mark = memchr(mark, '@', (size_t)(end - mark))) != NULL) {
    mark++;
    uint64_t sent_ns = 0;
    int digits = 0;
    for (; mark < end && *mark >= '0' && *mark <= '9'; mark++, digits++) sent_ns = sent_ns * 10 + (uint64_t)(*mark - '0');
    uint64_t now = now_ns();
    if (digits < MARK_DIGITS || sent_ns > now) continue;
    buckets[bucket_of((now - sent_ns) / 1000)]++;
    marked++;
    return;
  }
}

static long number_after(const char *message, size_t size, const char *name) {
  const char *found = memmem(message, size, name, strlen(name));
  return found == NULL ? 0 : strtol(found + strlen(name), NULL, 10);
}

static bool is(const char *message, size_t size, const char *beginning) {
  return size >= strlen(beginning) && memcmp(message, beginning, strlen(beginning)) == 0;
}

static void caught_up(void) {
  counts.caught_up++;
  counts.caught_up_ns = now_ns();
}

static void begin_anew(struct viewer *viewer, const char *message, size_t size) {
  counts.snapshots++;
  viewer->answered = true;
  viewer->owed = 0;
  viewer->seq = number_after(message, size, "\"seq\":");
  const char *epoch = memmem(message, size, "\"epoch\":\"", 9);
  if (epoch != NULL) {
    size_t length = strcspn(epoch + 9, "\"");
    if (length < sizeof viewer->epoch) memcpy(viewer->epoch, epoch + 9, length), viewer->epoch[length] = 0;
  }
  caught_up();
}

void hear(struct viewer *viewer, const char *message, size_t size) {
  if (is(message, size, "{\"type\":\"ping\"")) return;
  if (is(message, size, "{\"type\":\"snapshot\"")) {
    begin_anew(viewer, message, size);
    return;
  }
  if (is(message, size, "{\"type\":\"resumed\"")) {
    counts.resumed++;
    viewer->answered = true;
    viewer->owed = number_after(message, size, "\"events\":");
    if (viewer->owed == 0) caught_up();
    return;
  }
  counts.events++;
  long seq = number_after(message, size < 96 ? size : 96, "\"seq\":");
  if (viewer->seq && seq > viewer->seq + 1) counts.gaps++;
  if (viewer->seq && seq <= viewer->seq) counts.duplicates++;
  viewer->seq = seq;
  if (viewer->owed > 0) {
    if (--viewer->owed == 0) caught_up();
    return; /* it was missed, so how long it was on its way says nothing */
  }
  time_it(message, size);
}
