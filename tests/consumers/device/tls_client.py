"""One connection: sends line= and reads a line back."""

import socket

from options import context, options

given = options()
ctx = context(given)
connection = socket.socket()
connection.settimeout(10)
connection.connect(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
connection.setsockopt(6, 1, 1)  # TCP_NODELAY
try:
    connection = ctx.wrap_socket(connection, server_hostname=given.get("host", "localhost"))
    print("CIPHER", *connection.cipher())
    connection.write(given.get("line", "hello").encode() + b"\n")
    print("LINE", connection.readline())
    if "until_eof" in given:
        print("EOF", connection.read())
        print("AGAIN", connection.read(1))
except (OSError, ValueError) as error:
    print("ERROR", repr(error))
connection.close()
print("CLOSED")
