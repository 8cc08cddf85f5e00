/* What is kept beside the entries of a bundle (chains/kept_columns.py), hashed in one pass: what Python calls
   (anchor/hashing/native.py). As in batches.h, who calls has checked the sizes of the buffers, and nothing is kept. */

/* Item i has `sizes[i]` bytes: its kind, a salt of 16 bytes, and its content (kinds[0]) or the SHA-256 of it (kinds[1]),
   all of them of the kind of the first one. digests[i] = H(content), commitments[i] = H(salt || digests[i]).
   Returns 0, or -1 where an item is of another kind or length, or the sizes do not add up to data_size. */
int hash_kept(int hardware, size_t count, const uint8_t *data, size_t data_size, const uint64_t *sizes,
              const uint8_t *kinds, uint8_t *digests, uint8_t *commitments);
