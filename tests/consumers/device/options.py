"""What the device scripts share: arguments of the form name=value, and TLS contexts from them."""

import sys

import tls


def options():
    return dict(argument.split("=", 1) for argument in sys.argv[1:])


def read(path):
    with open(path, "rb") as file:
        return file.read()


def context(given, server=False):
    """A tls.SSLContext from ca=, cert=, key=, verify=, ciphers=; a client with ca= verifies."""
    result = tls.SSLContext(tls.PROTOCOL_TLS_SERVER if server else tls.PROTOCOL_TLS_CLIENT)
    default = tls.CERT_REQUIRED if "ca" in given and not server else tls.CERT_NONE
    result.verify_mode = int(given.get("verify", default))
    if "ca" in given:
        result.load_verify_locations(read(given["ca"]))
    if "cert" in given:
        result.load_cert_chain(read(given["cert"]), read(given["key"]))
    if "ciphers" in given:
        result.set_ciphers(given["ciphers"].split(","))
    return result
