# KeyboardInterrupt while a socket waits, and what its waiting costs: see support/interrupts.py.
# It needs CPython to run this same MicroPython against.

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
os.system("%s support/interrupts.py %s" % (python, micropython))
