"""What the device scripts share: arguments of the form name=value, and DTLS contexts from them."""

import socket
import sys
import tls


def options():
    return dict(argument.split("=", 1) for argument in sys.argv[1:])


def read(path):
    with open(path, "rb") as file:
        return file.read()


def context(given, server=False):
    """A context from ca=, cert=, key=, timeout=INITIAL,MAXIMUM, mtu=, cid=, ciphers=,
    hibernate_after=.

    With ca= it verifies.

    psk_identity= (@PATH of a file) and psk_key=, both in hexadecimal, are a client's, which a
    server knows; psk_hint= is a server's.
    """
    result = tls.SSLContext(tls.PROTOCOL_DTLS_SERVER if server else tls.PROTOCOL_DTLS_CLIENT)
    result.verify_mode = tls.CERT_REQUIRED if "ca" in given else tls.CERT_NONE
    if "ca" in given:
        result.load_verify_locations(read(given["ca"]))
    if "cert" in given:
        result.load_cert_chain(read(given["cert"]), read(given["key"]))
    if "psk_identity" in given:
        # Unix MicroPython takes no argument as long as an identity can be.
        identity = bytes.fromhex(read(given["psk_identity"][1:]).decode())
        key = bytes.fromhex(given["psk_key"])
        if not server:
            result.psk_identity, result.psk_key = identity, key
        elif "psk_hint" in given:
            # Text comes as str.
            keys = {identity: key}
            result.set_psk_server_callback(
                lambda shown: keys.get(shown.encode() if isinstance(shown, str) else shown),
                given["psk_hint"],
            )
        else:
            result.server_psk_keys = {identity: key}
    if "ciphers" in given:
        result.set_ciphers(given["ciphers"].split(","))
    if "timeout" in given:
        result.dtls_timeout = tuple(int(ms) for ms in given["timeout"].split(","))
    if "mtu" in given:
        result.dtls_mtu = int(given["mtu"])
    if "hibernate_after" in given:
        result.hibernate_after = int(given["hibernate_after"])
    if "cid" in given:
        result.dtls_cid = int(given["cid"])
        result.dtls_cid_required = given.get("cid_required") == "1"
    return result


def address(port):
    return socket.getaddrinfo("127.0.0.1", int(port))[0][-1]


def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def connection_ids(connection):
    """Ours and the peer's, in hexadecimal."""
    pair = connection.connection_id
    return pair and tuple(cid.hex() if cid else "" for cid in pair)
