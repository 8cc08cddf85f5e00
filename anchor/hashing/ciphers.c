/* AES-256-GCM of rows of items (see ciphers.h). One context of libcrypto serves a whole row or part, and each item sets only
   its key in it; libcrypto overwrites the last one when the context is freed.

   Nothing of OpenSSL's headers is needed: its functions are looked up in the library that Python itself hashes with. Those
   used here have been the same since OpenSSL 1.1.0 (EVP_EncryptInit(3)). */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ciphers.h"
#include "kept.h"
#include "parts.h"

/* What is longer is decrypted where others see it, and hashed there: it is opened on the stack. */
enum { KEY = 32, NONCE = 12, TAG = 16, NUMBER = 8, LONGEST_KEPT = 4096 };

#if defined(__unix__) || defined(__APPLE__)

#include <dlfcn.h>

/* EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG; OPENSSL_VERSION of OpenSSL_version(3); its first version 3. */
enum { GET_TAG = 0x10, SET_TAG = 0x11, VERSION_TEXT = 0 };
#define OLDEST 0x30000000UL

typedef int init_function(void *context, const void *cipher, void *engine, const uint8_t *key, const uint8_t *nonce);
typedef int update_function(void *context, uint8_t *out, int *written, const uint8_t *data, int size);
typedef int final_function(void *context, uint8_t *out, int *written);

static struct {
    void *(*new_context)(void);
    void (*free_context)(void *context);
    const void *(*aes_256_gcm)(void);
    int (*control)(void *context, int type, int size, void *pointer);
    init_function *begin_encrypting, *begin_decrypting;
    update_function *encrypt, *decrypt;
    final_function *end_encrypting, *end_decrypting;
    unsigned long (*version_number)(void);
    const char *(*version_text)(int which);
} crypto;

/* Sets a pointer to a function; ISO C has no conversion from the pointer that dlsym returns, POSIX asks for this one. */
static int found(void *library, const char *name, void *function) {
    void *const at = dlsym(library, name);
    memcpy(function, &at, sizeof at);
    return at != NULL;
}

/* Where a process has libcrypto already, it stays: it is never loaded from here, so that no second one comes in. */
static void *loaded_library(void) {
    static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.4", "libcrypto.3.dylib", "libcrypto.4.dylib"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *const library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
        if (library) return library;
    }
    return NULL;
}

const char *cipher_library(void) {
    void *const library = loaded_library();
    const int all = library && found(library, "EVP_CIPHER_CTX_new", &crypto.new_context) &&
                    found(library, "EVP_CIPHER_CTX_free", &crypto.free_context) &&
                    found(library, "EVP_aes_256_gcm", &crypto.aes_256_gcm) &&
                    found(library, "EVP_CIPHER_CTX_ctrl", &crypto.control) &&
                    found(library, "EVP_EncryptInit_ex", &crypto.begin_encrypting) &&
                    found(library, "EVP_DecryptInit_ex", &crypto.begin_decrypting) &&
                    found(library, "EVP_EncryptUpdate", &crypto.encrypt) &&
                    found(library, "EVP_DecryptUpdate", &crypto.decrypt) &&
                    found(library, "EVP_EncryptFinal_ex", &crypto.end_encrypting) &&
                    found(library, "EVP_DecryptFinal_ex", &crypto.end_decrypting) &&
                    found(library, "OpenSSL_version_num", &crypto.version_number) &&
                    found(library, "OpenSSL_version", &crypto.version_text);
    if (!all || crypto.version_number() < OLDEST) return "";
    return crypto.version_text(VERSION_TEXT);
}

static void write_number(uint8_t out[NUMBER], uint64_t number) {
    for (int i = 0; i < NUMBER; i++) out[i] = (uint8_t)(number >> 8 * (NUMBER - 1 - i));
}

/* Encrypts an item; returns 1, or 0 where libcrypto refuses. */
static int encrypt_item(void *context, const uint8_t *key, const uint8_t *nonce, uint64_t number, const uint8_t *item,
                        int size, uint8_t *out) {
    uint8_t about[NUMBER];
    int written = 0, rest = 0;
    write_number(about, number);
    return crypto.begin_encrypting(context, NULL, NULL, key, nonce) == 1 &&
           crypto.encrypt(context, NULL, &rest, about, NUMBER) == 1 &&
           crypto.encrypt(context, out, &written, item, size) == 1 && written == size &&
           crypto.end_encrypting(context, out + size, &rest) == 1 && rest == 0 &&
           crypto.control(context, GET_TAG, TAG, out + size) == 1;
}

/* Decrypts an item of `size` bytes without its tag; returns 1, or 0 where libcrypto refuses. */
static int decrypt_item(void *context, const uint8_t *key, const uint8_t *nonce, uint64_t number, const uint8_t *item,
                        int size, uint8_t *out, uint8_t *holds) {
    uint8_t about[NUMBER], tag[TAG], none[TAG];
    int written = 0, rest = 0;
    write_number(about, number);
    memcpy(tag, item + size, TAG);
    /* Where there is nothing to decrypt, `out` may be where the buffer ends. */
    const int ready = crypto.begin_decrypting(context, NULL, NULL, key, nonce) == 1 &&
                      crypto.decrypt(context, NULL, &rest, about, NUMBER) == 1 &&
                      (!size || crypto.decrypt(context, out, &written, item, size) == 1) && written == size &&
                      crypto.control(context, SET_TAG, TAG, tag) == 1;
    if (!ready) return 0;
    *holds = crypto.end_decrypting(context, none, &rest) == 1 && rest == 0;
    if (!*holds && size) memset(out, 0, (size_t)size);
    return 1;
}

/* A context for AES-256-GCM whose key is still to be set, or NULL. */
static void *context_for(init_function *begin) {
    if (!begin) return NULL;
    void *const context = crypto.new_context();
    if (context && begin(context, crypto.aes_256_gcm(), NULL, NULL, NULL) == 1) return context;
    crypto.free_context(context);
    return NULL;
}

int encrypt_items(size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
                  size_t data_size, const uint64_t *sizes, uint8_t *out, size_t out_size) {
    void *const context = context_for(crypto.begin_encrypting);
    int refused = !context;
    for (size_t i = 0; !refused && i < count; i++) {
        if (!sizes[i]) continue;
        refused = sizes[i] > INT_MAX || sizes[i] > data_size || out_size < TAG || sizes[i] > out_size - TAG;
        if (refused) break;
        const size_t size = (size_t)sizes[i];
        refused = !encrypt_item(context, keys + i * KEY, nonces + i * NONCE, first + i, data, (int)size, out);
        data += size, data_size -= size, out += size + TAG, out_size -= size + TAG;
    }
    if (context) crypto.free_context(context);
    return refused || data_size || out_size ? -1 : 0;
}

struct boxes {
    const uint8_t *keys, *nonces, *data;
    uint64_t first;
    const uint64_t *sizes;
    uint8_t *out, *holds;
};

static int decrypt_some(const void *given, size_t start, size_t end, size_t at) {
    const struct boxes *const job = given;
    const uint8_t *data = job->data + at;
    uint8_t *out = job->out;
    for (size_t i = 0; i < start; i++) out += job->sizes[i] ? job->sizes[i] - TAG : 0;
    void *const context = context_for(crypto.begin_decrypting);
    int refused = !context;
    for (size_t i = start; !refused && i < end; i++) {
        job->holds[i] = 1;
        if (!job->sizes[i]) continue;
        const size_t size = (size_t)job->sizes[i] - TAG;
        refused = !decrypt_item(context, job->keys + i * KEY, job->nonces + i * NONCE, job->first + i, data, (int)size, out,
                                job->holds + i);
        data += size + TAG, out += size;
    }
    if (context) crypto.free_context(context);
    return refused;
}

int decrypt_items(size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
                  size_t data_size, const uint64_t *sizes, uint8_t *out, size_t out_size, uint8_t *holds) {
    const struct boxes job = {keys, nonces, data, first, sizes, out, holds};
    if (!crypto.begin_decrypting) return -1;
    for (size_t i = 0; i < count; i++) {
        if (!sizes[i]) continue;
        if (sizes[i] < TAG || sizes[i] - TAG > INT_MAX || sizes[i] - TAG > out_size) return -1;
        out_size -= (size_t)sizes[i] - TAG;
    }
    return out_size ? -1 : run_in_parts(count, sizes, data_size, decrypt_some, &job);
}

struct hashed {
    struct boxes boxes;
    compress_function compress;
    const uint8_t *kinds;
    uint8_t kind;
    uint8_t *digests, *commitments;
};

/* Decrypts item i, which stands at `data`, to a buffer of LONGEST_KEPT bytes; returns its size, or 0 where that cannot be. */
static size_t open_kept(void *context, const struct boxes *job, size_t i, const uint8_t *data, uint8_t *item) {
    uint8_t holds = 0;
    if (job->sizes[i] < TAG + HEAD || job->sizes[i] - TAG > LONGEST_KEPT) return 0;
    const size_t size = (size_t)job->sizes[i] - TAG;
    const uint8_t *const key = job->keys + i * KEY, *const nonce = job->nonces + i * NONCE;
    return decrypt_item(context, key, nonce, job->first + i, data, (int)size, item, &holds) && holds ? size : 0;
}

static int hash_opened(const void *given, size_t start, size_t end, size_t at) {
    const struct hashed *const job = given;
    uint8_t item[LONGEST_KEPT];
    void *const context = context_for(crypto.begin_decrypting);
    int refused = !context;
    for (size_t i = start; !refused && i < end; at += (size_t)job->boxes.sizes[i++]) {
        const size_t size = open_kept(context, &job->boxes, i, job->boxes.data + at, item);
        refused = !size || hash_kept_item(job->compress, job->kinds, job->kind, item, size, job->digests + i * DIGEST,
                                          job->commitments + i * DIGEST);
    }
    if (context) crypto.free_context(context);
    return refused;
}

int hash_boxes(int hardware, size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
               size_t data_size, const uint64_t *sizes, const uint8_t *kinds, uint8_t *digests, uint8_t *commitments) {
    const struct boxes boxes = {keys, nonces, data, first, sizes, NULL, NULL};
    uint8_t item[LONGEST_KEPT];
    if (!count || sizes[0] > data_size) return -1;
    void *const context = context_for(crypto.begin_decrypting);
    /* All parts ask for the kind that the first item is of. */
    const size_t size = context ? open_kept(context, &boxes, 0, data, item) : 0;
    if (context) crypto.free_context(context);
    if (!size) return -1;
    const struct hashed job = {boxes, compression(hardware), kinds, *item, digests, commitments};
    return run_in_parts(count, sizes, data_size, hash_opened, &job);
}

#else

const char *cipher_library(void) { return ""; }

int encrypt_items(size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
                  size_t data_size, const uint64_t *sizes, uint8_t *out, size_t out_size) {
    (void)count, (void)keys, (void)nonces, (void)first, (void)data, (void)data_size, (void)sizes, (void)out;
    (void)out_size;
    return -1;
}

int decrypt_items(size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
                  size_t data_size, const uint64_t *sizes, uint8_t *out, size_t out_size, uint8_t *holds) {
    (void)count, (void)keys, (void)nonces, (void)first, (void)data, (void)data_size, (void)sizes, (void)out;
    (void)out_size, (void)holds;
    return -1;
}

int hash_boxes(int hardware, size_t count, const uint8_t *keys, const uint8_t *nonces, uint64_t first, const uint8_t *data,
               size_t data_size, const uint64_t *sizes, const uint8_t *kinds, uint8_t *digests, uint8_t *commitments) {
    (void)hardware, (void)count, (void)keys, (void)nonces, (void)first, (void)data, (void)data_size, (void)sizes;
    (void)kinds, (void)digests, (void)commitments;
    return -1;
}

#endif
