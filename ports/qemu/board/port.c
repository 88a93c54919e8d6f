// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A clock, entropy and counters for the emulated boards, and `board`, the Python module
// that reads them. For tests and measurements only: the entropy is a fixed sequence.

#include <string.h>
#include <time.h>

#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"

#include "mbedtls/entropy.h"
#include "mbedtls/platform_time.h"
#include "mbedtls/platform_util.h"

/******************************************************************************/
// Counters of the machine. With `-icount shift=0` an instruction takes one
// nanosecond of the machine's time.

#if defined(__riscv)

// Nanoseconds since the machine was switched on.
static uint64_t uptime_ns(void) {
    // The machine timer of the CLINT: 10 MHz.
    const volatile uint32_t *mtime = (const volatile uint32_t *)0x0200bff8;
    uint32_t high, low;
    do {
        high = mtime[1];
        low = mtime[0];
    } while (high != mtime[1]);
    return ((uint64_t)high << 32 | low) * 100;
}

// Instructions since the machine was switched on: to one.
static uint64_t instructions(void) {
    uint32_t high, low, again;
    do {
        __asm volatile("csrr %0, minstreth"
                       : "=r"(high));
        __asm volatile("csrr %0, minstret"
                       : "=r"(low));
        __asm volatile("csrr %0, minstreth"
                       : "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

#else

// The first timer of the CMSDK: counts down at 25 MHz, and is reloaded.
typedef struct _cmsdk_timer_t {
    volatile uint32_t CTRL;
    volatile uint32_t VALUE;
    volatile uint32_t RELOAD;
} cmsdk_timer_t;

#define TIMER0 ((cmsdk_timer_t *)0x40000000)

// Once in 171 s it must be asked at least, or a round is lost.
static uint64_t uptime_ns(void) {
    static uint64_t ticks;
    static uint32_t last;
    if (!(TIMER0->CTRL & 1)) {
        TIMER0->RELOAD = UINT32_MAX;
        TIMER0->VALUE = UINT32_MAX;
        TIMER0->CTRL = 1;
    }
    uint32_t now = UINT32_MAX - TIMER0->VALUE;
    ticks += (uint32_t)(now - last);
    last = now;
    return ticks * 40;
}

// QEMU's Cortex-M3 has no counter of its own: by the time they take, to forty.
static uint64_t instructions(void) {
    return uptime_ns();
}

#endif

/******************************************************************************/
// The clock. The boards have no battery: they wake up on 2027-01-01.

#define WAKES_UP 1798761600

static uint64_t began_ns; // when board.begin() was called

static uint64_t now_ns(void) {
    return uptime_ns() - began_ns;
}

// Where the port has clocks of its own (from 1.29 on), those are used.
MP_WEAK mp_uint_t mp_hal_ticks_ms(void) {
    return (mp_uint_t)(now_ns() / 1000000);
}

MP_WEAK mp_uint_t mp_hal_ticks_us(void) {
    return (mp_uint_t)(now_ns() / 1000);
}

MP_WEAK mp_uint_t mp_hal_ticks_cpu(void) {
    return (mp_uint_t)instructions();
}

MP_WEAK void mp_hal_delay_us(mp_uint_t us) {
    uint64_t end = now_ns() + (uint64_t)us * 1000;
    while (now_ns() < end) {
    }
}

MP_WEAK void mp_hal_delay_ms(mp_uint_t ms) {
    uint64_t end = now_ns() + (uint64_t)ms * 1000000;
    while (now_ns() < end) {
        mp_event_handle_nowait();
    }
}

time_t board_time(time_t *seconds);
time_t board_time(time_t *seconds) {
    time_t now = (time_t)(WAKES_UP + now_ns() / 1000000000);
    if (seconds != NULL) {
        *seconds = now;
    }
    return now;
}

mbedtls_ms_time_t mbedtls_ms_time(void) {
    return (mbedtls_ms_time_t)WAKES_UP * 1000 + (mbedtls_ms_time_t)(now_ns() / 1000000);
}

// For the dates of certificates. Years count from March, so that the leap day is the last.
struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *seconds, struct tm *tm) {
    uint32_t days = (uint32_t)(*seconds / 86400), rest = (uint32_t)(*seconds % 86400);
    uint32_t day = days + 719468; // since 0000-03-01
    uint32_t era = day / 146097;
    day -= era * 146097;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    uint32_t month = (5 * day + 2) / 153; // March: 0
    memset(tm, 0, sizeof(*tm));
    tm->tm_mday = (int)(day - (153 * month + 2) / 5 + 1);
    tm->tm_mon = (int)((month + 2) % 12);
    tm->tm_year = (int)(year + era * 400 + (month >= 10)) - 1900;
    tm->tm_hour = (int)(rest / 3600);
    tm->tm_min = (int)(rest / 60 % 60);
    tm->tm_sec = (int)(rest % 60);
    return tm;
}

/******************************************************************************/
// Entropy: a fixed sequence (SplitMix64), so that a run can be repeated to the
// instruction. No board with a network may do this.

static uint64_t sequence;

MP_WEAK int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen) {
    (void)data;
    for (size_t i = 0; i < len; i++) {
        sequence += 0x9e3779b97f4a7c15;
        uint64_t bits = sequence;
        bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
        bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
        output[i] = (unsigned char)(bits >> 56);
    }
    *olen = len;
    return 0;
}

/******************************************************************************/
// Mbed TLS's memory: MicroPython's tracked allocator, counted as the garbage collector's
// heap sees it, in whole blocks with their headers.

static size_t live_bytes, peak_bytes, allocations;
static bool stale; // live_bytes is to be counted anew
static size_t allowed = SIZE_MAX; // allocations that succeed before one fails
static bool fails_on; // and all after it

void *m_tracked_calloc(size_t count, size_t size);
void m_tracked_free(void *block);
void *board_calloc(size_t count, size_t size);
void board_free(void *block);

// What the allocator puts in front of a block: it begins with the links of its list.
typedef struct _node_t {
    struct _node_t *prev, *next;
} node_t;

static size_t count_live(void) {
    if (stale) {
        live_bytes = 0;
        for (node_t *node = (node_t *)MP_STATE_VM(m_tracked_head); node != NULL; node = node->next) {
            live_bytes += gc_nbytes(node);
        }
        stale = false;
    }
    return live_bytes;
}

void *board_calloc(size_t count, size_t size) {
    if (allowed != SIZE_MAX && allowed-- == 0) {
        allowed = fails_on ? 0 : SIZE_MAX;
        return NULL;
    }
    void *block = m_tracked_calloc(count, size);
    if (block != NULL) {
        allocations++;
        if (!stale) {
            live_bytes += gc_nbytes((node_t *)block - 1);
        }
        peak_bytes = MAX(peak_bytes, count_live());
    }
    return block;
}

void board_free(void *block) {
    if (block != NULL) {
        // During a collection, when finalisers call this, the heap does not tell sizes.
        size_t size = gc_nbytes((node_t *)block - 1);
        stale |= size == 0;
        live_bytes -= size;
        m_tracked_free(block);
    }
}

/******************************************************************************/
// The stack: what lies below the caller of begin() is painted, and stays so where nothing came.

#define PAINTED 16384 // more than the depth at which MicroPython raises RuntimeError
#define PAINT 0xbbbbbbbb

static uint32_t *stack_top; // above it is what was in use when begin() was called

__attribute__((noinline)) static void paint_stack(void) {
    // Not what this function itself uses, nor may: only what is below.
    stack_top = (uint32_t *)__builtin_frame_address(0);
    for (volatile uint32_t *word = stack_top - PAINTED / 4; word < stack_top - 32; word++) {
        *word = PAINT;
    }
}

static size_t stack_peak(void) {
    if (stack_top == NULL) {
        return 0; // nothing is painted yet
    }
    const volatile uint32_t *word = stack_top - PAINTED / 4;
    while (word < stack_top && *word == PAINT) {
        word++;
    }
    return (size_t)(stack_top - word) * 4;
}

/******************************************************************************/
// The module.

// begin(): the clock and the random sequence start again, and the peaks are forgotten.
static mp_obj_t board_begin(void) {
    paint_stack();
    began_ns = uptime_ns();
    sequence = 0;
    allocations = 0;
    stale = true; // a soft reset forgets the blocks there were
    peak_bytes = count_live();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(board_begin_obj, board_begin);

// instructions() -> int, since the machine was switched on. Only with -icount shift=0.
static mp_obj_t board_instructions(void) {
    return mp_obj_new_int_from_ull(instructions());
}
static MP_DEFINE_CONST_FUN_OBJ_0(board_instructions_obj, board_instructions);

// tracked() -> (bytes in use, most since begin(), allocations since begin()) of Mbed TLS.
static mp_obj_t board_tracked(void) {
    stale = true;
    mp_obj_t numbers[3] = {
        mp_obj_new_int_from_uint(count_live()),
        mp_obj_new_int_from_uint(peak_bytes),
        mp_obj_new_int_from_uint(allocations),
    };
    return mp_obj_new_tuple(3, numbers);
}
static MP_DEFINE_CONST_FUN_OBJ_0(board_tracked_obj, board_tracked);

// stack() -> bytes of it that were used since begin(), below the caller's.
static mp_obj_t board_stack(void) {
    return mp_obj_new_int_from_uint(stack_peak());
}
static MP_DEFINE_CONST_FUN_OBJ_0(board_stack_obj, board_stack);

// stack_limit(n): MicroPython's own check, and whoever asks it, finds n bytes of stack below the
// caller from now on; n = 0: all there are.
static mp_obj_t board_stack_limit(mp_obj_t bytes) {
    static mp_uint_t whole;
    if (whole == 0) {
        whole = MP_STATE_THREAD(stack_limit);
    }
    mp_uint_t n = (mp_uint_t)mp_obj_get_int(bytes);
    MP_STATE_THREAD(stack_limit) = n == 0 ? whole : mp_cstack_usage() + n;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(board_stack_limit_obj, board_stack_limit);

// fail(n, on): of Mbed TLS's allocations the nth from now fails, with `on` all later ones
// too; n = 0: none does. Returns whether an earlier call's failure is still to come.
static mp_obj_t board_fail(mp_obj_t nth, mp_obj_t on) {
    mp_int_t n = mp_obj_get_int(nth);
    bool to_come = allowed != SIZE_MAX;
    allowed = n <= 0 ? SIZE_MAX : (size_t)n - 1;
    fails_on = mp_obj_is_true(on);
    return mp_obj_new_bool(to_come);
}
static MP_DEFINE_CONST_FUN_OBJ_2(board_fail_obj, board_fail);

static const mp_rom_map_elem_t board_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_board) },
    { MP_ROM_QSTR(MP_QSTR_begin), MP_ROM_PTR(&board_begin_obj) },
    { MP_ROM_QSTR(MP_QSTR_fail), MP_ROM_PTR(&board_fail_obj) },
    { MP_ROM_QSTR(MP_QSTR_instructions), MP_ROM_PTR(&board_instructions_obj) },
    { MP_ROM_QSTR(MP_QSTR_stack), MP_ROM_PTR(&board_stack_obj) },
    { MP_ROM_QSTR(MP_QSTR_stack_limit), MP_ROM_PTR(&board_stack_limit_obj) },
    { MP_ROM_QSTR(MP_QSTR_tracked), MP_ROM_PTR(&board_tracked_obj) },
};
static MP_DEFINE_CONST_DICT(board_globals, board_globals_table);

const mp_obj_module_t board_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&board_globals,
};

MP_REGISTER_MODULE(MP_QSTR_board, board_module);
