"""Serves count= connections in turn, with num_tickets= tickets: reads a line, answers it with "echo:" before it."""

import ssl

from options import listening, options

given = options()
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(given["cert"], given["key"])
if "ca" in given:
    ctx.load_verify_locations(given["ca"])
    ctx.verify_mode = ssl.CERT_REQUIRED
ctx.num_tickets = int(given.get("num_tickets", 1))
listener = listening(given)
for _ in range(int(given.get("count", 1))):
    connection, _ = listener.accept()
    connection.settimeout(10)
    try:
        connection = ctx.wrap_socket(connection, server_side=True)
        line = connection.readline()
        connection.write(b"echo:" + line)
        cert = connection.getpeercert()
        print("REUSED", connection.session_reused, connection.version(), cert and cert["subject"])
        connection.read(1)
    except (OSError, ValueError) as error:
        print("ERROR", repr(error))
    connection.close()
print("CLOSED")
