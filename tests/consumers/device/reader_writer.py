"""One connection to an echo server, written by one thread and read by another.

Prints OK and how many bytes came back.
"""

import _thread
import socket

from options import context, options

given = options()
size = int(given["size"])
data = bytes(range(251)) * (size // 251 + 1)
data = data[:size]

sock = socket.socket()
sock.settimeout(60)
sock.connect(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
tls = context(given).wrap_socket(sock, server_hostname="localhost")

failed = []
writing = _thread.allocate_lock()
writing.acquire()


def write():
    try:
        for start in range(0, size, 7000):
            tls.sendall(data[start : start + 7000])
    except Exception as er:
        failed.append(er)
    writing.release()


_thread.stack_size(64 * 1024)
_thread.start_new_thread(write, ())
come = b""
while len(come) < size:
    part = tls.read(5000)
    if not part:
        break
    come += part
writing.acquire()
assert not failed, failed
assert come == data, "what came back is not what was sent"
print("OK", len(come))
tls.close()
