"""A server that says of each client's certificate what getpeercert() says."""

import ssl

from options import listening, options, read

given = options()
modes = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL}
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(read(given["cert"]), read(given["key"]))
ctx.load_verify_locations(cadata=read(given["ca"]))
ctx.verify_mode = modes[given.get("verify", "required")]
listener = listening(given)
while True:
    connection = listener.accept()[0]
    connection.settimeout(10)
    try:
        connection = ctx.wrap_socket(connection, server_side=True)
    except (OSError, ValueError) as error:
        print("REFUSED", repr(error))
        connection.close()
        continue
    try:
        print("CERT", repr(connection.getpeercert()))
    except ValueError as error:
        print("ERROR", repr(error))
    connection.close()
