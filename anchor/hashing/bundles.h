/* Parts of an export (docs/spec/export.md), hashed from the bytes of its files: what Python calls
   (anchor/hashing/native.py). As in batches.h, who calls has checked the sizes of the buffers, and nothing is kept. */

/* Hashes the leaves of an entry bundle: `count` leaves, each behind its length, u16 big-endian.
   hashes[i] = H(00 || leaf i); columns[i] = the `width` bytes of leaf i behind the first `head_size`.
   Returns 1 where every leaf begins with `head` and all are alike behind their column, 0 where they are not, and -1
   where the bundle does not consist of `count` leaves of at least head_size + width bytes. */
int hash_bundle(int hardware, size_t count, const uint8_t *bundle, size_t size, const uint8_t *head, size_t head_size,
                size_t width, uint8_t *hashes, uint8_t *columns);

/* Reads lines of what is kept beside entries, each exactly
   {"index":N,"salt":"32 hex","digest":"64 hex","content":"base64"} or without the content, and a line feed.
   indexes[i] = N, ascending; commitments[i] = H(salt || digest); *contents = how many lines have a content.
   Returns 0, or -1 where this is not exactly `count` such lines, or a content has another digest. */
int hash_kept_lines(int hardware, size_t count, const uint8_t *text, size_t size, uint64_t *indexes,
                    uint8_t *commitments, uint64_t *contents);
