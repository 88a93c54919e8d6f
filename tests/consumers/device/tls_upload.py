"""Serves one connection: writes count= lines, and looks behind each for what comes, which is no data."""

import time

from options import context, listening, options

given = options()
ctx = context(given, server=True)
listener = listening(given)
connection, _ = listener.accept()
connection = ctx.wrap_socket(connection, server_side=True)
print("CIPHER", *connection.cipher())
connection.setblocking(False)
try:
    for i in range(int(given["count"])):
        connection.write(b"line %d\n" % i)
        time.sleep_ms(10)
        assert connection.read(1) is None
    connection.write(b"done\n")
    connection.setblocking(True)
    print("EOF", connection.read())
except OSError as error:
    print("ERROR", repr(error))
connection.close()
print("CLOSED")
