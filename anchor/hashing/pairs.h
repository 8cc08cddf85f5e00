/* Pairs of 16 bytes by which things are found (chains/sorted_runs.py): the first 8 bytes of a hash, and a number, 8 bytes
   big-endian. What Python calls (anchor/hashing/native.py); as in batches.h, who calls has checked the sizes. */

/* out[i] = the pair of hash i, 32 bytes each, and the number first + i. */
void make_pairs(size_t count, const uint8_t *hashes, uint64_t first, uint8_t *out);

/* Sorts `count` pairs as byte strings, ascending; `scratch` has as many bytes as they, and is left with anything. */
void sort_pairs(size_t count, uint8_t *pairs, uint8_t *scratch);

/* Multiplies product, a number below p = 2^127 - 1, by point + key + slope * number of each pair, modulo p.
   `point` is two such numbers, point and slope; all are 16 bytes, big-endian. */
void multiply_pairs(size_t count, const uint8_t *pairs, const uint8_t *point, uint8_t *product);

/* Sets the bits that stand for the keys of pairs in blocks of a filter (anchor/hashing/filters.py): it has `blocks`, at most
   2^32, of 1024 bytes; `bits` are `size` bytes of those from `first` on. Returns 0, or -1 where a key is in none of these. */
int fill_filter(size_t count, const uint8_t *pairs, uint64_t blocks, uint64_t first, uint8_t *bits, size_t size);

/* Writes to places, ascending, which of `count` hashes of 32 bytes such a filter may hold; returns how many. `bits` are those of
   its blocks numbers[0] to numbers[given - 1], ascending, one behind the other: it may hold what is in another block. */
size_t held_hashes(size_t count, const uint8_t *hashes, uint64_t blocks, const uint64_t *numbers, size_t given,
                   const uint8_t *bits, uint64_t *places);
