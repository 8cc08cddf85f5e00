/* Calls every function of anchor/hashing/batches.h, bundles.h, ciphers.h, columns.h, pairs.h, parts.h, signatures.h and texts.h over
   buffers that are exactly as long as they must be, so that a sanitizer sees each byte read or written too far. Portable C and
   the processor's instructions must agree, and one message hashed in three ways. Prints "ok" and the name of the instructions;
   else the line that does not hold. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batches.h"
#include "bundles.h"
#include "ciphers.h"
#include "columns.h"
#include "pairs.h"
#include "parts.h"
#include "signatures.h"
#include "texts.h"

#define HOLDS(condition) \
    if (!(condition)) return printf("line %d: %s\n", __LINE__, #condition), 1

/* A new buffer; of size 0 it can be neither read nor written. Not inlined: GCC would warn of sizes that it cannot have. */
__attribute__((noinline)) static uint8_t *buffer(size_t size) {
    static uint32_t seed = 1;
    uint8_t *made = malloc(size);
    for (size_t i = 0; i < size; i++) made[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
    return made;
}

static int pieces(int hardware, size_t prefix_size, size_t size) {
    uint8_t *prefix = buffer(prefix_size), *data = buffer(size), *none = buffer(0);
    uint8_t *one = buffer(32), *other = buffer(32);
    uint64_t *sizes = malloc(sizeof *sizes);
    *sizes = size;
    HOLDS(hash_pieces(0, 1, prefix, prefix_size, data, size, sizes, one) == 0);
    HOLDS(hash_pieces(hardware, 1, prefix, prefix_size, data, size, sizes, other) == 0);
    HOLDS(memcmp(one, other, 32) == 0);
    HOLDS(hash_rows(0, 1, prefix, prefix_size, data, size, none, 0, none, 0, other) == 0);
    HOLDS(memcmp(one, other, 32) == 0);
    HOLDS(hash_rows(hardware, 1, none, 0, prefix, prefix_size, data, size, none, 0, other) == 0);
    HOLDS(memcmp(one, other, 32) == 0);
    for (int too = 0; too < 3; too++) {
        *sizes = too == 0 ? UINT64_MAX : too == 1 ? size + 1 : size ? size - 1 : 1;
        HOLDS(hash_pieces(hardware, 1, prefix, prefix_size, data, size, sizes, other) == -1);
    }
    free(prefix), free(data), free(none), free(one), free(other), free(sizes);
    return 0;
}

static int rows(int hardware, size_t count) {
    uint8_t *prefix = buffer(34), *first = buffer(8 * count), *second = buffer(32 * count), *suffix = buffer(16);
    uint8_t *one = buffer(32 * count), *other = buffer(32 * count);
    HOLDS(hash_rows(0, count, prefix, 34, first, 8, second, 32, suffix, 16, one) == 0);
    HOLDS(hash_rows(hardware, count, prefix, 34, first, 8, second, 32, suffix, 16, other) == 0);
    HOLDS(memcmp(one, other, 32 * count) == 0);
    free(prefix), free(first), free(second), free(suffix), free(one), free(other);
    return 0;
}

static int trees(int hardware, size_t count) {
    const size_t pairs = count / 2, quads = pairs / 2, carried = (count + 1) / 2, twice = (carried + 1) / 2;
    uint8_t *hashes = buffer(32 * count), *one = buffer(32), *other = buffer(32);
    uint8_t *nodes = buffer(32 * (pairs + quads)), *same_nodes = buffer(32 * (pairs + quads));
    uint8_t *carrying = buffer(32 * (carried + twice)), *same_carrying = buffer(32 * (carried + twice));
    hash_root(0, count, hashes, one);
    hash_root(hardware, count, hashes, other);
    HOLDS(memcmp(one, other, 32) == 0);
    hash_levels(0, count, hashes, 2, 0, nodes);
    hash_levels(hardware, count, hashes, 2, 0, same_nodes);
    HOLDS(memcmp(nodes, same_nodes, 32 * (pairs + quads)) == 0);
    hash_levels(0, count, hashes, 2, 1, carrying);
    hash_levels(hardware, count, hashes, 2, 1, same_carrying);
    HOLDS(memcmp(carrying, same_carrying, 32 * (carried + twice)) == 0);
    HOLDS(memcmp(carrying, nodes, 32 * pairs) == 0);
    free(hashes), free(one), free(other), free(nodes), free(same_nodes), free(carrying), free(same_carrying);
    return 0;
}

/* The texts of all leaves of a tree fit a buffer of their size exactly, and none that is a byte shorter. */
static int texts(size_t leaves) {
    size_t nodes = 0, levels = 0;
    uint64_t *sizes = malloc(64 * sizeof *sizes), *ends = malloc(leaves * sizeof *ends);
    for (size_t size = leaves; size > 1; size = (size + 1) / 2) nodes += sizes[levels++] = size;
    uint64_t *own_sizes = malloc(levels * sizeof *own_sizes), *literal_sizes = malloc(9 * sizeof *literal_sizes);
    for (size_t level = 0; level < levels; level++) own_sizes[level] = sizes[level];
    for (size_t i = 0; i < 9; i++) literal_sizes[i] = i % 3;
    const char *const fields = "nhbixhps";
    uint8_t *hashes = buffer(64 * leaves), *tree = buffer(64 * nodes), *literals = buffer(9);
    const size_t most = leaves * (9 + 20 * 4 + 64 * 2 + 67 * levels);
    uint8_t *out = buffer(most);
    const int64_t size = leaf_texts(leaves, hashes, UINT64_MAX - leaves, 0, tree, own_sizes, levels, literals,
                                    literal_sizes, fields, out, most, ends);
    HOLDS(size > 0 && (size_t)size <= most && ends[leaves - 1] == (uint64_t)size);
    uint8_t *exact = buffer((size_t)size), *shorter = buffer((size_t)size - 1);
    HOLDS(leaf_texts(leaves, hashes, UINT64_MAX - leaves, 0, tree, own_sizes, levels, literals, literal_sizes, fields,
                     exact, (size_t)size, ends) == size);
    HOLDS(memcmp(out, exact, (size_t)size) == 0);
    HOLDS(leaf_texts(leaves, hashes, UINT64_MAX - leaves, 0, tree, own_sizes, levels, literals, literal_sizes, fields,
                     shorter, (size_t)size - 1, ends) == -1);
    HOLDS(levels == 0 || leaf_texts(1, hashes, 0, leaves, tree, own_sizes, levels, literals, literal_sizes, fields, out,
                                    most, ends) == -1);
    free(sizes), free(ends), free(own_sizes), free(literal_sizes), free(hashes), free(tree), free(literals);
    free(out), free(exact), free(shorter);
    return 0;
}

/* Too long for a row, also where the sum of the lengths is too large for a size_t. */
static int limits(int hardware) {
    uint8_t *longest = buffer(4096), *none = buffer(0), *out = buffer(32), *prefix = buffer(65);
    uint64_t *sizes = calloc(1, sizeof *sizes);
    HOLDS(longest_row() == 4096);
    HOLDS(hash_rows(hardware, 1, none, 0, longest, 4096, none, 0, none, 0, out) == 0);
    HOLDS(hash_rows(hardware, 1, prefix, 1, longest, 4096, none, 0, none, 0, out) == -1);
    HOLDS(hash_rows(hardware, 1, none, SIZE_MAX, none, 1, none, 0, none, 0, out) == -1);
    HOLDS(hash_rows(hardware, 1, none, SIZE_MAX / 4, none, SIZE_MAX / 4, none, SIZE_MAX / 4, none, SIZE_MAX, out) == -1);
    HOLDS(hash_pieces(hardware, 1, prefix, 65, none, 0, sizes, out) == -1);
    HOLDS(hash_pieces(hardware, 0, prefix, 64, none, 0, sizes, out) == 0);
    free(longest), free(none), free(out), free(prefix), free(sizes);
    return 0;
}

/* A copy of the first `size` bytes, in a buffer of its own. */
static uint8_t *copy(const uint8_t *data, size_t size) {
    uint8_t *made = malloc(size);
    if (size) memcpy(made, data, size);
    return made;
}

/* A bundle of three leaves: whole, cut at every byte, and with another length of its second leaf. */
static int bundle(int hardware, size_t length) {
    const size_t size = 3 * (2 + length);
    uint8_t *data = buffer(size), *head = buffer(3), *one = buffer(96), *other = buffer(96), *columns = buffer(6);
    uint64_t *sizes = malloc(sizeof *sizes);
    uint8_t *leaf = buffer(length + 1);
    for (size_t i = 0; i < 3; i++) {
        uint8_t *const at = data + i * (2 + length);
        at[0] = (uint8_t)(length >> 8), at[1] = (uint8_t)length;
        memset(at + 2, 7, length);
        if (length >= 3) memcpy(at + 2, head, 3);
    }
    HOLDS(hash_bundle(0, 3, data, size, head, 3, 2, one, columns) == (length < 5 ? -1 : 1));
    HOLDS(hash_bundle(hardware, 3, data, size, head, 3, 2, other, columns) == (length < 5 ? -1 : 1));
    if (length >= 5) {
        HOLDS(memcmp(one, other, 96) == 0 && columns[5] == 7);
        leaf[0] = 0, *sizes = length + 1;
        memcpy(leaf + 1, data + 2, length);
        HOLDS(hash_pieces(hardware, 1, leaf, 0, leaf, length + 1, sizes, other) == 0 && memcmp(one, other, 32) == 0);
        data[2 + length + 2] ^= 1;
        HOLDS(hash_bundle(hardware, 3, data, size, head, 3, 2, other, columns) == 0);
    }
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *less = copy(data, cut);
        HOLDS(hash_bundle(hardware, 3, less, cut, head, 3, 2, other, columns) == -1);
        free(less);
    }
    data[2 + length] ^= 0x80;
    HOLDS(hash_bundle(hardware, 3, data, size, head, 3, 2, other, columns) == -1);
    free(data), free(head), free(one), free(other), free(columns), free(sizes), free(leaf);
    return 0;
}

/* Lines of what is kept: "a" under a salt of zeros, and a digest alone. Cut at every byte, and every byte changed. */
static int kept(int hardware) {
    static const char text[] =
        "{\"index\":0,\"salt\":\"00000000000000000000000000000000\",\"digest\":"
        "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\",\"content\":\"YQ==\"}\n"
        "{\"index\":999999999999999,\"salt\":\"00000000000000000000000000000000\",\"digest\":"
        "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"}\n";
    const size_t size = sizeof text - 1;
    uint8_t *data = copy((const uint8_t *)text, size), *one = buffer(64), *other = buffer(64);
    uint64_t *indexes = malloc(2 * sizeof *indexes), *contents = malloc(sizeof *contents);
    HOLDS(hash_kept_lines(0, 2, data, size, indexes, one, contents) == 0);
    HOLDS(hash_kept_lines(hardware, 2, data, size, indexes, other, contents) == 0);
    HOLDS(memcmp(one, other, 64) == 0 && memcmp(one, one + 32, 32) == 0);
    HOLDS(indexes[0] == 0 && indexes[1] == 999999999999999 && *contents == 1);
    HOLDS(hash_kept_lines(hardware, 1, data, size, indexes, other, contents) == -1);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *less = copy(data, cut);
        HOLDS(hash_kept_lines(hardware, 2, less, cut, indexes, other, contents) == -1);
        free(less);
    }
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            data[at] ^= (uint8_t)(1 << bit);
            const int refused = hash_kept_lines(hardware, 2, data, size, indexes, other, contents);
            /* Another index or salt, or another digest without its content, is as well formed, and another commitment. */
            HOLDS(refused || indexes[0] != 0 || indexes[1] != 999999999999999 || memcmp(one, other, 64));
            data[at] ^= (uint8_t)(1 << bit);
        }
    free(data), free(one), free(other), free(indexes), free(contents);
    return 0;
}

/* A row of an empty item between two of `size`: it comes back, changed at each place it does not; buffers that are too
   short or too long by a byte, sizes that do not add up and items shorter than a tag are refused. */
static int ciphers(size_t size) {
    const size_t all = 2 * size, sealed = size ? all + 32 : 0;
    uint8_t *keys = buffer(96), *nonces = buffer(36), *data = buffer(all), *out = buffer(sealed), *back = buffer(all);
    uint8_t *longer = buffer(sealed + 1), *holds = buffer(3);
    uint64_t *sizes = calloc(3, sizeof *sizes);
    const uint64_t number = UINT64_MAX - 2;
    sizes[0] = sizes[2] = size;
    HOLDS(encrypt_items(3, keys, nonces, number, data, all, sizes, out, sealed) == 0);
    HOLDS(encrypt_items(3, keys, nonces, number, data, all, sizes, longer, sealed + 1) == -1);
    HOLDS(!size || encrypt_items(3, keys, nonces, number, data, all, sizes, longer, sealed - 1) == -1);
    HOLDS(!size || encrypt_items(3, keys, nonces, number, data, all - 1, sizes, longer, sealed - 1) == -1);
    sizes[0] = sizes[2] = size ? size + 16 : 0;
    HOLDS(decrypt_items(3, keys, nonces, number, out, sealed, sizes, back, all, holds) == 0);
    HOLDS(holds[0] && holds[1] && holds[2] && (!all || memcmp(data, back, all) == 0));
    for (size_t at = 0; at < sealed; at++) {
        out[at] ^= 1;
        HOLDS(decrypt_items(3, keys, nonces, number, out, sealed, sizes, back, all, holds) == 0);
        HOLDS(holds[0] == (at >= sealed / 2) && holds[1] == 1 && holds[2] == (at < sealed / 2));
        HOLDS(memcmp(data + (holds[0] ? 0 : size), back + (holds[0] ? 0 : size), size) == 0);
        for (size_t i = 0; i < size; i++) HOLDS(back[(holds[0] ? size : 0) + i] == 0);
        out[at] ^= 1;
    }
    HOLDS(decrypt_items(3, keys, nonces, number, out, sealed, sizes, longer, all + 1, holds) == -1);
    HOLDS(!size || decrypt_items(3, keys, nonces, number, out, sealed, sizes, back, all - 1, holds) == -1);
    HOLDS(!size || decrypt_items(3, keys, nonces, number, out, sealed - 1, sizes, back, all, holds) == -1);
    for (int too = 0; too < 3; too++) {
        sizes[0] = too == 0 ? UINT64_MAX : too == 1 ? (uint64_t)INT32_MAX + 17 : 15;
        HOLDS(too == 2 || encrypt_items(3, keys, nonces, number, data, all, sizes, out, sealed) == -1);
        HOLDS(decrypt_items(3, keys, nonces, number, out, sealed, sizes, back, all, holds) == -1);
    }
    free(keys), free(nonces), free(data), free(out), free(back), free(longer), free(holds), free(sizes);
    return 0;
}

/* Rows of an empty item and one of `size`: what does not add up, or not fit by a byte, is refused. */
static int woven(size_t size) {
    const size_t whole = 2 * (3 + 5 + 4) + size;
    uint8_t *prefix = buffer(3), *first = buffer(10), *data = buffer(size), *suffix = buffer(4), *out = buffer(whole);
    uint8_t *longer = buffer(whole + 1);
    uint64_t *sizes = calloc(2, sizeof *sizes);
    sizes[1] = size;
    HOLDS(weave(2, prefix, 3, first, 5, data, size, sizes, suffix, 4, out, whole) == 0);
    HOLDS(!memcmp(out, prefix, 3) && !memcmp(out + 8, suffix, 4) && !memcmp(out + 15, first + 5, 5));
    HOLDS(!size || !memcmp(out + 20, data, size));
    HOLDS(weave(2, prefix, 3, first, 5, data, size, sizes, suffix, 4, out, whole - 1) == -1);
    HOLDS(weave(2, prefix, 3, first, 5, data, size, sizes, suffix, 4, longer, whole + 1) == -1);
    HOLDS(weave(2, prefix, 3, first, 5, NULL, 0, NULL, suffix, 4, out, 24) == 0);
    HOLDS(weave(0, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, 0) == 0);
    for (int too = 0; too < 2; too++) {
        sizes[1] = too ? UINT64_MAX : size + 1;
        HOLDS(weave(2, prefix, 3, first, 5, data, size, sizes, suffix, 4, longer, whole + 1) == -1);
    }
    free(prefix), free(first), free(data), free(suffix), free(out), free(longer), free(sizes);
    return 0;
}

/* Entries of a signed batch of `count`: each has its path, and nothing is written behind the end. */
static int signed_batch(size_t count) {
    size_t nodes = 0, levels = 0, whole = 0;
    uint64_t level_sizes[16];
    for (uint64_t size = count; size > 1; size = (size + 1) / 2) level_sizes[levels++] = size, nodes += (size_t)size;
    for (size_t i = 0; i < count; i++) {
        whole += 5 + 32 + 4 + 3 + 96 + 8;
        for (size_t level = 0; level < levels; level++) whole += (i >> level ^ 1) < level_sizes[level] ? 32 : 0;
    }
    uint8_t *before = buffer(5), *commitments = buffer(32 * count), *after = buffer(4), *signed_by = buffer(96);
    uint8_t *tree = buffer(32 * nodes), *out = buffer(whole);
    uint64_t *sizes = calloc(count, sizeof *sizes), *sum = calloc(1, sizeof *sum);
    HOLDS(weave_signed(count, before, 5, commitments, after, 4, signed_by, tree, level_sizes, levels, out, whole, sizes) ==
          (int64_t)whole);
    for (size_t i = 0; i < count; i++) *sum += sizes[i];
    HOLDS(*sum == whole && out[41] == 3 && !memcmp(out + 5, commitments, 32) && !memcmp(out + 44, signed_by, 96));
    HOLDS(count < 2 || !memcmp(out + 148, tree + 32, 32));
    HOLDS(weave_signed(count, before, 5, commitments, after, 4, signed_by, tree, level_sizes, levels, out, whole - 1,
                       sizes) == -1);
    if (levels) {
        level_sizes[0] = count - 1;
        HOLDS(weave_signed(count, before, 5, commitments, after, 4, signed_by, tree, level_sizes, levels, out, whole,
                           sizes) == -1);
    }
    free(before), free(commitments), free(after), free(signed_by), free(tree), free(out), free(sizes), free(sum);
    return 0;
}

/* Pairs come out in order, every one once: their sum stays. */
static int pairs(size_t count) {
    uint8_t *hashes = buffer(32 * count), *made = buffer(16 * count), *scratch = buffer(16 * count);
    make_pairs(count, hashes, UINT64_MAX - count, made);
    HOLDS(!count || (memcmp(made, hashes, 8) == 0 && made[16 * count - 1] == 0xfe));
    unsigned before = 0, after = 0;
    for (size_t i = 0; i < 16 * count; i++) before += made[i] * (unsigned)(i % 16 + 1);
    sort_pairs(count, made, scratch);
    for (size_t i = 0; i < 16 * count; i++) after += made[i] * (unsigned)(i % 16 + 1);
    for (size_t i = 1; i < count; i++) HOLDS(memcmp(made + 16 * (i - 1), made + 16 * i, 16) < 0);
    HOLDS(before == after);
    free(hashes), free(made), free(scratch);
    return 0;
}

/* In the place of crypto_sign_open: reads and writes what that reads and writes, and takes what begins with its key. */
static int opened(unsigned char *message, unsigned long long *size, const unsigned char *signed_message,
                  unsigned long long signed_size, const unsigned char *key) {
    *size = signed_size - 64;
    for (size_t i = 0; i < *size; i++) message[i] = signed_message[64 + i];
    return memcmp(signed_message, key, 32) ? -1 : 0;
}

/* Signatures over messages of no byte, `size` and one: each is judged under its own key; sizes that do not add up, or are
   too long for the room or too short for a signature, are refused. */
static int signatures(size_t size) {
    const size_t all = 3 * 64 + size + 1;
    uint8_t *keys = buffer(96), *data = buffer(all), *room = buffer(64 + size + 1), *holds = buffer(3);
    uint64_t *sizes = calloc(3, sizeof *sizes);
    int (*const function)(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long,
                          const unsigned char *) = opened;
    uintptr_t open;
    memcpy(&open, &function, sizeof open);
    sizes[0] = 64, sizes[1] = 64 + size, sizes[2] = 65;
    memcpy(keys, data, 32), memcpy(keys + 64, data + 128 + size, 32);
    HOLDS(check_signatures(open, 3, keys, data, all, sizes, room, 64 + (size ? size : 1), holds) == 0);
    HOLDS(holds[0] == 1 && holds[1] == 0 && holds[2] == 1);
    HOLDS(check_signatures(open, 3, keys, data, all, sizes, room, 63 + (size ? size : 1), holds) == -1);
    HOLDS(check_signatures(open, 3, keys, data, all - 1, sizes, room, 64 + size + 1, holds) == -1);
    HOLDS(check_signatures(open, 2, keys, data, all, sizes, room, 64 + size + 1, holds) == -1);
    HOLDS(check_signatures(open, 0, NULL, NULL, 0, NULL, NULL, 0, NULL) == 0);
    for (int too = 0; too < 2; too++) {
        sizes[1] = too ? UINT64_MAX : 63;
        HOLDS(check_signatures(open, 3, keys, data, all, sizes, room, 64 + size + 1, holds) == -1);
    }
    free(keys), free(data), free(room), free(holds), free(sizes);
    return 0;
}

/* One by one, at once and in another order pairs give the same product; at the largest numbers it is p - 1 again. */
static int products(size_t count) {
    uint8_t *made = buffer(16 * count), *point = buffer(32), *one = buffer(16), *other = buffer(16);
    point[0] &= 0x7f, point[16] &= 0x7f, one[0] &= 0x7f;
    memcpy(other, one, 16);
    multiply_pairs(count, made, point, one);
    for (size_t i = count; i--;) multiply_pairs(1, made + 16 * i, point, other);
    HOLDS(memcmp(one, other, 16) == 0);
    memset(made, 0, 16 * count), memset(point, 0, 32), memset(one, 0, 16);
    point[15] = 1, one[15] = 7;
    multiply_pairs(count, made, point, one);
    HOLDS(one[15] == 7 && one[0] == 0);
    free(made), free(point), free(one), free(other);
    return 0;
}

/* Keys fall into their blocks of a filter, and into no other; a block more or less is refused, or left alone. */
static int filters(size_t count) {
    uint8_t *made = buffer(16 * count), *bits = calloc(4, 1024), *none = buffer(0);
    HOLDS(fill_filter(count, made, 4, 0, bits, 4096) == 0);
    size_t set = 0, inside = 0;
    for (size_t i = 0; i < 4096; i++)
        for (int bit = 0; bit < 8; bit++) set += bits[i] >> bit & 1;
    HOLDS(set <= 4 * count && (set > 0) == (count > 0));
    for (size_t i = 0; i < count; i++) {
        const uint64_t first = made[16 * i] >> 6;
        uint8_t *one = calloc(1, 1024);
        HOLDS(fill_filter(1, made + 16 * i, 4, first, one, 1024) == 0);
        HOLDS(fill_filter(1, made + 16 * i, 4, first + 1, one, 1024) == -1);
        HOLDS(first == 0 || fill_filter(1, made + 16 * i, 4, first - 1, one, 1024) == -1);
        HOLDS(fill_filter(1, made + 16 * i, 4, first, none, 0) == -1);
        for (size_t at = 0; at < 1024; at++) inside += (one[at] & ~bits[1024 * first + at]) == 0;
        free(one);
    }
    HOLDS(inside == 1024 * count);
    /* What was put in is held, by all blocks or its own; a block that is not given may hold anything, an empty one nothing. */
    uint8_t *hashes = buffer(32 * count), *empty = calloc(1, 1024);
    uint64_t *numbers = malloc(4 * sizeof *numbers), *places = calloc(count, sizeof *places);
    for (size_t i = 0; i < count; i++) memcpy(hashes + 32 * i, made + 16 * i, 8);
    for (size_t i = 0; i < 4; i++) numbers[i] = i;
    HOLDS(held_hashes(count, hashes, 4, numbers, 4, bits, places) == count);
    for (size_t i = 0; i < count; i++) HOLDS(places[i] == i);
    HOLDS(held_hashes(count, hashes, 4, NULL, 0, NULL, places) == count);
    *numbers = 2;
    size_t elsewhere = 0;
    for (size_t i = 0; i < count; i++) elsewhere += hashes[32 * i] >> 6 != 2;
    HOLDS(held_hashes(count, hashes, 4, numbers, 1, empty, places) == elsewhere);
    HOLDS(held_hashes(0, NULL, 4, numbers, 1, empty, NULL) == 0);
    free(hashes), free(empty), free(numbers), free(places);
    free(made), free(bits), free(none);
    return 0;
}

/* Three items: contents of `size` bytes, or digests where they are as long; cut at every byte, and of other kinds. */
static int columns(int hardware, size_t size) {
    const size_t all = 3 * (17 + size);
    uint8_t *data = buffer(all), *kinds = buffer(2), *digests = buffer(96), *one = buffer(96), *other = buffer(96);
    uint8_t *same = buffer(32);
    uint64_t *sizes = malloc(3 * sizeof *sizes);
    kinds[0] = 1, kinds[1] = 2;
    for (size_t i = 0; i < 3; i++) data[i * (17 + size)] = 1, sizes[i] = 17 + size;
    HOLDS(hash_kept(0, 3, data, all, sizes, kinds, digests, one) == 0);
    HOLDS(hash_kept(hardware, 3, data, all, sizes, kinds, digests, other) == 0 && memcmp(one, other, 96) == 0);
    HOLDS(hash_rows(0, 1, data, 0, data + 1, 16, digests, 32, data, 0, same) == 0 && memcmp(one, same, 32) == 0);
    for (size_t cut = 0; cut < all; cut++) {
        uint8_t *less = copy(data, cut);
        HOLDS(hash_kept(hardware, 3, less, cut, sizes, kinds, digests, other) == -1);
        free(less);
    }
    HOLDS(hash_kept(hardware, 2, data, all, sizes, kinds, digests, other) == -1);
    for (int kind = 2; kind < 4; kind++) {
        data[17 + size] = (uint8_t)kind;
        HOLDS(hash_kept(hardware, 3, data, all, sizes, kinds, digests, other) == -1);
    }
    for (size_t i = 0; i < 3; i++) data[i * (17 + size)] = 2;
    HOLDS(hash_kept(hardware, 3, data, all, sizes, kinds, digests, other) == (size == 32 ? 0 : -1));
    HOLDS(size != 32 || memcmp(digests, data + 17, 32) == 0);
    sizes[0] = UINT64_MAX;
    HOLDS(hash_kept(hardware, 3, data, all, sizes, kinds, digests, other) == -1);
    sizes[0] = 16;
    HOLDS(hash_kept(hardware, 3, data, all, sizes, kinds, digests, other) == -1);
    free(data), free(kinds), free(digests), free(one), free(other), free(same), free(sizes);
    return 0;
}

struct marked {
    const uint64_t *sizes;
    uint8_t *done;
    size_t refused;
};

/* Marks items; refuses one of them, and what is told a wrong place. */
static int mark(const void *given, size_t start, size_t end, size_t at) {
    const struct marked *const job = given;
    for (size_t i = 0; i < start; i++) at -= (size_t)job->sizes[i];
    for (size_t i = start; i < end; i++) job->done[i]++;
    return at || (start <= job->refused && job->refused < end);
}

/* However many parts there are, each item is done once; one that refuses is noticed, and sizes that do not add up. */
static int parts(size_t count) {
    uint64_t *sizes = malloc(count * sizeof *sizes);
    for (size_t many = 0; many < 7; many++)
        for (size_t largest = 0; largest < 5; largest++) {
            uint8_t *done = calloc(count, 1);
            struct marked job = {sizes, done, count};
            size_t all = 0;
            for (size_t i = 0; i < count; i++) all += (size_t)(sizes[i] = i * largest % 7);
            HOLDS(run_in_so_many(many, count, sizes, all, mark, &job) == 0);
            for (size_t i = 0; i < count; i++) HOLDS(done[i] == 1);
            HOLDS(run_in_so_many(many, count, sizes, all + 1, mark, &job) == -1);
            HOLDS(!all || run_in_so_many(many, count, sizes, all - 1, mark, &job) == -1);
            for (size_t i = 0; i < count; i++) HOLDS(done[i] == 1);
            for (job.refused = 0; job.refused < count; job.refused++)
                HOLDS(run_in_so_many(many, count, sizes, all, mark, &job) == -1);
            free(done);
        }
    free(sizes);
    return 0;
}

/* So many bytes that every core gets a part: hashes are those of the items one by one, and a box that is changed is found
   wherever it is; a first item of another kind, seen by all parts, refuses them all. */
static int at_once(int hardware, int has_library) {
    enum { COUNT = 1000, SIZE = 300, BOX = SIZE + 16 };
    uint8_t *keys = buffer(32 * COUNT), *nonces = buffer(12 * COUNT), *data = buffer(SIZE * COUNT), *kinds = buffer(2);
    uint8_t *digests = buffer(32 * COUNT), *commitments = buffer(32 * COUNT), *one = buffer(32), *holds = buffer(COUNT);
    uint8_t *boxes = buffer(BOX * COUNT), *back = buffer(SIZE * COUNT);
    uint64_t *sizes = malloc(COUNT * sizeof *sizes);
    kinds[0] = 1, kinds[1] = 2;
    for (size_t i = 0; i < COUNT; i++) data[i * SIZE] = 1, sizes[i] = SIZE;
    HOLDS(hash_kept(hardware, COUNT, data, SIZE * COUNT, sizes, kinds, digests, commitments) == 0);
    for (size_t i = 0; i < COUNT; i++) {
        HOLDS(hash_rows(0, 1, data, 0, data + i * SIZE + 17, SIZE - 17, data, 0, data, 0, one) == 0);
        HOLDS(memcmp(one, digests + i * 32, 32) == 0);
        HOLDS(hash_rows(0, 1, data, 0, data + i * SIZE + 1, 16, one, 32, data, 0, one) == 0);
        HOLDS(memcmp(one, commitments + i * 32, 32) == 0);
    }
    if (has_library) HOLDS(encrypt_items(COUNT, keys, nonces, 9, data, SIZE * COUNT, sizes, boxes, BOX * COUNT) == 0);
    for (size_t i = 0; i < COUNT; i++) sizes[i] = BOX;
    for (size_t bad = 0; has_library && bad < COUNT; bad += 111) {
        boxes[bad * BOX] ^= 1;
        HOLDS(decrypt_items(COUNT, keys, nonces, 9, boxes, BOX * COUNT, sizes, back, SIZE * COUNT, holds) == 0);
        for (size_t i = 0; i < COUNT; i++) {
            HOLDS(holds[i] == (i != bad));
            HOLDS(i == bad || memcmp(data + i * SIZE, back + i * SIZE, SIZE) == 0);
        }
        HOLDS(hash_boxes(hardware, COUNT, keys, nonces, 9, boxes, BOX * COUNT, sizes, kinds, digests, commitments) == -1);
        boxes[bad * BOX] ^= 1;
    }
    if (has_library) {
        uint8_t *again = buffer(32 * COUNT), *those = buffer(32 * COUNT);
        HOLDS(hash_boxes(hardware, COUNT, keys, nonces, 9, boxes, BOX * COUNT, sizes, kinds, again, those) == 0);
        HOLDS(memcmp(again, digests, 32 * COUNT) == 0 && memcmp(those, commitments, 32 * COUNT) == 0);
        HOLDS(hash_boxes(hardware, COUNT, keys, nonces, 9, boxes, BOX * COUNT - 1, sizes, kinds, again, those) == -1);
        HOLDS(hash_boxes(hardware, 0, keys, nonces, 9, boxes, 0, sizes, kinds, again, those) == -1);
        sizes[0] = UINT64_MAX;
        HOLDS(hash_boxes(hardware, COUNT, keys, nonces, 9, boxes, BOX * COUNT, sizes, kinds, again, those) == -1);
        free(again), free(those);
    }
    for (size_t i = 0; i < COUNT; i++) sizes[i] = SIZE;
    for (size_t bad = 0; bad < COUNT; bad += 111) {
        data[bad * SIZE] = 2;
        HOLDS(hash_kept(hardware, COUNT, data, SIZE * COUNT, sizes, kinds, digests, commitments) == -1);
        data[bad * SIZE] = 1;
    }
    free(keys), free(nonces), free(data), free(kinds), free(digests), free(commitments), free(one), free(holds);
    free(boxes), free(back), free(sizes);
    return 0;
}

/* All of it; with an argument only what is done by several threads. */
int main(int count_of_arguments, char **arguments) {
    (void)arguments;
    const int hardware = *hardware_name() != 0;
    if (count_of_arguments > 1) {
        const int has_one = (dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL) || dlopen("libcrypto.3.dylib", RTLD_NOW)) &&
                            *cipher_library();
        if (parts(12) || at_once(hardware, has_one)) return 1;
        return printf("ok %s%s\n", hardware_name(), has_one ? ", libcrypto" : ""), 0;
    }
    for (size_t size = 0; size < 330; size++)
        for (size_t prefix = 0; prefix <= 64; prefix += prefix < 2 || prefix > 54 ? 1 : 53)
            if (pieces(hardware, prefix, size)) return 1;
    for (size_t count = 0; count < 20; count++)
        if (rows(hardware, count)) return 1;
    for (size_t count = 0; count < 70; count++)
        if (pairs(count) || products(count) || filters(count)) return 1;
    for (size_t count = 0; count < 70; count++)
        if (woven(count) || signatures(count) || columns(hardware, count)) return 1;
    for (size_t count = 1; count < 300; count++)
        if (trees(hardware, count)) return 1;
    for (size_t count = 1; count < 40; count++)
        if (texts(count) || signed_batch(count)) return 1;
    if (limits(hardware) || kept(hardware)) return 1;
    for (size_t length = 0; length < 150; length++)
        if (bundle(hardware, length)) return 1;
    /* Nothing was found yet: refused, and nothing is called. */
    HOLDS(encrypt_items(0, NULL, NULL, 0, NULL, 0, NULL, NULL, 0) == -1);
    HOLDS(decrypt_items(0, NULL, NULL, 0, NULL, 0, NULL, NULL, 0, NULL) == -1);
    HOLDS(hash_boxes(hardware, 0, NULL, NULL, 0, NULL, 0, NULL, NULL, NULL, NULL) == -1);
    /* It is taken where a process has it already, and there alone. */
    HOLDS(!*cipher_library());
    const int has_library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL) || dlopen("libcrypto.3.dylib", RTLD_NOW);
    HOLDS(!*cipher_library() == !has_library);
    for (size_t size = 0; has_library && size < 70; size++)
        if (ciphers(size)) return 1;
    for (size_t count = 0; count < 10; count++)
        if (parts(count)) return 1;
    if (at_once(hardware, has_library)) return 1;
    printf("ok %s%s\n", hardware_name(), has_library ? ", libcrypto" : "");
    return 0;
}
