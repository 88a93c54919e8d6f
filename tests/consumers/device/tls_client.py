"""One connection: sends line= and reads a line back, exchanges= times.

With hibernate= the connection does so wherever it can be woken again.
"""

import socket
import sys

from options import context, options, resting

given = options()
try:
    ctx = context(given)
except (OSError, ValueError) as error:
    print("INVALID", repr(error))
    sys.exit(0)
connection = socket.socket()
connection.settimeout(10)
connection.connect(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
connection.setsockopt(6, 1, 1)  # TCP_NODELAY
try:
    connection = ctx.wrap_socket(connection, server_hostname=given.get("host", "localhost"))
    print("CIPHER", *connection.cipher())
    if "alpn" in given:
        print("ALPN", connection.selected_alpn_protocol())
    if "psk_identity" in given:
        print("HINT", connection.psk_identity_hint)
    rest = resting(given, connection)
    for _ in range(int(given.get("exchanges", 1))):
        rest()
        connection.write(given.get("line", "hello").encode() + b"\n")
        rest()
        print("LINE", connection.readline())
    rest()
    if "until_eof" in given:
        print("EOF", connection.read())
        print("AGAIN", connection.read(1))
except (OSError, ValueError) as error:
    print("ERROR", repr(error))
connection.close()
print("CLOSED")
