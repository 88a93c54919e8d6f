// SPDX-License-Identifier: MIT OR Apache-2.0
//
// On ARM, LLVM calls the run-time ABI's memory functions (RTABI 4.3.4) by their names
// there. Newlib has them; ports that link no C library do not. Weak: a library's own win.

#if defined(__ARM_EABI__)

#include <string.h>

#define ALIASES(name, parameters) \
    void name parameters __attribute__((weak)); \
    void name##4 parameters __attribute__((weak, alias(#name))); \
    void name##8 parameters __attribute__((weak, alias(#name)))

ALIASES(__aeabi_memcpy, (void *to, const void *from, size_t len));
ALIASES(__aeabi_memmove, (void *to, const void *from, size_t len));
ALIASES(__aeabi_memset, (void *to, size_t len, int byte));
ALIASES(__aeabi_memclr, (void *to, size_t len));

void __aeabi_memcpy(void *to, const void *from, size_t len) {
    memcpy(to, from, len);
}

void __aeabi_memmove(void *to, const void *from, size_t len) {
    memmove(to, from, len);
}

void __aeabi_memset(void *to, size_t len, int byte) {
    memset(to, byte, len);
}

void __aeabi_memclr(void *to, size_t len) {
    memset(to, 0, len);
}

#else
// A translation unit is not to be empty.
typedef int mpssl_no_arm_eabi_t;
#endif
