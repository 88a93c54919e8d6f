# KeyboardInterrupt while a handshake waits or computes, and what the waiting costs.
# support/interrupts.py, for CPython, interrupts this same MicroPython.
# skip: needs os.system, and MICROPY_MICROPYTHON in the environment

try:
    import os, ssl
except ImportError:
    print("SKIP")
    raise SystemExit

micropython = os.getenv("MICROPY_MICROPYTHON")
if not micropython or not hasattr(os, "system"):
    print("SKIP")
    raise SystemExit

python = os.getenv("MICROPY_CPYTHON3") or "python3"
tests = "handshake handshake_by_read handshake_of_server wrap_socket wrap_socket_nonblocking computing"
os.system("%s support/interrupts.py %s %s" % (python, micropython, tests))
