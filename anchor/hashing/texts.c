/* Texts of consecutive leaves (see texts.h). Every field is measured before it is written, so that nothing is written
   behind `out`; no memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "texts.h"

enum { HEX = 64, QUOTED = HEX + 2, INDEX_HEX = 16 };

/* One leaf, and the tree that it is in. */
struct leaf {
    const uint8_t *hash;
    uint64_t index, place;
    const uint8_t *tree;
    const uint64_t *sizes;
    size_t levels;
};

static size_t decimals(uint64_t number) {
    size_t count = 1;
    while (number /= 10) count++;
    return count;
}

static void put_decimal(uint8_t *to, uint64_t number) {
    size_t at = decimals(number);
    do to[--at] = (uint8_t)('0' + number % 10);
    while (number /= 10);
}

static void put_hex(uint8_t *to, uint64_t number) {
    for (size_t at = INDEX_HEX; at--; number >>= 4) to[at] = (uint8_t)"0123456789abcdef"[number & 15];
}

/* Whether the node that this leaf is below on a level has one beside it. */
static int has_sibling(const struct leaf *leaf, size_t level) {
    return ((leaf->place >> level) ^ 1) < leaf->sizes[level];
}

static size_t path_size(const struct leaf *leaf) {
    size_t siblings = 0;
    for (size_t level = 0; level < leaf->levels; level++) siblings += (size_t)has_sibling(leaf, level);
    return siblings ? siblings * (QUOTED + 1) - 1 : 0;
}

static void put_path(uint8_t *to, const struct leaf *leaf) {
    const uint8_t *nodes = leaf->tree;
    int is_first = 1;
    for (size_t level = 0; level < leaf->levels; nodes += leaf->sizes[level++] * HEX) {
        if (!has_sibling(leaf, level)) continue;
        if (!is_first) *to++ = ',';
        is_first = 0;
        *to = '"';
        memcpy(to + 1, nodes + ((leaf->place >> level) ^ 1) * HEX, HEX);
        to[QUOTED - 1] = '"';
        to += QUOTED;
    }
}

/* Size of a field, which is not n; SIZE_MAX for an unknown one. */
static size_t field_size(char field, const struct leaf *leaf) {
    switch (field) {
    case 'h': return HEX;
    case 'i': return decimals(leaf->index);
    case 'x': return INDEX_HEX;
    case 'p': return decimals(leaf->place);
    case 's': return path_size(leaf);
    case 'b': return 0;
    default: return SIZE_MAX;
    }
}

static void put_field(char field, const struct leaf *leaf, uint8_t *to) {
    switch (field) {
    case 'h': memcpy(to, leaf->hash, HEX); break;
    case 'i': put_decimal(to, leaf->index); break;
    case 'x': put_hex(to, leaf->index); break;
    case 'p': put_decimal(to, leaf->place); break;
    case 's': put_path(to, leaf); break;
    default: break;
    }
}

/* Size of what stands behind field b; SIZE_MAX where a field is unknown, or there is no b. */
static size_t body_size(const char *fields, const uint64_t *literal_sizes, const struct leaf *leaf) {
    const char *const begin = strchr(fields, 'b');
    if (!begin) return SIZE_MAX;
    size_t size = (size_t)literal_sizes[begin - fields + 1];
    for (const char *field = begin + 1; *field; field++) {
        const size_t own = field_size(*field, leaf);
        if (own == SIZE_MAX) return SIZE_MAX;
        size += own + (size_t)literal_sizes[field - fields + 1];
    }
    return size;
}

/* Writes one text into at most `room` bytes; returns its size, or SIZE_MAX where it cannot be written. */
static size_t put_text(const struct leaf *leaf, const uint8_t *literals, const uint64_t *literal_sizes,
                       const char *fields, uint8_t *to, size_t room) {
    size_t used = 0;
    for (;; fields++, literal_sizes++) {
        const size_t literal = (size_t)*literal_sizes;
        if (literal > room - used) return SIZE_MAX;
        memcpy(to + used, literals, literal);
        literals += literal, used += literal;
        if (!*fields) return used;
        const size_t body = *fields == 'n' ? body_size(fields, literal_sizes, leaf) : 0;
        const size_t size = *fields == 'n' ? decimals(body) : field_size(*fields, leaf);
        if (body == SIZE_MAX || size > room - used) return SIZE_MAX;
        if (*fields == 'n') put_decimal(to + used, body);
        else put_field(*fields, leaf, to + used);
        used += size;
    }
}

int64_t leaf_texts(size_t count, const uint8_t *hashes, uint64_t index, uint64_t place, const uint8_t *tree,
                   const uint64_t *sizes, size_t levels, const uint8_t *literals, const uint64_t *literal_sizes,
                   const char *fields, uint8_t *out, size_t out_size, uint64_t *ends) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const struct leaf leaf = {hashes + i * HEX, index + i, place + i, tree, sizes, levels};
        for (size_t level = 0; level < levels; level++)
            if ((leaf.place >> level) >= sizes[level]) return -1;
        const size_t size = put_text(&leaf, literals, literal_sizes, fields, out + used, out_size - used);
        if (size == SIZE_MAX) return -1;
        ends[i] = used += size;
    }
    return (int64_t)used;
}
