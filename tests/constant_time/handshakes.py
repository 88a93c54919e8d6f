# SPDX-License-Identifier: MIT OR Apache-2.0
"""As many handshakes as the first argument says, each with four multiplications on P-256:
two keys are made, and each side multiplies the other's with its own. Started by run.py."""

import sys

sys.path.append(sys.argv[2])

import ssl
from link import pair, shake

contexts = []
for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
    ctx = ssl.SSLContext(protocol)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2  # in TLS 1.3 Mbed TLS makes keys by way of PSA
    ctx.set_ciphers(["TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256"])
    ctx.set_ecdh_curve("secp256r1")
    contexts.append(ctx)
contexts[0].psk_identity, contexts[0].psk_key = "id", b"0123456789abcdef"
contexts[1].server_psk_keys = {b"id": b"0123456789abcdef"}
for _ in range(int(sys.argv[1])):
    client, server = pair(*contexts)[:2]
    assert shake(client, server) == (True, True)
    client.close()
    server.close()
