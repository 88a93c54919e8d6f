"""load_cert_chain with pass phrases of all forms; then a server that uses what was loaded."""

import ssl

from options import listening, options

given = options()
secret = given["password"]


def load(*password):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(given["cert"], given["key"], *password)
    return ctx


for password in (
    secret,
    secret.encode(),
    bytearray(secret.encode()),
    lambda: secret,
    lambda: secret.encode(),
    lambda: bytearray(secret.encode()),
):
    ctx = load(password)
print("LOADED")
for password in ((), (None,), ("",), (secret + "x",), (lambda: "wrong",)):
    try:
        load(*password)
        print("WRONG", password)
    except ValueError as error:
        print("ValueError", error)

ctx.load_verify_locations(given["ca"])
ctx.verify_mode = ssl.CERT_REQUIRED
listener = listening(given)
connection = listener.accept()[0]
connection.settimeout(10)
connection = ctx.wrap_socket(connection, server_side=True)
connection.write(repr(connection.getpeercert()["subject"]).encode())
connection.close()
