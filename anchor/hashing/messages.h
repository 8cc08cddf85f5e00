/* How a message is padded and hashed from its first block to its digest (FIPS 180-4 section 5.1.1): what batches.c and
   bundles.c lay out by hand, and columns.c. Read by these only. */
#ifndef ANCHORLINE_MESSAGES_H
#define ANCHORLINE_MESSAGES_H

#include <stdint.h>
#include <string.h>

#include "sha256.h"

static inline compress_function compression(int hardware) {
    return hardware ? sha256_hardware() : sha256_compress_portable;
}

/* Copies; a size of 0 may come with any pointer. */
static inline void put(uint8_t *to, const uint8_t *from, size_t size) {
    if (size) memcpy(to, from, size);
}

/* Writes the padding behind `size` bytes that stand at `from` (of a message of `whole` bytes); returns the blocks. */
static inline size_t padded(uint8_t *from, size_t size, uint64_t whole) {
    const size_t blocks = (size + 8) / BLOCK + 1;
    const uint64_t bits = whole << 3;
    from[size] = 0x80;
    memset(from + size + 1, 0, blocks * BLOCK - size - 1);
    for (size_t i = 0; i < 8; i++) from[blocks * BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    return blocks;
}

static inline void write_digest(const uint32_t state[8], uint8_t *out) {
    for (int i = 0; i < 8; i++) {
        out[4 * i] = (uint8_t)(state[i] >> 24);
        out[4 * i + 1] = (uint8_t)(state[i] >> 16);
        out[4 * i + 2] = (uint8_t)(state[i] >> 8);
        out[4 * i + 3] = (uint8_t)state[i];
    }
}

/* Hashes a padded message from its first block. */
static inline void hash_padded(compress_function compress, const uint8_t *message, size_t blocks, uint8_t *out) {
    uint32_t state[8];
    memcpy(state, sha256_initial, sizeof state);
    compress(state, message, blocks);
    write_digest(state, out);
}

/* Hashes prefix || piece: whole blocks are read where they are, what is left at the ends goes through `edge`. The prefix
   has at most 64 bytes. */
static inline void hash_piece(compress_function compress, const uint8_t *prefix, size_t prefix_size,
                              const uint8_t *piece, size_t size, uint8_t *out) {
    uint8_t edge[2 * BLOCK];
    uint32_t state[8];
    const uint64_t whole = (uint64_t)prefix_size + size;
    size_t held = prefix_size;
    memcpy(state, sha256_initial, sizeof state);
    put(edge, prefix, prefix_size);
    if (held && held + size >= BLOCK) {
        put(edge + held, piece, BLOCK - held);
        piece += BLOCK - held, size -= BLOCK - held, held = 0;
        compress(state, edge, 1);
    }
    if (!held) {
        compress(state, piece, size / BLOCK);
        piece += size / BLOCK * BLOCK, size %= BLOCK;
    }
    put(edge + held, piece, size);
    compress(state, edge, padded(edge, held + size, whole));
    write_digest(state, out);
}

#endif
