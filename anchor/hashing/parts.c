/* Parts of work on several cores (see parts.h), with POSIX threads: C11's are not there on macOS. Where there are none, the
   caller does all of it. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "parts.h"

/* A thread takes 10 to 20 us to start and to end, in which a core hashes or decrypts a tenth of so many bytes. More than four
   would wait for the Python between the calls. */
enum { MOST_PARTS = 4, PART_BYTES = 64 * 1024 };

struct part {
    part_function *work;
    const void *job;
    size_t start, end, at;
    int refused;
};

static void *run_part(void *given) {
    struct part *const part = given;
    part->refused = part->work(part->job, part->start, part->end, part->at);
    return NULL;
}

#if defined(__unix__) || defined(__APPLE__)

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

static size_t cores = 1;

/* Asked once, when this is loaded: those that this process may use. */
__attribute__((constructor)) static void count_cores(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__linux__)
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) == 0) count = CPU_COUNT(&mine);
#endif
    if (count > 0) cores = (size_t)count;
}

static void run_all(struct part *all, size_t count) {
    pthread_t threads[MOST_PARTS];
    int started[MOST_PARTS] = {0};
    sigset_t every, before;
    /* Signals are for the threads that Python knows. */
    sigfillset(&every);
    const int masked = pthread_sigmask(SIG_SETMASK, &every, &before) == 0;
    for (size_t i = 1; masked && i < count; i++) started[i] = !pthread_create(&threads[i], NULL, run_part, &all[i]);
    if (masked) pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < count; i++)
        if (!started[i]) run_part(&all[i]);
    for (size_t i = 1; i < count; i++)
        if (started[i]) pthread_join(threads[i], NULL);
}

#else

static const size_t cores = 1;

static void run_all(struct part *all, size_t count) {
    for (size_t i = 0; i < count; i++) run_part(&all[i]);
}

#endif

int run_in_parts(size_t count, const uint64_t *sizes, size_t data_size, part_function *work, const void *job) {
    const size_t worth = data_size / PART_BYTES;
    return run_in_so_many(worth < cores ? worth : cores, count, sizes, data_size, work, job);
}

int run_in_so_many(size_t parts, size_t count, const uint64_t *sizes, size_t data_size, part_function *work,
                   const void *job) {
    struct part all[MOST_PARTS];
    size_t left = data_size;
    for (size_t i = 0; i < count; left -= (size_t)sizes[i++])
        if (sizes[i] > left) return -1;
    if (left) return -1;
    if (!parts) parts = 1;
    if (parts > MOST_PARTS) parts = MOST_PARTS;
    size_t used = 0, end = 0, at = 0;
    for (size_t i = 0; i < parts && end < count; i++) {
        struct part *const part = &all[used++];
        *part = (struct part){work, job, end, end, at, 0};
        /* What the last part is not given nobody does. */
        const size_t until = i + 1 < parts ? data_size / parts * (i + 1) : data_size;
        while (end < count && (i + 1 == parts || at < until)) at += (size_t)sizes[end++];
        part->end = end;
    }
    if (used > 1)
        run_all(all, used);
    else if (used)
        run_part(all);
    int refused = 0;
    for (size_t i = 0; i < used; i++) refused |= all[i].refused;
    return refused ? -1 : 0;
}
