# SSLContext.set_ecdh_curve, and who multiplies on P-256.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

print(tls.P256_BACKEND in ("rustcrypto", "mbedtls"), ssl.P256_BACKEND == tls.P256_BACKEND)

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
for name in ("secp256r1", "prime256v1", "P-256", "x25519", "X25519", "secp384r1", "secp521r1", b"P-384"):
    show(name, ctx.set_ecdh_curve, name)
show("list", ctx.set_ecdh_curve, ["x25519", "secp256r1"])
show("tuple", ctx.set_ecdh_curve, ("x25519", "secp256r1", "x25519"))
for bad in ("", "nonsense", "P-256 ", [], (), ["P-256", "nonsense"], None, 23, [23], ["P-256", None], {"P-256": 1}):
    show(bad, ctx.set_ecdh_curve, bad)
show("no argument", ctx.set_ecdh_curve)


def connect(client_curves, server_curves, *args):
    client_ctx = client_context()
    server_ctx = server_context(*args)
    if client_curves:
        client_ctx.set_ecdh_curve(client_curves)
    if server_curves:
        server_ctx.set_ecdh_curve(server_curves)
    client, server = pair(client_ctx, server_ctx)[:2]
    print(client_curves, server_curves, shake(client, server))


connect(None, None)
connect("secp256r1", None)
connect(None, "P-256")
connect(["x25519", "P-256"], None)
connect(["secp384r1", "secp256r1"], ("P-256", "x25519"))
# A certificate's curve counts too: it must be among those offered.
connect("x25519", None)
connect("x25519", None, pki.rsa_der, pki.rsa_key_der)
connect("x25519", "x25519", pki.rsa_der, pki.rsa_key_der)
connect("x25519", "secp384r1", pki.rsa_der, pki.rsa_key_der)

# For sockets wrapped after it was set.
client_ctx = client_context()
client, server = pair(client_ctx, server_context())[:2]
client_ctx.set_ecdh_curve("secp521r1")
print(shake(client, server))
