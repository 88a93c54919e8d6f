"""CoAP over DTLS with a pre-shared key (RFC 7252, 9.1.3.1): a server, and a client that GETs.

    micropython coaps_psk.py server PORT IDENTITY KEY
    micropython coaps_psk.py get HOST PORT PATH IDENTITY KEY

KEY is text here, as libcoap takes it. A key is not a password: 16 random bytes or more. A
guessable one can be tried offline from one handshake (RFC 4279 7.2). coaps has the port 5684.
They talk to each other, and to

    coap-client-openssl -u IDENTITY -k KEY coaps://localhost:5684/hello
    coap-server-openssl -k KEY -h HINT

The server needs coap_server.py beside it, whose resources it serves; the client only its codec.
"""

import asyncio
import errno
import os
import socket
import ssl
import sys

import coap_server
from coap_server import ACKNOWLEDGEMENT, CONFIRMABLE, EMPTY, GET, RESET, URI_PATH

# Tells clients with several identities which one is meant.
HINT = "coap_server.py"
HANDSHAKE_S = 30
# RFC 7252 4.8: how long an answer is waited for, twice as long each time it does not come.
ACK_TIMEOUT_S = 2
MAX_RETRANSMIT = 4
# After the server has said that its answer takes longer.
SEPARATE_S = 30


def server_context(identity, key):
    context = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
    # What get() does not know is refused, as a wrong key is: nobody learns who exists. A server
    # without a hint needs no more than context.server_psk_keys = {b"IDENTITY": b"KEY"}.
    context.set_psk_server_callback({identity: key.encode()}.get, HINT)
    context.dtls_cid = 8  # clients behind a NAT stay known
    return context


def client_context(identity, key):
    context = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    context.psk_identity = identity
    context.psk_key = key
    context.dtls_cid = 0  # we stay known behind a NAT, if the server can do that
    return context


def udp(host, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        # A UDP socket that is connected takes datagrams from that address only.
        sock.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][-1])
        sock.settimeout(HANDSHAKE_S)
        return sock
    except:
        sock.close()
        raise


def connect(host, port, context):
    sock = udp(host, port)
    try:
        return context.wrap_socket(sock)
    except:
        sock.close()
        raise


def extended(number):
    """(nibble, the bytes after it) of an option's delta or length (RFC 7252 3.1)."""
    if number < 13:
        return number, b""
    if number < 269:
        return 13, bytes((number - 13,))
    return 14, (number - 269).to_bytes(2, "big")


def request(path, message_id, token):
    """A confirmable GET."""
    message = bytes((0x40 | CONFIRMABLE << 4 | len(token), GET)) + message_id + token
    option = 0
    for segment in path.strip("/").encode().split(b"/"):
        if segment:
            delta, more_delta = extended(URI_PATH - option)
            length, more_length = extended(len(segment))
            message += bytes((delta << 4 | length,)) + more_delta + more_length + segment
            option = URI_PATH
    return message


def receive(connection, seconds):
    """The next datagram, decoded; None if there is none in time, or it is no message."""
    connection.settimeout(seconds)
    try:
        datagram = connection.read(1280)
    except OSError as error:
        if error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
            return None
        raise
    if not datagram:
        raise OSError(errno.ECONNRESET)  # the server said goodbye
    try:
        return coap_server.decode(datagram)
    except (ValueError, IndexError):
        return None


def get(connection, path):
    """(code, payload) of a resource, such as (2.05, b"...")."""
    message_id, token = os.urandom(2), os.urandom(4)
    question = request(path, message_id, token)
    seconds, tries = ACK_TIMEOUT_S, 0
    acknowledged = False
    while tries <= MAX_RETRANSMIT:
        if not acknowledged:
            connection.write(question)
        message = receive(connection, SEPARATE_S if acknowledged else seconds)
        if message is None:
            seconds *= 2
            tries += 1
            if acknowledged:
                break
            continue
        kind, code, its_id, its_token, _, payload = message
        if kind == CONFIRMABLE:
            connection.write(coap_server.encode(ACKNOWLEDGEMENT, EMPTY, its_id))
        if kind == RESET and its_id == message_id:
            raise OSError(errno.ECONNRESET)
        if kind == ACKNOWLEDGEMENT and its_id == message_id and code == EMPTY:
            acknowledged = True  # the answer comes in a message of its own (5.2.2)
        elif code != EMPTY and its_token == token:
            return (code >> 5) + (code & 31) / 100, payload
    raise OSError(errno.ETIMEDOUT)


def main_get(host, port, path, identity, key):
    with connect(host, int(port), client_context(identity, key)) as connection:
        code, payload = get(connection, path)
    print("%.2f" % code)
    print(payload.decode())


def main_server(port, identity, key):
    asyncio.run(coap_server.serve(server_context(identity, key), port))


if __name__ == "__main__":
    role, arguments = "".join(sys.argv[1:2]), sys.argv[2:]
    if role == "get" and len(arguments) == 5:
        main_get(*arguments)
    elif role == "server" and len(arguments) == 3:
        main_server(*arguments)
    else:
        print("usage: coaps_psk.py server PORT IDENTITY KEY")
        print("       coaps_psk.py get HOST PORT PATH IDENTITY KEY")
        sys.exit(2)
