#!/usr/bin/env python3
"""Real consumers of ssl, and OpenSSL as peer, on loopback.

    run.py [--binary MICROPYTHON] [--list] [PATTERN...]

A PATTERN runs only the cases whose names contain it. What the processes of a case printed is
kept under build/consumers/logs. The last line is "N passed, N failed, N skipped"; the exit code
is 1 if a case failed.

Needs openssl, gnutls-bin, curl, mosquitto, nginx-light, vsftpd, chromium and pip, for WebREPL a build with --webrepl
and a Python 3.11 to 3.13, and for a few cases a Python 3.13; without one of them the cases that
need it are skipped, with the reason.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

# Each module but `cases` registers its cases, which run in this order.
import aio  # noqa: E402, F401
import atecc608  # noqa: E402, F401
import browser  # noqa: E402, F401
import cases  # noqa: E402
import certificates  # noqa: E402, F401
import cpython  # noqa: E402, F401
import crl  # noqa: E402, F401
import examples  # noqa: E402, F401
import hibernation  # noqa: E402, F401
import https  # noqa: E402, F401
import mqtt  # noqa: E402, F401
import outlive  # noqa: E402, F401
import openssl  # noqa: E402, F401
import pki  # noqa: E402, F401
import psk  # noqa: E402, F401
import recipes  # noqa: E402, F401
import rpc  # noqa: E402, F401
import session_servers  # noqa: E402, F401
import sessions  # noqa: E402, F401
import tls13  # noqa: E402, F401
import webrepl  # noqa: E402, F401

if __name__ == "__main__":
    sys.exit(cases.main(__doc__))
