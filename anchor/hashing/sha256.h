/* SHA-256 (FIPS 180-4): its compression function, once in portable C and once with the processor's own instructions.
   Read by batches.c only. */
#ifndef ANCHORLINE_SHA256_H
#define ANCHORLINE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCK = 64, DIGEST = 32 };

/* Takes `count` blocks of 64 bytes into the eight words of the state (FIPS 180-4 section 6.2.2). */
typedef void (*compress_function)(uint32_t state[8], const uint8_t *blocks, size_t count);

/* The initial state (FIPS 180-4 section 5.3.3). */
extern const uint32_t sha256_initial[8];

void sha256_compress_portable(uint32_t state[8], const uint8_t *blocks, size_t count);

/* The version for this processor's SHA-256 instructions, or NULL where it has none (or this file knows none). */
compress_function sha256_hardware(void);

/* What these instructions are called, "" where there are none. */
const char *sha256_hardware_name(void);

#endif
