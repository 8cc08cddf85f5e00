/* Pairs, made and sorted (see pairs.h). A merge sort from below: whatever the pairs are, it takes no longer than for random
   ones, and where runs of them are in order already it only copies. No memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pairs.h"

enum { HASH = 32, KEY = 8, PAIR = 16 };

static uint64_t big_endian(const uint8_t *at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | at[i];
    return value;
}

static int is_above(const uint8_t *pair, const uint8_t *other) {
    const uint64_t key = big_endian(pair), other_key = big_endian(other);
    return key != other_key ? key > other_key : big_endian(pair + KEY) > big_endian(other + KEY);
}

void make_pairs(size_t count, const uint8_t *hashes, uint64_t first, uint8_t *out) {
    for (size_t i = 0; i < count; i++, out += PAIR) {
        const uint64_t number = first + i;
        memcpy(out, hashes + i * HASH, KEY);
        for (int byte = 0; byte < 8; byte++) out[KEY + byte] = (uint8_t)(number >> 8 * (7 - byte));
    }
}

/* Merges two runs that stand side by side, each in order, `left` and `right` bytes long. */
static void merge(const uint8_t *from, size_t left, size_t right, uint8_t *to) {
    const uint8_t *one = from, *other = from + left, *const middle = other, *const end = middle + right;
    if (!left || !right || !is_above(middle - PAIR, middle)) {
        if (left + right) memcpy(to, from, left + right);
        return;
    }
    for (; one < middle && other < end; to += PAIR) {
        const uint8_t **const next = is_above(one, other) ? &other : &one;
        memcpy(to, *next, PAIR);
        *next += PAIR;
    }
    memcpy(to, one, (size_t)(middle - one));
    memcpy(to + (middle - one), other, (size_t)(end - other));
}

void sort_pairs(size_t count, uint8_t *pairs, uint8_t *scratch) {
    const size_t size = count * PAIR;
    uint8_t *from = pairs, *to = scratch;
    for (size_t width = PAIR; width < size; width *= 2) {
        for (size_t at = 0; at < size; at += 2 * width) {
            const size_t rest = size - at, left = rest < width ? rest : width;
            merge(from + at, left, rest - left < width ? rest - left : width, to + at);
        }
        uint8_t *const sorted = to;
        to = from, from = sorted;
    }
    if (from != pairs && size) memcpy(pairs, from, size);
}

/* Numbers modulo p = 2^127 - 1, where 2^127 is 1: what stands above bit 127 is added below. Compilers that have no such
   number have no native module. */
__extension__ typedef unsigned __int128 wide;

#define P (((wide)1 << 127) - 1)

static wide folded(wide value) {
    value = (value & P) + (value >> 127);
    return value >= P ? value - P : value;
}

/* a * b, both below p: 2^128 is 2, and 2^64 times a number m is m >> 63, and what is left of m << 64. */
static wide multiplied(wide a, wide b) {
    const uint64_t a_high = (uint64_t)(a >> 64), a_low = (uint64_t)a, b_high = (uint64_t)(b >> 64), b_low = (uint64_t)b;
    const wide middle = (wide)a_high * b_low + (wide)a_low * b_high;
    const wide ends = folded((wide)a_low * b_low) + folded((wide)a_high * b_high * 2);
    return folded(folded(ends) + folded((middle >> 63) + ((middle << 64) & P)));
}

static wide wide_at(const uint8_t *at) { return (wide)big_endian(at) << 64 | big_endian(at + 8); }

void multiply_pairs(size_t count, const uint8_t *pairs, const uint8_t *point, uint8_t *product) {
    const wide at = wide_at(point), slope = wide_at(point + PAIR);
    wide all = wide_at(product);
    for (size_t i = 0; i < count; i++, pairs += PAIR) {
        const wide factor = at + multiplied(slope, big_endian(pairs + KEY));
        all = multiplied(all, folded(folded(factor) + big_endian(pairs)));
    }
    for (int byte = 0; byte < PAIR; byte++) product[byte] = (uint8_t)(all >> 8 * (PAIR - 1 - byte));
}

/* A filter over keys (anchor/hashing/filters.py). */
enum { FILTER_BLOCK = 1024, BITS = 8 * FILTER_BLOCK, BITS_OF_A_KEY = 4 };

static uint64_t block_of(uint64_t key, uint64_t blocks) { return (key >> 32) * blocks >> 32; }

/* The place in its block of one of the bits that stand for a key. */
static uint32_t bit_of(uint64_t key, uint32_t number) {
    const uint32_t word = (uint32_t)key, step = word >> 13 | 1;
    return (word + number * step) % BITS;
}

int fill_filter(size_t count, const uint8_t *pairs, uint64_t blocks, uint64_t first, uint8_t *bits, size_t size) {
    for (size_t i = 0; i < count; i++, pairs += PAIR) {
        const uint64_t key = big_endian(pairs), block = block_of(key, blocks);
        if (block < first || block - first >= size / FILTER_BLOCK) return -1;
        uint8_t *const at = bits + (size_t)(block - first) * FILTER_BLOCK;
        for (uint32_t number = 0; number < BITS_OF_A_KEY; number++) {
            const uint32_t place = bit_of(key, number);
            at[place >> 3] |= (uint8_t)(1 << (place & 7));
        }
    }
    return 0;
}

/* The bits of a block, or NULL where it is not given. */
static const uint8_t *given_block(uint64_t block, const uint64_t *numbers, size_t given, const uint8_t *bits) {
    size_t low = 0;
    for (size_t high = given; low < high;) {
        const size_t middle = low + (high - low) / 2;
        if (numbers[middle] < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low < given && numbers[low] == block ? bits + low * FILTER_BLOCK : NULL;
}

size_t held_hashes(size_t count, const uint8_t *hashes, uint64_t blocks, const uint64_t *numbers, size_t given,
                   const uint8_t *bits, uint64_t *places) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++, hashes += HASH) {
        const uint64_t key = big_endian(hashes);
        const uint8_t *const block = given_block(block_of(key, blocks), numbers, given, bits);
        uint32_t number = 0;
        while (block && number < BITS_OF_A_KEY) {
            const uint32_t place = bit_of(key, number);
            if (!(block[place >> 3] >> (place & 7) & 1)) break;
            number++;
        }
        if (!block || number == BITS_OF_A_KEY) places[found++] = i;
    }
    return found;
}
