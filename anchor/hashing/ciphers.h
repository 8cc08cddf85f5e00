/* AES-256-GCM (NIST SP 800-38D) of a row of items, each under a key of its own, by the libcrypto that this process has
   loaded already: what Python calls (anchor/hashing/native_cipher.py). Who calls has checked the sizes of the buffers;
   nothing is kept between calls but where libcrypto's functions are.

   Item i has `sizes[i]` bytes, 32 bytes of key, 12 of nonce, and as associated data the number first + i, eight bytes big-endian.
   An empty item stays empty, whatever its key. */

/* Finds libcrypto; returns how it calls itself, "" where the process has none that is new enough. Call it once, and first. */
const char *cipher_library(void);

/* Writes each item's ciphertext and its tag of 16 bytes to out, one item behind the other.
   Returns 0, or -1 where sizes do not add up to data_size or to out_size, or libcrypto refuses. */
int encrypt_items(size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
                  size_t data_size, const uint64_t *sizes, uint8_t *out, size_t out_size);

/* The way back: item i is a ciphertext with its tag, its bytes come to out, one item behind the other; holds[i] is 1, or 0
   where an item is not what was encrypted so: there its bytes are zeros.
   Returns 0, or -1 where sizes do not add up to data_size or to out_size, an item is shorter than a tag, or libcrypto
   refuses. */
int decrypt_items(size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
                  size_t data_size, const uint64_t *sizes, uint8_t *out, size_t out_size, uint8_t *holds);

/* Digests and commitments of items as hash_kept (columns.h) makes them, of items as decrypt_items takes them: each is
   decrypted and hashed where nobody else sees it.
   Returns 0, or -1 where hash_kept or decrypt_items would refuse, an item is not what was encrypted so, or has more than 4096
   bytes. */
int hash_boxes(int hardware, size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
               size_t data_size, const uint64_t *sizes, const uint8_t *kinds, uint8_t *digests, uint8_t *commitments);
