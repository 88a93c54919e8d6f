"""A server that answers connections= clients and closes no connection: it lets go of each. A socket
of which there came no connection is still the program's, which closes it.

Prints how many descriptors are open at the end, and how many there were at first.
"""

import gc
import os

from options import context, listening, options

given = options()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def answer(sock):
    try:
        tls = server.wrap_socket(sock, server_side=True)
        tls.write(tls.readline())
    except OSError as er:
        print("REFUSED", er.errno)
        sock.close()


server = context(given, server=True)
listener = listening(given)
at_first = descriptors()
for _ in range(int(given["connections"])):
    answer(listener.accept()[0])
    gc.collect()
print("OPEN", descriptors(), "FIRST", at_first)
