# Certificates that Mbed TLS does not read, in a peer's chain: with a critical extension that it does
# not know (nameConstraints), or another kind of key. Whoever verifies nothing is not to fail for
# them; whoever verifies, only where they are needed; and none is ever trusted.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import chains, pki
from link import *

CHAINS = (
    ("plain", chains.plain),
    ("of a limited CA, alone", chains.of_limited_ca),
    ("of a limited CA", chains.of_limited_ca + chains.limited_ca),
    ("of a limited CA, and others", chains.of_limited_ca + chains.old_ca + chains.limited_ca + chains.root),
    ("with one that nobody needs", chains.plain + chains.limited_ca),
    ("in front of one that is needed", chains.of_old_ca + chains.limited_ca + chains.old_ca),
    ("with Ed25519", chains.plain + chains.ed25519),
    ("with several", chains.plain + chains.ed25519 + chains.limited_ca + chains.ed25519 + chains.root),
    ("limited itself", chains.limited),
    ("unknown", chains.unknown),
    ("unknown, and more", chains.unknown + chains.ed25519 + chains.root),
)


def certificates(data):
    while data:
        size = 4 + (data[2] << 8 | data[3])
        yield data[:size]
        data = data[size:]


def with_size(data):
    return bytes((0, len(data) >> 8, len(data) & 255)) + data


def replace(rx, ders):
    """The Certificate message in what comes, by another one: server_context has another chain."""
    at = 0
    while at < len(rx):
        size = rx[at + 3] << 8 | rx[at + 4]
        if rx[at] == 22 and rx[at + 5] == 11:
            old = 4 + (rx[at + 7] << 8 | rx[at + 8])
            new = b"\x0b" + with_size(with_size(b"".join(with_size(der) for der in ders)))
            new += bytes(rx[at + 5 + old : at + 5 + size])
            rx[at : at + 5 + size] = bytes(rx[at : at + 3]) + bytes((len(new) >> 8, len(new) & 255)) + new
            return
        at += 5 + size


def outcome(client_ctx, ders):
    """How far a client gets with a server whose chain is this: the transcripts differ in the end."""
    client, server, client_end, _ = pair(client_ctx, server_context(chains.plain, chains.key))
    step(client)
    step(server)
    replace(client_end.rx, ders)
    return step(client)


# Who verifies nothing gets as far as the end of the server's flight with each of them.
for label, data in CHAINS:
    for mode in (ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.verify_mode = mode
        ctx.load_verify_locations(cadata=chains.root)
        result = outcome(ctx, certificates(data))
        # "None": it has answered, and waits for the server, which has signed something else.
        print(label, mode, "goes on" if result is None else (repr(result), result.alert, result.hint))

# A server's client.
for mode in (ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED):
    server_ctx = server_context(chains.plain, chains.key)
    server_ctx.verify_mode = mode
    server_ctx.load_verify_locations(cadata=chains.root)
    for label, data in CHAINS:
        client_ctx = client_context()
        client_ctx.load_cert_chain(chains.plain, chains.key)
        client, server, _, server_end = pair(client_ctx, server_ctx)
        step(client)
        step(server)
        step(client)
        replace(server_end.rx, certificates(data))
        result = step(server)
        # What it has signed is another transcript, but for the first of these.
        goes_on = result is True or (isinstance(result, OSError) and result.reason == "decrypt_error")
        print(label, mode, "goes on" if goes_on else repr(result))

# Damaged ones end it.
for label, ders in (
    ("cut", (chains.plain[:-1],)),
    ("empty", (b"",)),
    ("none", ()),
    ("garbage", (b"\x30\x82\x00\xc8" + bytes(200),)),
    ("garbage with what looks critical", (b"\x30\x82\x00\xc8" + b"\x01\x01\xff\x04" * 50,)),
    ("garbage behind", (chains.plain, bytes(200))),
    ("short behind", (chains.plain, bytes(9))),
):
    result = outcome(client_context(), ders)
    print(label, "goes on" if result is None else (repr(result), result.reason))

# Whole handshakes with such chains: consumers/openssl.py.
