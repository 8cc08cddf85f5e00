/* One item of what is kept beside an entry: its kind, a salt, and a content or its digest. Read by columns.c and ciphers.c
   only. */
#ifndef ANCHORLINE_KEPT_H
#define ANCHORLINE_KEPT_H

#include "messages.h"

enum { SALT = 16, HEAD = 1 + SALT };

/* Writes H(content) and H(salt || H(content)) of an item of this kind, a content (kinds[0]) or the SHA-256 of one (kinds[1]).
   Returns 0, or -1 where it is of another kind or length. */
static inline int hash_kept_item(compress_function compress, const uint8_t *kinds, uint8_t kind, const uint8_t *item,
                                 size_t size, uint8_t *digest, uint8_t *commitment) {
    uint8_t salted[2 * BLOCK];
    if (size < HEAD || *item != kind) return -1;
    if (kind == kinds[0]) {
        hash_piece(compress, NULL, 0, item + HEAD, size - HEAD, digest);
    } else if (kind == kinds[1] && size == HEAD + DIGEST) {
        memcpy(digest, item + HEAD, DIGEST);
    } else {
        return -1;
    }
    memcpy(salted, item + 1, SALT);
    memcpy(salted + SALT, digest, DIGEST);
    hash_padded(compress, salted, padded(salted, SALT + DIGEST, SALT + DIGEST), commitment);
    return 0;
}

#endif
