/* Texts with the hashes, places and paths of consecutive leaves: what Python calls (anchor/hashing/native.py).

   A template is literal 0, field 0, literal 1, field 1, ... , last literal. `fields` has a letter for each field and ends
   with 0:
     h  the leaf's hash in hex, 64 letters        i  its index, decimal       x  its index, 16 hex letters
     p  its place in the tree, decimal            s  its path: the hashes beside it, each "64 hex letters", with commas
     b  nothing: the body begins                  n  the size of the body in bytes, decimal
   All hashes come as hex, so that only bytes are copied. Nothing is kept between calls. */

/* Writes the texts of `count` leaves one behind the other into out; ends[i] is where text i ends.
   `hashes` has 64 letters for each; the first leaf has `index`, and `place` in a tree whose level h has sizes[h] nodes,
   64 letters for each, from the leaves up, without the root; the levels stand one behind the other in `tree`.
   Returns the size of all texts, or -1 where out has not that many bytes, a place is not in the tree, or a field is
   unknown. */
int64_t leaf_texts(size_t count, const uint8_t *hashes, uint64_t index, uint64_t place, const uint8_t *tree,
                   const uint64_t *sizes, size_t levels, const uint8_t *literals, const uint64_t *literal_sizes,
                   const char *fields, uint8_t *out, size_t out_size, uint64_t *ends);
