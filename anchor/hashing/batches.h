/* Batches of SHA-256 and RFC 9162 nodes over flat buffers: what Python calls (anchor/hashing/native.py).

   Who calls has checked every size: lengths of buffers follow from `count` and the widths. `hardware` 1 uses the
   processor's instructions, which must be there (hardware_name() is not ""), 0 portable C. Nothing is kept between calls,
   so threads may call at the same time. */

/* Name of the processor's SHA-256 instructions, "" where there are none. */
const char *hardware_name(void);

/* Longest message of hash_rows, in bytes. */
int64_t longest_row(void);

/* out[i] = H(prefix || first[i] || second[i] || suffix), each column `count` pieces of its width.
   Returns 0, or -1 for a message longer than longest_row(). */
int hash_rows(int hardware, size_t count, const uint8_t *prefix, size_t prefix_size, const uint8_t *first,
              size_t first_width, const uint8_t *second, size_t second_width, const uint8_t *suffix,
              size_t suffix_size, uint8_t *out);

/* out[i] = H(prefix || piece i of data), piece i being sizes[i] bytes behind piece i-1.
   Returns 0, or -1 where the sizes do not add up to data_size or the prefix has more than 64 bytes. */
int hash_pieces(int hardware, size_t count, const uint8_t *prefix, size_t prefix_size, const uint8_t *data,
                size_t data_size, const uint64_t *sizes, uint8_t *out);

/* Writes `levels` levels of nodes above `count` hashes to out, one behind the other, the lowest first: H(01 || left || right) for
   each whole pair (RFC 9162 section 2.1.1). A lone last node is carried up where `carry` is 1, and left out where it is 0, so
   above n hashes come (n + carry) / 2. */
void hash_levels(int hardware, size_t count, const uint8_t *hashes, size_t levels, int carry, uint8_t *out);

/* out = root over `count` leaf hashes, at least one (RFC 9162 section 2.1.1: a lone last node is promoted). */
void hash_root(int hardware, size_t count, const uint8_t *hashes, uint8_t *out);

/* Writes entries of a signed batch to out, one behind the other (author type 3, docs/spec/entry.md): before || commitments[i] ||
   after || 03 || size of what follows (2 bytes) || signed (96) || i (4) || count (4) || path of leaf i. Commitments have 32
   bytes; level h of the tree has level_sizes[h] nodes of 32 bytes, from the leaves up, without the root; the levels stand
   one behind the other in `tree`. sizes[i] becomes the size of entry i.
   Returns the size of all, or -1 where out has not that many bytes, or leaf i is not in the tree. */
int64_t weave_signed(size_t count, const uint8_t *before, size_t before_size, const uint8_t *commitments,
                     const uint8_t *after, size_t after_size, const uint8_t *signed_by, const uint8_t *tree,
                     const uint64_t *level_sizes, size_t levels, uint8_t *out, size_t out_size, uint64_t *sizes);

/* Writes prefix || first[i] || piece i of data || suffix for each i to out, one behind the other; `first` are `count` pieces of
   `width` bytes, piece i of data has sizes[i] bytes, or all of it has none (data_size 0, and sizes NULL).
   Returns 0, or -1 where sizes do not add up to data_size, or what is written to out_size. */
int weave(size_t count, const uint8_t *prefix, size_t prefix_size, const uint8_t *first, size_t width, const uint8_t *data,
          size_t data_size, const uint64_t *sizes, const uint8_t *suffix, size_t suffix_size, uint8_t *out,
          size_t out_size);
