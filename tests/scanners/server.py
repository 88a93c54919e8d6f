"""A server of which nothing is set but its certificate. It reads, and goes.

server.py PORT CERTIFICATE KEY [SUITE...]: or these, and they are enabled too. It says what is.
"""

import asyncio
import ssl
import sys


async def serve(reader, writer):
    try:
        await reader.read(1000)
    except OSError:
        pass
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass


async def main(port, cert, key, *suites):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if suites:
        context.set_ciphers(context.get_ciphers() + list(suites))
    server = await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=context)
    print("READY", *context.get_ciphers())
    await server.wait_closed()


asyncio.run(main(*sys.argv[1:]))
