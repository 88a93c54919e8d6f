"""Serves count= connections in turn: reads a line, answers it with "echo:" before it,
exchanges= times.

With hibernate= the connection does so wherever it can be woken again.
"""

from options import context, listening, options, resting

given = options()
ctx = context(given, server=True)
if "name" in given:
    other = context(dict(given, cert=given["name_cert"], key=given["name_key"]), server=True)

    def by_name(sock, name, context):
        print("NAME", name)
        if name == given["name"]:
            sock.context = other

    ctx.sni_callback = by_name
listener = listening(given)
for _ in range(int(given.get("count", 1))):
    connection, _ = listener.accept()
    connection.settimeout(10)
    connection.setsockopt(6, 1, 1)  # TCP_NODELAY
    try:
        connection = ctx.wrap_socket(connection, server_side=True)
        print("CIPHER", *connection.cipher())
        if "alpn" in given:
            print("ALPN", connection.selected_alpn_protocol())
        if "psk_identity" in given:
            print("IDENTITY", connection.psk_identity)
        rest = resting(given, connection)
        for _ in range(int(given.get("exchanges", 1))):
            rest()
            line = connection.readline()
            print("LINE", line)
            rest()
            connection.write(b"echo:" + line)
        rest()
        if "until_eof" in given:
            print("EOF", connection.read())
            print("AGAIN", connection.read(1))
    except (OSError, ValueError) as error:
        print("ERROR", repr(error))
    connection.close()
    print("CLOSED")
