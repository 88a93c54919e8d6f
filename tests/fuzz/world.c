// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Preloaded below a MicroPython that is fuzzed: a clock that stands still until it is told to go
// on, and random bytes that are the seed's. So the same seed does the same again.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

static uint64_t state = 1;
static uint64_t now_ms = 1000000;

// Called from Python, by ffi.
void fuzz_begin(uint32_t seed);
void fuzz_wait(uint32_t ms);

void fuzz_begin(uint32_t seed) {
    state = seed * 2654435761u + 1;
    now_ms = 1000000;
}

void fuzz_wait(uint32_t ms) {
    now_ms += ms;
}

long getrandom(void *buf, size_t len, unsigned flags);

long getrandom(void *buf, size_t len, unsigned flags) {
    (void)flags;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(state >> 56);
    }
    return (long)len;
}

// By which Mbed TLS calls it.
long syscall(long number, long a, long b, long c, long d, long e, long f) {
    if (number == SYS_getrandom) {
        return getrandom((void *)a, (size_t)b, (unsigned)c);
    }
    long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return next(number, a, b, c, d, e, f);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock == CLOCK_MONOTONIC) {
        time->tv_sec = (time_t)(now_ms / 1000);
        time->tv_nsec = (long)(now_ms % 1000 * 1000000);
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, (long)time, 0, 0, 0, 0);
}
