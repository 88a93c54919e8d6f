"""connections= connections in a row, each with the session of the one before, which is saved in between if
saved= is given, and is in a file that another process leaves at load= and this one at save=.

Each sends line= and reads a line back, or with mqtt= what MQTT begins with. version= and ca= are as for a client that verifies.
"""

import socket
import ssl
import sys

from options import options, read

given = options()
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ctx.verify_mode = ssl.CERT_REQUIRED
ctx.load_verify_locations(cadata=read(given["ca"]))
if "cert" in given:
    ctx.load_cert_chain(given["cert"], given["key"])
ctx.options &= ~ssl.OP_NO_TICKET
if "version" in given:
    ctx.minimum_version = ctx.maximum_version = getattr(ssl.TLSVersion, given["version"])
session = ssl.SSLSession(read(given["load"])) if "load" in given else None
for _ in range(int(given.get("connections", 1))):
    connection = socket.socket()
    connection.settimeout(10)
    connection.connect(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
    try:
        connection = ctx.wrap_socket(connection, server_hostname="localhost", session=session)
        if "mqtt" in given:
            connection.write(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
            print("LINE", connection.read(4))
        else:
            connection.write(given.get("line", "hello").encode() + b"\n")
            print("LINE", connection.readline())
        print("REUSED", connection.session_reused, connection.version())
        print("SUBJECT", connection.getpeercert()["subject"])
        session = connection.session
        print("TICKET", session and session.has_ticket)
        if session and "saved" in given:
            session = ssl.SSLSession(session.serialize())
    except (OSError, ValueError) as error:
        print("ERROR", repr(error))
        sys.exit(1)
    connection.close()
if "save" in given:
    with open(given["save"], "wb") as file:
        file.write(session)
print("CLOSED")
