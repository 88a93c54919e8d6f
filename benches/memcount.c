// Counts a process's malloc'd memory. Loaded with LD_PRELOAD; the figures are read through
// MicroPython's ffi module, hence the plain functions at the end. For glibc, one thread.
#include <errno.h>
#include <malloc.h>
#include <stddef.h>

// glibc's own entry points: no dlsym(), which allocates itself.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

// What glibc keeps in front of a block.
#define BLOCK_HEADER sizeof(size_t)

static long live_bytes, peak_bytes, allocations;

static void *count_in(void *block) {
    if (block != NULL) {
        allocations++;
        live_bytes += (long)(malloc_usable_size(block) + BLOCK_HEADER);
        if (live_bytes > peak_bytes) {
            peak_bytes = live_bytes;
        }
    }
    return block;
}

static void count_out(void *block) {
    if (block != NULL) {
        live_bytes -= (long)(malloc_usable_size(block) + BLOCK_HEADER);
    }
}

void *malloc(size_t size) {
    return count_in(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return count_in(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    long before = block == NULL ? 0 : (long)(malloc_usable_size(block) + BLOCK_HEADER);
    void *moved = __libc_realloc(block, size);
    if (moved != NULL || size == 0) {
        live_bytes -= before; // not so if it failed: the old block is still there
    }
    return count_in(moved);
}

void *memalign(size_t alignment, size_t size) {
    return count_in(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = memalign(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}

void free(void *block) {
    count_out(block);
    __libc_free(block);
}

// Bytes in use now.
long memcount_live(void) {
    return live_bytes;
}

// The most bytes in use since the last memcount_reset().
long memcount_peak(void) {
    return peak_bytes;
}

// Successful allocations since the last memcount_reset().
long memcount_allocations(void) {
    return allocations;
}

void memcount_reset(void) {
    peak_bytes = live_bytes;
    allocations = 0;
}
