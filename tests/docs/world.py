# For MicroPython: what a piece of code in the documentation finds. tests/docs/run.py puts it before
# each one, in a folder where ca.pem, cert.pem and key.pem are.

import asyncio
import socket
import ssl
import sys
import time

sys.path.append(SUPPORT)

import link

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# A client that is connected; what it asks for has come.
sock, _server, _, _ = link.connected()
_server.write(b"data")
key_1 = key_2 = b"0123456789abcdef"


_socket = socket


class _Sockets:
    """Every address is that of the server that tests/docs/run.py has."""

    def __getattr__(self, name):
        return getattr(_socket, name)

    def getaddrinfo(self, host, port, *rest):
        return _socket.getaddrinfo("127.0.0.1", PORT, *rest)


sys.modules["socket"] = _Sockets()
