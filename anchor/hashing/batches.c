/* Batches of SHA-256 (see batches.h). A message that has one shape is laid out once, padding included (FIPS 180-4
   section 5.1.1), and only what differs is copied into it; no memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "batches.h"
#include "messages.h"

/* An entry has at most 4,095 bytes, its leaf one more; a row is on the stack. */
enum { LONGEST_ROW = 4096, LONGEST_ROW_PADDED = LONGEST_ROW + 2 * BLOCK, NODE = 1 + 2 * DIGEST };

const char *hardware_name(void) { return sha256_hardware_name(); }

int64_t longest_row(void) { return LONGEST_ROW; }

int hash_rows(int hardware, size_t count, const uint8_t *prefix, size_t prefix_size, const uint8_t *first,
              size_t first_width, const uint8_t *second, size_t second_width, const uint8_t *suffix,
              size_t suffix_size, uint8_t *out) {
    const compress_function compress = compression(hardware);
    uint8_t row[LONGEST_ROW_PADDED];
    if (prefix_size > LONGEST_ROW || first_width > LONGEST_ROW || second_width > LONGEST_ROW ||
        suffix_size > LONGEST_ROW || prefix_size + first_width + second_width + suffix_size > LONGEST_ROW)
        return -1;
    uint8_t *const at_first = row + prefix_size, *const at_second = at_first + first_width;
    const size_t size = prefix_size + first_width + second_width + suffix_size;
    put(row, prefix, prefix_size);
    put(at_second + second_width, suffix, suffix_size);
    const size_t blocks = padded(row, size, size);
    for (size_t i = 0; i < count; i++) {
        put(at_first, first + i * first_width, first_width);
        put(at_second, second + i * second_width, second_width);
        hash_padded(compress, row, blocks, out + i * DIGEST);
    }
    return 0;
}

int hash_pieces(int hardware, size_t count, const uint8_t *prefix, size_t prefix_size, const uint8_t *data,
                size_t data_size, const uint64_t *sizes, uint8_t *out) {
    const compress_function compress = compression(hardware);
    if (prefix_size > BLOCK) return -1;
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] > data_size) return -1;
        hash_piece(compress, prefix, prefix_size, data, (size_t)sizes[i], out + i * DIGEST);
        data += sizes[i], data_size -= (size_t)sizes[i];
    }
    return data_size ? -1 : 0;
}

/* A node's message, padded; `hashes` are the two below it. */
static size_t lay_out_node(uint8_t node[2 * BLOCK]) {
    node[0] = 0x01;
    return padded(node, NODE, NODE);
}

void hash_levels(int hardware, size_t count, const uint8_t *hashes, size_t levels, int carry, uint8_t *out) {
    const compress_function compress = compression(hardware);
    uint8_t node[2 * BLOCK];
    const size_t blocks = lay_out_node(node);
    for (; levels; levels--) {
        uint8_t *const level = out;
        for (size_t pair = 0; pair < count / 2; pair++, out += DIGEST) {
            memcpy(node + 1, hashes + pair * 2 * DIGEST, 2 * DIGEST);
            hash_padded(compress, node, blocks, out);
        }
        if (carry && count % 2) {
            memcpy(out, hashes + (count - 1) * DIGEST, DIGEST);
            out += DIGEST;
        }
        hashes = level;
        count = (size_t)(out - level) / DIGEST;
    }
}

void hash_root(int hardware, size_t count, const uint8_t *hashes, uint8_t *out) {
    const compress_function compress = compression(hardware);
    uint8_t node[2 * BLOCK];
    const size_t blocks = lay_out_node(node);
    /* Roots of the full subtrees of the binary digits of how many leaves were taken, the largest first. */
    uint8_t edge[64][DIGEST];
    size_t held = 0;
    for (size_t taken = 0; taken < count; taken++) {
        memcpy(edge[held++], hashes + taken * DIGEST, DIGEST);
        for (size_t rest = taken; rest & 1; rest >>= 1, held--) {
            memcpy(node + 1, edge[held - 2], 2 * DIGEST);
            hash_padded(compress, node, blocks, edge[held - 2]);
        }
    }
    for (; held > 1; held--) {
        memcpy(node + 1, edge[held - 2], 2 * DIGEST);
        hash_padded(compress, node, blocks, edge[held - 2]);
    }
    memcpy(out, edge[0], DIGEST);
}

/* Copies to `out` where that has room, which becomes less; returns where the next bytes go, or NULL. */
static uint8_t *put_within(uint8_t *out, size_t *room, const uint8_t *from, size_t size) {
    if (!out || size > *room) return NULL;
    put(out, from, size);
    *room -= size;
    return out + size;
}

int weave(size_t count, const uint8_t *prefix, size_t prefix_size, const uint8_t *first, size_t width, const uint8_t *data,
          size_t data_size, const uint64_t *sizes, const uint8_t *suffix, size_t suffix_size, uint8_t *out,
          size_t out_size) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t size = sizes ? sizes[i] : 0;
        if (size > data_size) return -1;
        out = put_within(out, &out_size, prefix, prefix_size);
        out = put_within(out, &out_size, first + i * width, width);
        out = put_within(out, &out_size, data, (size_t)size);
        out = put_within(out, &out_size, suffix, suffix_size);
        if (!out) return -1;
        data += size, data_size -= (size_t)size;
    }
    return data_size || out_size ? -1 : 0;
}

/* Writes a number of `size` bytes, big-endian. */
static void put_number(uint8_t *to, size_t size, uint64_t number) {
    for (; size--; number >>= 8) to[size] = (uint8_t)number;
}

int64_t weave_signed(size_t count, const uint8_t *before, size_t before_size, const uint8_t *commitments,
                     const uint8_t *after, size_t after_size, const uint8_t *signed_by, const uint8_t *tree,
                     const uint64_t *level_sizes, size_t levels, uint8_t *out, size_t out_size, uint64_t *sizes) {
    enum { HEAD = 3, SIGNED = 96, NUMBER = 4, START = SIGNED + 2 * NUMBER };
    const uint8_t *const begin = out;
    for (size_t i = 0; i < count; i++) {
        uint8_t head[HEAD] = {3}, place[2 * NUMBER];
        size_t beside = 0;
        for (size_t level = 0; level < levels; level++) {
            if (i >> level >= level_sizes[level]) return -1;
            beside += (size_t)((i >> level ^ 1) < level_sizes[level]);
        }
        put_number(head + 1, HEAD - 1, START + beside * DIGEST);
        put_number(place, NUMBER, i);
        put_number(place + NUMBER, NUMBER, count);
        const uint8_t *const entry = out;
        out = put_within(out, &out_size, before, before_size);
        out = put_within(out, &out_size, commitments + i * DIGEST, DIGEST);
        out = put_within(out, &out_size, after, after_size);
        out = put_within(out, &out_size, head, HEAD);
        out = put_within(out, &out_size, signed_by, SIGNED);
        out = put_within(out, &out_size, place, sizeof place);
        const uint8_t *nodes = tree;
        for (size_t level = 0; level < levels; nodes += level_sizes[level++] * DIGEST) {
            const size_t sibling = i >> level ^ 1;
            if (sibling < level_sizes[level]) out = put_within(out, &out_size, nodes + sibling * DIGEST, DIGEST);
        }
        if (!out) return -1;
        sizes[i] = (uint64_t)(out - entry);
    }
    return out - begin;
}
