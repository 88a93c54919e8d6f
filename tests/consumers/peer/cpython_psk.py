"""CPython's PSK callbacks (Python 3.13) as peer: one connection.

    cpython_psk.py client PORT IDENTITY KEY
    cpython_psk.py server PORT IDENTITY KEY HINT

KEY in hexadecimal. Sends or echoes one line, over TLS 1.2: PSK in 1.3 is another thing. Prints
what came, or REFUSED and the error.
"""

import socket
import ssl
import sys

TIMEOUT_S = 10


def asked(what, answer):
    print("ASKED", repr(what), flush=True)
    return answer


def make_context(protocol):
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")
    return context


def client(port, identity, key):
    context = make_context(ssl.PROTOCOL_TLS_CLIENT)
    context.set_psk_client_callback(lambda hint: asked(hint, (identity, bytes.fromhex(key))))
    with socket.create_connection(("127.0.0.1", int(port)), TIMEOUT_S) as sock:
        with context.wrap_socket(sock) as connection:
            print("CIPHER", *connection.cipher(), flush=True)
            connection.sendall(b"hello\n")
            print("LINE", connection.recv(100), flush=True)


def server(port, identity, key, hint):
    context = make_context(ssl.PROTOCOL_TLS_SERVER)
    keys = {identity: bytes.fromhex(key)}
    context.set_psk_server_callback(lambda name: asked(name, keys.get(name, b"")), hint)
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        print("READY", flush=True)
        sock, _ = listener.accept()
        sock.settimeout(TIMEOUT_S)
        with context.wrap_socket(sock, server_side=True) as connection:
            print("CIPHER", *connection.cipher(), flush=True)
            connection.sendall(b"echo:" + connection.recv(100))


try:
    {"client": client, "server": server}[sys.argv[1]](*sys.argv[2:])
except (OSError, ValueError) as error:
    print("REFUSED", repr(error))
