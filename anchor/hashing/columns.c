/* Digests and commitments of what is kept beside entries (see columns.h); no memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "columns.h"
#include "messages.h"

enum { SALT = 16, HEAD = 1 + SALT };

int hash_kept(int hardware, size_t count, const uint8_t *data, size_t data_size, const uint64_t *sizes,
              const uint8_t *kinds, uint8_t *digests, uint8_t *commitments) {
    const compress_function compress = compression(hardware);
    uint8_t salted[2 * BLOCK];
    const size_t blocks = padded(salted, SALT + DIGEST, SALT + DIGEST);
    const uint8_t *const first = data;
    for (size_t i = 0; i < count; i++, digests += DIGEST, commitments += DIGEST) {
        if (sizes[i] > data_size || sizes[i] < HEAD) return -1;
        const size_t size = (size_t)sizes[i];
        const uint8_t *const rest = data + HEAD;
        if (*data != *first) return -1;
        if (*data == kinds[0]) {
            hash_piece(compress, NULL, 0, rest, size - HEAD, digests);
        } else if (*data == kinds[1] && size == HEAD + DIGEST) {
            memcpy(digests, rest, DIGEST);
        } else {
            return -1;
        }
        memcpy(salted, data + 1, SALT);
        memcpy(salted + SALT, digests, DIGEST);
        hash_padded(compress, salted, blocks, commitments);
        data += size, data_size -= size;
    }
    return data_size ? -1 : 0;
}
