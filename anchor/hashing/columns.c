/* Digests and commitments of what is kept beside entries (see columns.h); no memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"
#include "kept.h"
#include "parts.h"

struct kept {
    compress_function compress;
    const uint8_t *data;
    const uint64_t *sizes;
    const uint8_t *kinds;
    uint8_t *digests, *commitments;
};

static int hash_some(const void *given, size_t start, size_t end, size_t at) {
    const struct kept *const job = given;
    for (size_t i = start; i < end; at += (size_t)job->sizes[i++])
        if (hash_kept_item(job->compress, job->kinds, *job->data, job->data + at, (size_t)job->sizes[i],
                           job->digests + i * DIGEST, job->commitments + i * DIGEST))
            return -1;
    return 0;
}

int hash_kept(int hardware, size_t count, const uint8_t *data, size_t data_size, const uint64_t *sizes,
              const uint8_t *kinds, uint8_t *digests, uint8_t *commitments) {
    const struct kept job = {compression(hardware), data, sizes, kinds, digests, commitments};
    return run_in_parts(count, sizes, data_size, hash_some, &job);
}
