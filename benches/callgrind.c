// Tells callgrind, under which the process runs with --instr-atstart=no, what to count. For
// MicroPython's ffi module, hence the plain functions.
#include <valgrind/callgrind.h>

// Counts from here to count_end(), which writes the file of the count.
void count_begin(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void count_end(const char *what) {
    CALLGRIND_DUMP_STATS_AT(what);
    CALLGRIND_STOP_INSTRUMENTATION;
}
