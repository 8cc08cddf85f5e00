/* Rows of Ed25519 signatures by a function of libsodium (see signatures.h). */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "signatures.h"

enum { KEY = 32, SIGNATURE = 64 };

/* crypto_sign_open(message, length of it, signed message, length of that, public key) of libsodium since 0.1: 0 where the
   signature holds. It wants room for the message, which some versions write also where it does not. */
typedef int open_function(unsigned char *message, unsigned long long *message_size, const unsigned char *signed_message,
                          unsigned long long signed_size, const unsigned char *public_key);

int check_signatures(uintptr_t open, size_t count, const uint8_t *keys, const uint8_t *data, size_t data_size,
                     const uint64_t *sizes, uint8_t *room, size_t room_size, uint8_t *holds) {
    open_function *crypto_sign_open;
    memcpy(&crypto_sign_open, &open, sizeof crypto_sign_open);
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] < SIGNATURE || sizes[i] > room_size || sizes[i] > data_size) return -1;
        unsigned long long message_size;
        holds[i] = crypto_sign_open(room, &message_size, data, sizes[i], keys + i * KEY) == 0;
        data += sizes[i], data_size -= (size_t)sizes[i];
    }
    return data_size ? -1 : 0;
}
