/* Batches of SHA-256 (see batches.h). A message that has one shape is laid out once, padding included (FIPS 180-4
   section 5.1.1), and only what differs is copied into it; no memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "batches.h"
#include "sha256.h"

/* An entry has at most 4,095 bytes, its leaf one more; a row is on the stack. */
enum { LONGEST_ROW = 4096, LONGEST_ROW_PADDED = LONGEST_ROW + 2 * BLOCK, NODE = 1 + 2 * DIGEST };

static compress_function compression(int hardware) {
    return hardware ? sha256_hardware() : sha256_compress_portable;
}

const char *hardware_name(void) { return sha256_hardware_name(); }

int64_t longest_row(void) { return LONGEST_ROW; }

/* Copies; a size of 0 may come with any pointer. */
static void put(uint8_t *to, const uint8_t *from, size_t size) {
    if (size) memcpy(to, from, size);
}

/* Writes the padding behind `size` bytes that stand at `from` (of a message of `whole` bytes); returns the blocks. */
static size_t padded(uint8_t *from, size_t size, uint64_t whole) {
    const size_t blocks = (size + 8) / BLOCK + 1;
    const uint64_t bits = whole << 3;
    from[size] = 0x80;
    memset(from + size + 1, 0, blocks * BLOCK - size - 1);
    for (size_t i = 0; i < 8; i++) from[blocks * BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    return blocks;
}

static void write_digest(const uint32_t state[8], uint8_t *out) {
    for (int i = 0; i < 8; i++) {
        out[4 * i] = (uint8_t)(state[i] >> 24);
        out[4 * i + 1] = (uint8_t)(state[i] >> 16);
        out[4 * i + 2] = (uint8_t)(state[i] >> 8);
        out[4 * i + 3] = (uint8_t)state[i];
    }
}

/* Hashes a padded message from its first block. */
static void hash_padded(compress_function compress, const uint8_t *message, size_t blocks, uint8_t *out) {
    uint32_t state[8];
    memcpy(state, sha256_initial, sizeof state);
    compress(state, message, blocks);
    write_digest(state, out);
}

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

/* Hashes prefix || piece: whole blocks are read where they are, what is left at the ends goes through `edge`. */
static void hash_piece(compress_function compress, const uint8_t *prefix, size_t prefix_size, const uint8_t *piece,
                       size_t size, uint8_t *out) {
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

void hash_nodes(int hardware, size_t pairs, const uint8_t *hashes, uint8_t *out) {
    const compress_function compress = compression(hardware);
    uint8_t node[2 * BLOCK];
    const size_t blocks = lay_out_node(node);
    for (size_t i = 0; i < pairs; i++) {
        memcpy(node + 1, hashes + i * 2 * DIGEST, 2 * DIGEST);
        hash_padded(compress, node, blocks, out + i * DIGEST);
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
