// SPDX-License-Identifier: MIT OR Apache-2.0
//
// faultinject: fails the Nth allocation, and counts what is still allocated.
//
// The linker sends every cross-object call of the allocators through the
// __wrap_ functions below (micropython.mk). They pass everything on until
// track() is called, and fail nothing unless armed.
//
//   track()              start counting blocks from Mbed TLS's allocator
//   live()               (blocks, bytes) allocated since track() and not freed
//   arm(kind, n, on)     fail allocation n of that kind from here; with `on`
//                        true all later ones too; n = 0 only counts
//   disarm()             stop; returns how many allocations were counted
//   fired()              has the armed failure happened?
//   scrub()              clear the stack below, where the collector sees ghosts
//   hold(), release()    neither count nor fail in between; they nest
//
// Not thread-safe: torture is single-threaded.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "py/gc.h"
#include "py/misc.h"
#include "py/runtime.h"

enum {
    KIND_NONE,
    KIND_MBED,
    KIND_GC
};

static struct {
    mp_int_t kind;
    mp_uint_t nth;
    bool on;
    mp_uint_t count;
    bool fired;
    mp_uint_t held;
} fault;

static bool must_fail(mp_int_t kind) {
    if (fault.kind != kind || fault.held != 0) {
        return false;
    }
    ++fault.count;
    if (fault.nth == 0 || fault.count < fault.nth || (fault.count > fault.nth && !fault.on)) {
        return false;
    }
    fault.fired = true;
    return true;
}

/******************************************************************************/
// Live blocks: an open-addressing table keyed by address, because a freed
// pointer need not be one that was counted (malloc, strdup, before track()).

#define LIVE_SLOTS (1 << 16)

typedef struct _live_t {
    void *ptr;
    size_t size;
} live_t;

static bool tracking;
static live_t live_table[LIVE_SLOTS];
static mp_uint_t live_blocks;
static mp_uint_t live_bytes;

static size_t live_home(const void *ptr) {
    return ((uintptr_t)ptr >> 4) * 0x9E3779B1u % LIVE_SLOTS;
}

// The slot that holds ptr, or the free one where it belongs.
static size_t live_find(const void *ptr) {
    size_t i = live_home(ptr);
    while (live_table[i].ptr != NULL && live_table[i].ptr != ptr) {
        i = (i + 1) % LIVE_SLOTS;
    }
    return i;
}

static void live_add(void *ptr, size_t size) {
    if (!tracking || ptr == NULL) {
        return;
    }
    if (live_blocks == LIVE_SLOTS / 2) {
        fprintf(stderr, "faultinject: too many live blocks\n");
        abort(); // the caller is an allocator: nothing may be raised through it
    }
    live_table[live_find(ptr)] = (live_t){ ptr, size };
    ++live_blocks;
    live_bytes += size;
}

static void live_remove(const void *ptr) {
    if (!tracking || ptr == NULL) {
        return;
    }
    size_t hole = live_find(ptr);
    if (live_table[hole].ptr == NULL) {
        return;
    }
    --live_blocks;
    live_bytes -= live_table[hole].size;
    // Move later members of the run into the hole, so that they are still found.
    for (size_t i = (hole + 1) % LIVE_SLOTS; live_table[i].ptr != NULL; i = (i + 1) % LIVE_SLOTS) {
        size_t from_home = (i - live_home(live_table[i].ptr)) % LIVE_SLOTS;
        if (from_home >= (i - hole) % LIVE_SLOTS) {
            live_table[hole] = live_table[i];
            hole = i;
        }
    }
    live_table[hole].ptr = NULL;
}

/******************************************************************************/
// Mbed TLS's allocator.

void *__real_calloc(size_t n, size_t size);
void __real_free(void *ptr);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *ptr);

void *__wrap_calloc(size_t n, size_t size) {
    if (must_fail(KIND_MBED)) {
        return NULL;
    }
    void *ptr = __real_calloc(n, size);
    live_add(ptr, n * size);
    return ptr;
}

void __wrap_free(void *ptr) {
    live_remove(ptr);
    __real_free(ptr);
}

#if MICROPY_UNIX_COVERAGE
// The coverage variant gives Mbed TLS memory from the GC heap.
void *__real_m_tracked_calloc(size_t n, size_t size);
void __real_m_tracked_free(void *ptr);
void *__wrap_m_tracked_calloc(size_t n, size_t size);
void __wrap_m_tracked_free(void *ptr);

void *__wrap_m_tracked_calloc(size_t n, size_t size) {
    if (must_fail(KIND_MBED)) {
        return NULL;
    }
    ++fault.held; // what it takes from the GC is this same allocation
    void *ptr = __real_m_tracked_calloc(n, size);
    --fault.held;
    live_add(ptr, n * size);
    return ptr;
}

void __wrap_m_tracked_free(void *ptr) {
    live_remove(ptr);
    __real_m_tracked_free(ptr);
}
#endif

/******************************************************************************/
// The GC's allocator.

void *__real_gc_alloc(size_t n_bytes, unsigned int alloc_flags);
void *__real_gc_realloc(void *ptr, size_t n_bytes, bool allow_move);
void *__wrap_gc_alloc(size_t n_bytes, unsigned int alloc_flags);
void *__wrap_gc_realloc(void *ptr, size_t n_bytes, bool allow_move);

void *__wrap_gc_alloc(size_t n_bytes, unsigned int alloc_flags) {
    return must_fail(KIND_GC) ? NULL : __real_gc_alloc(n_bytes, alloc_flags);
}

void *__wrap_gc_realloc(void *ptr, size_t n_bytes, bool allow_move) {
    // Shrinking never needs memory.
    bool grows = ptr == NULL || n_bytes > gc_nbytes(ptr);
    return grows && must_fail(KIND_GC) ? NULL : __real_gc_realloc(ptr, n_bytes, allow_move);
}

/******************************************************************************/
// The module.

static mp_obj_t fi_track(void) {
    tracking = true;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_track_obj, fi_track);

static mp_obj_t fi_live(void) {
    mp_obj_t items[] = { mp_obj_new_int_from_uint(live_blocks), mp_obj_new_int_from_uint(live_bytes) };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_live_obj, fi_live);

static mp_obj_t fi_arm(mp_obj_t kind, mp_obj_t nth, mp_obj_t on) {
    fault.nth = mp_obj_get_int(nth);
    fault.on = mp_obj_is_true(on);
    fault.count = 0;
    fault.fired = false;
    fault.kind = mp_obj_get_int(kind);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(fi_arm_obj, fi_arm);

static mp_obj_t fi_disarm(void) {
    fault.kind = KIND_NONE;
    return mp_obj_new_int_from_uint(fault.count);
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_disarm_obj, fi_disarm);

static mp_obj_t fi_fired(void) {
    return mp_obj_new_bool(fault.fired);
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_fired_obj, fi_fired);

static MP_NOINLINE mp_obj_t fi_scrub(void) {
    char area[64 * 1024];
    memset(area, 0, sizeof(area));
    __asm__ volatile(""
                     :
                     : "r"(area)
                     : "memory"); // not optimised away
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_scrub_obj, fi_scrub);

static mp_obj_t fi_hold(void) {
    ++fault.held;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_hold_obj, fi_hold);

static mp_obj_t fi_release(void) {
    --fault.held;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(fi_release_obj, fi_release);

static const mp_rom_map_elem_t fi_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_faultinject) },
    { MP_ROM_QSTR(MP_QSTR_MBED), MP_ROM_INT(KIND_MBED) },
    { MP_ROM_QSTR(MP_QSTR_GC), MP_ROM_INT(KIND_GC) },
    { MP_ROM_QSTR(MP_QSTR_track), MP_ROM_PTR(&fi_track_obj) },
    { MP_ROM_QSTR(MP_QSTR_live), MP_ROM_PTR(&fi_live_obj) },
    { MP_ROM_QSTR(MP_QSTR_arm), MP_ROM_PTR(&fi_arm_obj) },
    { MP_ROM_QSTR(MP_QSTR_disarm), MP_ROM_PTR(&fi_disarm_obj) },
    { MP_ROM_QSTR(MP_QSTR_fired), MP_ROM_PTR(&fi_fired_obj) },
    { MP_ROM_QSTR(MP_QSTR_scrub), MP_ROM_PTR(&fi_scrub_obj) },
    { MP_ROM_QSTR(MP_QSTR_hold), MP_ROM_PTR(&fi_hold_obj) },
    { MP_ROM_QSTR(MP_QSTR_release), MP_ROM_PTR(&fi_release_obj) },
};
static MP_DEFINE_CONST_DICT(fi_globals, fi_globals_table);

const mp_obj_module_t faultinject_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&fi_globals,
};

MP_REGISTER_MODULE(MP_QSTR_faultinject, faultinject_module);
