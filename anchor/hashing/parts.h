/* Work on rows of items, cut into parts that run at the same time: what ciphers.c and columns.c do on several cores. Read
   by these only. */
#ifndef ANCHORLINE_PARTS_H
#define ANCHORLINE_PARTS_H

#include <stddef.h>
#include <stdint.h>

/* Does the items `start` to `end` - 1, before which there are `at` bytes; returns 0, or another number where it refuses.
   Parts share nothing that they write. */
typedef int part_function(const void *job, size_t start, size_t end, size_t at);

/* Does all items, in parts where there are cores and bytes enough that a thread is worth its start.
   Returns 0, or -1 where a part refuses, or the sizes do not add up to data_size: then nothing is done. */
int run_in_parts(size_t count, const uint64_t *sizes, size_t data_size, part_function *work, const void *job);

/* The same in so many parts of about as many bytes, four at most, each but one on a thread of its own. No thread outlives the
   call, and a part whose thread cannot be started is done by the caller. */
int run_in_so_many(size_t parts, size_t count, const uint64_t *sizes, size_t data_size, part_function *work,
                   const void *job);

#endif
