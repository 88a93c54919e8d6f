"""A server that answers connections= clients and closes no connection: it lets go of each. A socket
of which there came no connection is still the program's, which closes it.

Prints how many descriptors are open at the end, and how many there were at first.
"""

import gc
import os
import socket

from options import context, options

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
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
listener.listen(5)
at_first = descriptors()
print("READY")
for _ in range(int(given["connections"])):
    answer(listener.accept()[0])
    gc.collect()
print("OPEN", descriptors(), "FIRST", at_first)
