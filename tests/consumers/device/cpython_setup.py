"""A GET by a program that sets its context up as programs for CPython do: how= says which way.

Prints OK and the cipher suite, or REFUSED and the error.
"""

import socket
import ssl

from options import options

given = options()


class Adapter(ssl.SSLContext):
    """As urllib3's and aiohttp's users have one: settings of its own, made in __init__."""

    def __init__(self, cafile):
        super().__init__(ssl.PROTOCOL_TLS_CLIENT)
        self.connections = 0
        self.verify_mode = ssl.CERT_REQUIRED
        self.check_hostname = True
        self.load_verify_locations(cafile=cafile)

    def wrap_socket(self, sock, **options):
        self.connections += 1
        return super().wrap_socket(sock, **options)


def subclass():
    return Adapter(given["ca"])


def default():
    return ssl.create_default_context(cafile=given["ca"])


def loaded():
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.load_verify_locations(given["ca"])
    return context


def chain_only():
    """The chain, and any name: as for a broker that is known by its address."""
    context = default()
    context.check_hostname = False
    return context


def unverified():
    """verify=False of requests."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def patched():
    """What much-copied answers tell people to do, in both places."""
    ssl._create_unverified_context = unverified
    ssl._create_default_https_context = ssl._create_unverified_context
    return ssl._create_default_https_context()


def marked():
    """With an attribute that only the program knows."""
    context = default()
    context.pool_key = ("localhost", 443)
    assert context.pool_key[1] == 443
    return context


context = globals()[given["how"]]()
sock = socket.socket()
sock.settimeout(20)
sock.connect(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
try:
    tls = context.wrap_socket(sock, server_hostname=given.get("host", "localhost"))
except (OSError, ValueError) as er:
    print("REFUSED", repr(er))
else:
    tls.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert tls.read(8) == b"HTTP/1.0"
    while tls.read(4096):
        pass
    assert tls.context is context
    assert given["how"] != "subclass" or context.connections == 1
    print("OK", tls.cipher())
    tls.close()
sock.close()
