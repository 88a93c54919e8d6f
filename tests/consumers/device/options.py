"""What the device scripts share: arguments of the form name=value, and TLS contexts from them."""

import socket
import sys

import tls


def options():
    return dict(argument.split("=", 1) for argument in sys.argv[1:])


def listening(given):
    """A socket that listens on port=, which is said."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo("127.0.0.1", int(given["port"]))[0][-1])
    listener.listen(5)
    print("READY")
    return listener


def read(path):
    with open(path, "rb") as file:
        return file.read()


def context(given, server=False):
    """A tls.SSLContext from ca=, cert=, key=, verify=, ciphers=, curves=, alpn=,
    max_fragment_length=, keylog=, crls= with colons between them, verify_flags=.

    A client with ca= verifies. Pre-shared keys as in pre_shared_keys().
    """
    result = tls.SSLContext(tls.PROTOCOL_TLS_SERVER if server else tls.PROTOCOL_TLS_CLIENT)
    default = tls.CERT_REQUIRED if "ca" in given and not server else tls.CERT_NONE
    result.verify_mode = int(given.get("verify", default))
    if "ca" in given:
        result.load_verify_locations(read(given["ca"]))
    for crl in filter(None, given.get("crls", "").split(":")):
        result.load_verify_locations(read(crl))
    if "verify_flags" in given:
        result.verify_flags = int(given["verify_flags"])
    if "cert" in given:
        result.load_cert_chain(read(given["cert"]), read(given["key"]))
    if "cert2" in given:
        result.load_cert_chain(read(given["cert2"]), read(given["key2"]))
    if "ciphers" in given:
        result.set_ciphers(given["ciphers"].split(","))
    if "curves" in given:
        result.set_ecdh_curve(given["curves"].split(","))
    if "alpn" in given:
        result.set_alpn_protocols(given["alpn"].split(","))
    if "max_fragment_length" in given:
        result.max_fragment_length = int(given["max_fragment_length"])
    if "keylog" in given:
        result.keylog_filename = given["keylog"]
    pre_shared_keys(given, result, server)
    return result


def unhex(given, name):
    """Bytes from hexadecimal, or from the file @PATH: unix MicroPython takes no long argument."""
    text = given[name]
    return bytes.fromhex(read(text[1:]).decode() if text.startswith("@") else text)


def pre_shared_keys(given, result, server):
    """psk_identity= and psk_key=, which a server knows as a client's, and a server's hint=.

    psk_form=callback gives them CPython's way.
    """
    if "psk_identity" not in given:
        return
    identity, key = unhex(given, "psk_identity"), unhex(given, "psk_key")
    callback = given.get("psk_form") == "callback"
    if server and callback:

        def key_of(shown):
            # Text comes as str, as in CPython; what is not UTF-8 as bytes.
            print("ASKED", repr(shown))
            shown = shown.encode() if isinstance(shown, str) else shown
            return key if shown == identity else None

        result.set_psk_server_callback(key_of, unhex(given, "hint") if "hint" in given else None)
    elif server:
        result.server_psk_keys = {identity: key}
    elif callback:

        def choose(hint):
            print("ASKED", repr(hint))
            return identity, key

        result.set_psk_client_callback(choose)
    else:
        result.psk_identity = identity
        result.psk_key = key


def resting(given, connection):
    """A function that does nothing, or with hibernate= puts the connection to sleep."""

    def rest():
        if "hibernate" in given:
            before = connection.cipher(), connection.getpeercert(True)
            print("SLEEPS", connection.hibernate())
            assert before == (connection.cipher(), connection.getpeercert(True))

    return rest
