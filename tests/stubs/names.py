"""For MicroPython: prints what dir() says of the modules and of their objects, "OF NAME" a line."""

import io
import socket
import ssl
import tls


class Transport(io.IOBase):
    """Has all that a connection passes on of its transport, which unix's sockets do not."""

    def readinto(self, buf):
        return None

    def write(self, buf):
        return len(buf)

    def ioctl(self, request, arg):
        return 0

    def fileno(self):
        return 0

    getpeername = getsockname = gettimeout = fileno

    def setsockopt(self, level, option, value):
        pass


client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
server = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
connection = client.wrap_socket(Transport(), do_handshake_on_connect=False)
listener = server.listen(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

for of, thing in (
    ("ssl", ssl),
    ("tls", tls),
    ("ssl.SSLContext", server),
    ("tls.SSLContext", tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)),
    ("ssl.SSLSocket", connection),
    ("ssl.DTLSListener", listener),
    ("ssl.Purpose", ssl.Purpose),
    ("ssl._VerifyPaths", ssl.get_default_verify_paths()),
    ("ssl._StoreStats", None),
):
    names = server.cert_store_stats() if thing is None else dir(thing)
    for name in names:
        print(of, name)
