"""What a device does with a key in an ATECC608, which tests/atecc608/simulator.py is: `what=`.

chip=: the simulator's port. freq=: the bus's. cert=, ca=, port=.
"""

import asyncio
import socket
import ssl
import sys
import time

from options import listening, options

given = options()
sys.path += [given["driver"], given["bus"]]

import atecc608
import bus

try:
    chip = atecc608.ATECC608(bus.I2C(int(given["chip"]), int(given.get("freq", 100_000))))
except OSError as error:
    print("no chip:", repr(error))
    raise SystemExit(1)
atecc608.register(chip)


def show(label, call, *args):
    try:
        result = call(*args)
        print(label, result if isinstance(result, bool) else len(result))
    except (OSError, ValueError) as error:
        print(label, repr(error))


def agree():
    one, other = (chip.ecdh(a, chip.public_key(b)) for a, b in ((0, 2), (2, 0)))
    return one == other


def driver():
    print(chip.serial.hex(), chip.config_locked, chip.data_locked)
    show("public key", chip.public_key, 0)
    show("an empty slot's", chip.public_key, 3)
    show("made there", chip.generate, 3)
    show("signed there", chip.sign, 3, bytes(32))
    show("made where none may be", chip.generate, 1)
    show("of a slot without a key", chip.public_key, 8)
    show("signed", chip.sign, 0, bytes(32))
    show("where nothing is signed", chip.sign, 2, bytes(32))
    show("of data", chip.sign, 8, bytes(32))
    show("SHA-384", chip.sign, 0, bytes(48))
    show("SHA-1", chip.sign, 0, bytes(20))
    show("slot 16", chip.sign, 16, bytes(32))
    show("secrets agree", agree)
    show("of no point", chip.ecdh, 2, bytes(64))
    show("where none is agreed on", lambda: chip.ecdh(1, chip.public_key(0)))
    show("random", chip.random)


def later():
    """A signature that nobody waits for."""

    def sign():
        while True:
            signature = chip.sign_later(0, bytes(32))
            if signature is not None:
                return signature
            time.sleep_ms(2)

    show("signed later", sign)


async def ticking(ticks):
    while True:
        ticks.append(None)
        await asyncio.sleep_ms(1)


def tls(version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given["cert"], given.get("key", "ATCA:0"))
    if version:
        context.maximum_version = getattr(ssl.TLSVersion, version)
    return context


def serve():
    """HTTPS with asyncio, which does other things while the chip signs."""
    ticks = []

    async def answer(reader, writer):
        await reader.read(1000)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nsigned by a chip, " + str(len(ticks)).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        await asyncio.start_server(answer, "127.0.0.1", int(given["port"]), ssl=tls(given.get("version")))
        print("READY")
        await ticking(ticks)

    asyncio.run(main())


def mqtt():
    """One session of MQTT on a socket that blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(given["ca"])
    context.load_cert_chain(given["cert"], "ATCA:0")
    if "version" in given:
        context.maximum_version = getattr(ssl.TLSVersion, given["version"])
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
    sock = context.wrap_socket(sock, server_hostname="localhost")
    sock.write(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04chip")
    print("CONNACK", sock.read(4), repr(sock.version()))
    sock.write(b"\xe0\x00")
    sock.close()


{"driver": driver, "later": later, "serve": serve, "mqtt": mqtt}[given["what"]]()
