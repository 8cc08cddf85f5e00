/* Parts of an export, hashed from the bytes of its files (see bundles.h). What is not written exactly as exports write it
   is refused as a whole: Python then reads it one by one, and says what does not hold. No memory is allocated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bundles.h"
#include "messages.h"

enum { SALT = 16, MOST_DIGITS = 15, QUADS_AT_ONCE = BLOCK };

static const uint8_t LEAF_PREFIX[1] = {0x00};

int hash_bundle(int hardware, size_t count, const uint8_t *bundle, size_t size, const uint8_t *head, size_t head_size,
                size_t width, uint8_t *hashes, uint8_t *columns) {
    const compress_function compress = compression(hardware);
    const uint8_t *tail = NULL;
    size_t first_tail = 0, at = 0;
    int alike = 1;
    for (size_t i = 0; i < count; i++) {
        if (size - at < 2) return -1;
        const size_t length = (size_t)bundle[at] << 8 | bundle[at + 1];
        at += 2;
        if (size - at < length || length < head_size || length - head_size < width) return -1;
        const uint8_t *const leaf = bundle + at;
        const size_t behind = length - head_size - width;
        if (!i) tail = leaf + head_size + width, first_tail = behind;
        alike = alike && behind == first_tail && !memcmp(leaf, head, head_size) &&
                !memcmp(leaf + head_size + width, tail, behind);
        put(columns + i * width, leaf + head_size, width);
        hash_piece(compress, LEAF_PREFIX, sizeof LEAF_PREFIX, leaf, length, hashes + i * DIGEST);
        at += length;
    }
    return at == size ? alike : -1;
}

/* What is left of a text. */
typedef struct {
    const uint8_t *at, *end;
} rest_of;

/* The values of digits, 0xff for what is none: of lower-case hex and of base64 (RFC 4648 section 4). */
typedef struct {
    uint8_t hex[256], base64[256];
} digit_values;

static void fill(digit_values *values) {
    static const char hex[] = "0123456789abcdef";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(values, 0xff, sizeof *values);
    for (size_t i = 0; hex[i]; i++) values->hex[(uint8_t)hex[i]] = (uint8_t)i;
    for (size_t i = 0; base64[i]; i++) values->base64[(uint8_t)base64[i]] = (uint8_t)i;
}

/* Goes past a word; returns whether it is there. */
static int past(rest_of *rest, const char *word) {
    const size_t size = strlen(word);
    if ((size_t)(rest->end - rest->at) < size || memcmp(rest->at, word, size)) return 0;
    rest->at += size;
    return 1;
}

/* Reads a decimal number of at most 15 digits, written in its only way. */
static int number(rest_of *rest, uint64_t *value) {
    const uint8_t *const start = rest->at;
    for (*value = 0; rest->at < rest->end && rest->at - start <= MOST_DIGITS; rest->at++) {
        if (*rest->at < '0' || *rest->at > '9') break;
        *value = *value * 10 + (uint64_t)(*rest->at - '0');
    }
    const size_t digits = (size_t)(rest->at - start);
    return digits && digits <= MOST_DIGITS && (*start != '0' || digits == 1);
}

/* Reads `size` bytes of hex. */
static int hexadecimal(rest_of *rest, const digit_values *values, size_t size, uint8_t *out) {
    uint8_t wrong = 0;
    if ((size_t)(rest->end - rest->at) < 2 * size) return 0;
    for (size_t i = 0; i < size; i++, rest->at += 2) {
        const uint8_t high = values->hex[rest->at[0]], low = values->hex[rest->at[1]];
        wrong |= high | low;
        out[i] = (uint8_t)(high << 4 | (low & 0x0f));
    }
    return wrong < 16;
}

/* Decodes the last four digits of base64, of which `missing` are padding; returns the bytes, or 0 where a digit is none
   or bits that mean nothing are set. */
static size_t last_quad(const uint8_t *text, const digit_values *values, size_t missing, uint8_t *out) {
    const uint8_t a = values->base64[text[0]], b = values->base64[text[1]];
    const uint8_t c = missing == 2 ? 0 : values->base64[text[2]];
    if ((a | b | c) > 63 || (missing == 2 ? b & 15 : c & 3)) return 0;
    out[0] = (uint8_t)(a << 2 | b >> 4);
    out[1] = (uint8_t)(b << 4 | c >> 2);
    return 3 - missing;
}

/* out = H(what a text of base64 stands for); 0 where it is not the only way to write that. */
static int hash_base64(compress_function compress, const digit_values *values, const uint8_t *text, size_t size,
                       uint8_t *out) {
    uint8_t held[4 * BLOCK], wrong = 0;
    uint32_t state[8];
    if (size % 4) return 0;
    const size_t missing = size && text[size - 1] == '=' ? 1 + (text[size - 2] == '=') : 0;
    size_t quads = size / 4 - (missing > 0), used = 0;
    memcpy(state, sha256_initial, sizeof state);
    for (; quads; quads--, text += 4) {
        const uint8_t a = values->base64[text[0]], b = values->base64[text[1]];
        const uint8_t c = values->base64[text[2]], d = values->base64[text[3]];
        wrong |= a | b | c | d;
        held[used] = (uint8_t)(a << 2 | b >> 4);
        held[used + 1] = (uint8_t)(b << 4 | c >> 2);
        held[used + 2] = (uint8_t)(c << 6 | d);
        used += 3;
        if (used == 3 * QUADS_AT_ONCE) compress(state, held, 3), used = 0;
    }
    if (missing) {
        const size_t last = last_quad(text, values, missing, held + used);
        if (!last) return 0;
        used += last;
    }
    compress(state, held, padded(held, used, size / 4 * 3 - missing));
    write_digest(state, out);
    return wrong < 64;
}

/* Reads the content of a line, if it has one, up to the line's end; 0 where that is not as it must be. */
static int content(compress_function compress, const digit_values *values, rest_of *rest, const uint8_t *digest,
                   uint64_t *contents) {
    uint8_t found[DIGEST];
    if (past(rest, "}\n")) return 1;
    if (!past(rest, ",\"content\":\"")) return 0;
    const uint8_t *const end = memchr(rest->at, '"', (size_t)(rest->end - rest->at));
    if (!end || !hash_base64(compress, values, rest->at, (size_t)(end - rest->at), found)) return 0;
    rest->at = end + 1;
    ++*contents;
    return !memcmp(found, digest, DIGEST) && past(rest, "}\n");
}

int hash_kept_lines(int hardware, size_t count, const uint8_t *text, size_t size, uint64_t *indexes,
                    uint8_t *commitments, uint64_t *contents) {
    const compress_function compress = compression(hardware);
    uint8_t row[BLOCK], *const digest = row + SALT;
    digit_values values;
    rest_of rest = {text, text + size};
    fill(&values);
    const size_t blocks = padded(row, SALT + DIGEST, SALT + DIGEST);
    *contents = 0;
    for (size_t i = 0; i < count; i++) {
        if (!past(&rest, "{\"index\":") || !number(&rest, indexes + i) || (i && indexes[i] <= indexes[i - 1])) return -1;
        if (!past(&rest, ",\"salt\":\"") || !hexadecimal(&rest, &values, SALT, row)) return -1;
        if (!past(&rest, "\",\"digest\":\"") || !hexadecimal(&rest, &values, DIGEST, digest)) return -1;
        if (!past(&rest, "\"") || !content(compress, &values, &rest, digest, contents)) return -1;
        hash_padded(compress, row, blocks, commitments + i * DIGEST);
    }
    return rest.at == rest.end ? 0 : -1;
}
