# SSLContext.minimum_version, maximum_version, ssl.TLSVersion.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

Version = ssl.TLSVersion
# CPython's numbers.
print(Version.MINIMUM_SUPPORTED, Version.SSLv3, Version.TLSv1, Version.TLSv1_1, Version.TLSv1_2)
print(Version.TLSv1_3, Version.MAXIMUM_SUPPORTED, ssl.HAS_TLSv1_2, ssl.HAS_TLSv1_3)

try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version = Version.TLSv1_3
except ValueError as er:
    print(er)

for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_DTLS_CLIENT):
    ctx = ssl.SSLContext(protocol)
    print(ctx.minimum_version, ctx.maximum_version)
    for name in ("minimum_version", "maximum_version"):
        for value in (-3, -2, -1, 0, 2, 767, 768, 769, 770, 771, 772, 773, 1 << 16 | 771, 1 << 40, True, None, "TLSv1_2"):
            try:
                setattr(ctx, name, value)
            except (ValueError, OverflowError):
                print(name, value, "refused", getattr(ctx, name))
            except TypeError:
                print(name, value, "TypeError", getattr(ctx, name))
            else:
                print(name, value, getattr(ctx, name) == value)

# As programs for CPython have it.
client_ctx, server_ctx = client_context(), server_context()
for ctx in (client_ctx, server_ctx):
    ctx.minimum_version = Version.TLSv1_2
    ctx.maximum_version = Version.TLSv1_3
client, server = pair(client_ctx, server_ctx)[:2]
print(shake(client, server), client.version(), server.version())
