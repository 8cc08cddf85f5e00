/* Ed25519 signatures of a row, each checked by libsodium's crypto_sign_open: the one that PyNaCl brought into this process, and
   by the same call that PyNaCl makes (anchor/hashing/native_signatures.py). Nothing of Ed25519 is computed here, so what is
   taken and what is refused is libsodium's rule. Nothing is kept between calls. */

/* holds[i] = 1 where piece i of data, sizes[i] bytes (signature of 64 || message), is signed by keys[i] (32 bytes), else 0.
   `open` is the address of crypto_sign_open; `room` has room_size bytes, as many as the longest piece at least, and is
   overwritten.
   Returns 0, or -1 where sizes do not add up to data_size, or a piece is longer than the room or shorter than a signature:
   then no holds[i] counts. */
int check_signatures(uintptr_t open, size_t count, const uint8_t *keys, const uint8_t *data, size_t data_size,
                     const uint64_t *sizes, uint8_t *room, size_t room_size, uint8_t *holds);
