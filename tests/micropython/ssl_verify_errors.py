# What is wrong with a certificate, in words.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *


def verify(label, cert, key, ca=pki.ca_der, hostname=HOST):
    client, server, client_end, _ = pair(client_context(ca), server_context(cert, key), hostname)
    client_result, server_result = shake(client, server)
    print("%s: %r | %r" % (label, client_result, server_result))
    return client, server


verify("good", pki.ec_der, pki.ec_key_der)
verify("good by name", pki.ec_der, pki.ec_key_der, hostname="localhost")
verify("good in capitals", pki.ec_der, pki.ec_key_der, hostname="MicroPython.Local")
verify("good RSA", pki.rsa_der, pki.rsa_key_der)
verify("good P-384", pki.ec384_der, pki.ec384_key_der)
verify("expired", pki.expired_der, pki.expired_key_der)
verify("not yet valid", pki.notyet_der, pki.notyet_key_der)
verify("wrong host", pki.ec_der, pki.ec_key_der, hostname="elsewhere.example")
verify("other host", pki.wronghost_der, pki.wronghost_key_der)
verify("part of host", pki.ec_der, pki.ec_key_der, hostname="python.local")
verify("host and more", pki.ec_der, pki.ec_key_der, hostname="micropython.local.evil.example")
verify("empty host", pki.ec_der, pki.ec_key_der, hostname="")
verify("unknown CA", pki.other_der, pki.other_key_der)
verify("self-signed", pki.selfsigned_der, pki.selfsigned_key_der)
verify("self-signed and known", pki.selfsigned_der, pki.selfsigned_key_der, pki.selfsigned_der)
verify("no intermediate", pki.leaf_pem, pki.leaf_key)
verify("with intermediate", pki.leaf_pem + pki.intermediate_pem, pki.leaf_key)
verify("intermediate is trusted", pki.leaf_pem, pki.leaf_key, pki.intermediate_pem)
verify(
    "everything", pki.expired_der, pki.expired_key_der, pki.other_ca_der, "elsewhere.example"
)

# The same for a client's certificate.
server_ctx = server_context()
server_ctx.verify_mode = ssl.CERT_REQUIRED
server_ctx.load_verify_locations(pki.ca_der)
for label, cert, key in (
    ("client", pki.client_pem, pki.client_key),
    ("other client", pki.other_client_der, pki.other_client_key_der),
    ("server as client", pki.ec_der, pki.ec_key_der),
):
    client_ctx = client_context()
    client_ctx.load_cert_chain(cert, key)
    client, server = shake(*pair(client_ctx, server_ctx)[:2])
    print("%s: %r | %r" % (label, client, server))
