/* Digests and commitments of what is kept beside entries (see columns.h); no memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"
#include "messages.h"
#include "parts.h"

enum { SALT = 16, HEAD = 1 + SALT };

struct kept {
    compress_function compress;
    const uint8_t *data;
    const uint64_t *sizes;
    const uint8_t *kinds;
    uint8_t *digests, *commitments;
};

static int hash_some(const void *given, size_t start, size_t end, size_t at) {
    const struct kept *const job = given;
    uint8_t salted[2 * BLOCK];
    const size_t blocks = padded(salted, SALT + DIGEST, SALT + DIGEST);
    const uint8_t *data = job->data + at;
    for (size_t i = start; i < end; i++) {
        const size_t size = (size_t)job->sizes[i];
        if (size < HEAD || *data != *job->data) return -1;
        const uint8_t *const rest = data + HEAD;
        uint8_t *const digest = job->digests + i * DIGEST;
        if (*data == job->kinds[0]) {
            hash_piece(job->compress, NULL, 0, rest, size - HEAD, digest);
        } else if (*data == job->kinds[1] && size == HEAD + DIGEST) {
            memcpy(digest, rest, DIGEST);
        } else {
            return -1;
        }
        memcpy(salted, data + 1, SALT);
        memcpy(salted + SALT, digest, DIGEST);
        hash_padded(job->compress, salted, blocks, job->commitments + i * DIGEST);
        data += size;
    }
    return 0;
}

int hash_kept(int hardware, size_t count, const uint8_t *data, size_t data_size, const uint64_t *sizes,
              const uint8_t *kinds, uint8_t *digests, uint8_t *commitments) {
    const struct kept job = {compression(hardware), data, sizes, kinds, digests, commitments};
    return run_in_parts(count, sizes, data_size, hash_some, &job);
}
