"""asyncio: a TLS server of many clients at once, that sends each line back.

    micropython aio_server.py PORT CERTIFICATE KEY
"""

import asyncio
import ssl
import sys


async def serve(reader, writer):
    try:
        while True:
            # The first read does the handshake, too. Nobody may be silent for a minute.
            line = await asyncio.wait_for(reader.readline(), 60)
            if not line:
                break
            writer.write(line)
            await writer.drain()
    except (OSError, ValueError, MemoryError, asyncio.TimeoutError) as error:
        # Whatever is wrong with one client: the others go on.
        print("client failed:", repr(error))
    finally:
        writer.close()
        await writer.wait_closed()


async def main(port, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "0.0.0.0", int(port), ssl=context)
    print("serving on port", port)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
