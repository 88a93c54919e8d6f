# SSLContext.check_hostname, as in CPython; and hosts that are addresses, which no ClientHello
# names (RFC 6066 3) and certificates have as such.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

# Signed by itself; SAN ::1, fe80::1, 192.0.2.1 (addresses).
DER = bytes.fromhex(
    "308201af30820156a003020102021476f2df19e63693c7a52bbdb1608c33d4b2d3836f300a06"
    "082a8648ce3d04030230123110300e06035504030c076e6f206e616d65301e170d3236313132"
    "363036333734305a170d3439303831373036333734305a30123110300e06035504030c076e6f"
    "206e616d653059301306072a8648ce3d020106082a8648ce3d0301070342000497b147013fd4"
    "543a34e2fe2f32a5600de6dece6de1b79e4cd98c045c5201bf57268300d065dff228f0a663a7"
    "639ce095cdb23db2a1cb4c57d29140cbf911a5f8a38189308186301d0603551d0e0416041429"
    "09c860d247422172e66a8baa874155ab5ee96c301f0603551d230418301680142909c860d247"
    "422172e66a8baa874155ab5ee96c300f0603551d130101ff040530030101ff30330603551d11"
    "042c302a8710000000000000000000000000000000018710fe80000000000000000000000000"
    "00018704c0000201300a06082a8648ce3d040302034700304402200afc5414e37897fb2ecb4e"
    "08efd98de3ac0ba7d4f5e9647964238f43b255642502200d9ea0a3073f9159f0cda75ae5e0bd"
    "6987d9ede2532a95ac90bc002ed36ae6a6"
)
KEY = bytes.fromhex(
    "3077020101042097a295b86f773e68560b4b0e630bd8880b0cdf9220103dcd6f1812beabcf6f"
    "3ca00a06082a8648ce3d030107a1440342000497b147013fd4543a34e2fe2f32a5600de6dece"
    "6de1b79e4cd98c045c5201bf57268300d065dff228f0a663a7639ce095cdb23db2a1cb4c57d2"
    "9140cbf911a5f8"
)

NONE, OPTIONAL, REQUIRED = ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED

# It is on for a client once verify_mode asks for a certificate, which to set it does as well.
for cls in (ssl.SSLContext, tls.SSLContext):
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        ctx = cls(protocol)
        print(protocol, "default", ctx.verify_mode, ctx.check_hostname)
        for mode in (REQUIRED, OPTIONAL, NONE):
            ctx.verify_mode = mode
            print(mode, ctx.check_hostname)
        for check in (False, True):
            show("set %s" % check, setattr, ctx, "check_hostname", check)
            print(ctx.verify_mode, ctx.check_hostname)
        ctx.check_hostname = False
        for mode in (REQUIRED, OPTIONAL, NONE):
            ctx.verify_mode = mode
            print(mode, ctx.check_hostname)

# What people write for CPython.
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ctx.check_hostname = False
ctx.verify_mode = NONE
print(shake(*pair(ctx)[:2]))


def context(mode, check, ca=pki.ca_der, cls=ssl.SSLContext):
    ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(ca)
    ctx.verify_mode = mode
    ctx.check_hostname = check
    return ctx


# Without it the chain is verified, and not the name.
for mode in (OPTIONAL, REQUIRED):
    for check in (True, False):
        for ca in (pki.ca_der, pki.other_ca_der):
            for name in (HOST, "elsewhere.example", None):
                label = (mode, check, ca is pki.ca_der, name)
                try:
                    client, server = pair(context(mode, check, ca), None, name)[:2]
                except ValueError as er:
                    print(label, er)
                    continue
                result = shake(client, server)
                print(label, repr(result[0]), result[0] is True and client.getpeercert() != {})

# A connection keeps what its context said when it was made.
ctx = context(REQUIRED, False)
client, server = pair(ctx, None, "elsewhere.example")[:2]
ctx.check_hostname = True
print(shake(client, server)[0])
ctx = context(REQUIRED, True)
client, server = pair(ctx, None, "elsewhere.example")[:2]
ctx.check_hostname = False
print(repr(shake(client, server)[0]))

# Addresses: what a ClientHello says, and whether the certificate is for it.
server_ctx = server_context(DER, KEY)
for name in (
    "micropython.local",
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.1.example",
    "192.0.2",
    "::1",
    "0:0:0:0:0:0:0:1",
    "0:0::0:1",
    "[::1]",
    "::2",
    "[::2]",
    "fe80::1",
    "fe80::1%eth0",
    "FE80::1%25en0",
    "[fe80::1%wlan0]",
    "fe80::2%eth0",
    "[192.0.2.1]",
    "[::1",
    "::1]",
    "[]",
    "%",
    "::1%" + 60 * "x",
):
    client, server, client_end, server_end = pair(context(REQUIRED, True, DER), server_ctx, name)
    step(client)
    hello = bytes(server_end.rx)
    plain = name.strip("[]").split("%")[0]
    named = name.encode() in hello or plain.encode() in hello if plain else None
    result = shake(client, server)
    print(name[:20], "named" if named else "not named", result[0] is True)

# An address in a certificate's DNS name or common name, as with stock.
for name in ("127.0.0.1", "127.0.0.2"):
    print(name, shake(*pair(context(REQUIRED, True), None, name)[:2])[0] is True)

# Common names count where no subjectAltName is a DNS name, as in CPython, and never for addresses.
import chains

ctx = client_context(chains.root)
for cert, hosts in (
    ("san_ip", (HOST, "MicroPython.Local", "a.micropython.local", "127.0.0.1", "127.0.0.2")),
    ("san_email", (HOST, "a", "example.com")),
    ("san_other", (HOST, "other.example", "127.0.0.1")),
    ("san_star", ("www.example.org", "example.org", ".example.org", "a.www.example.org", "*.example.org")),
    ("san_top", ("example.org", "*.org")),
    ("cn_ip", ("127.0.0.1", "127.0.0.2", "[127.0.0.2]")),
):
    for host in hosts:
        result = shake(*pair(ctx, server_context(getattr(chains, cert), chains.key), host)[:2])[0]
        print(cert, host, result if result is True else type(result).__name__)
# What the chain says is still looked at.
ctx = client_context(pki.ca_der)
print(shake(*pair(ctx, server_context(chains.san_ip, chains.key))[:2])[0])

# An address is none of those that a wildcard stands for (RFC 9525 6.3). Signed by itself; SAN DNS
# *.0.2.1, 192.0.2.9, *.example.org, address 198.51.100.1.
STAR_DER = bytes.fromhex(
    "308201853082012aa00302010202141f2976174598abd83ace742782ccbd35d3a48c90300a06"
    "082a8648ce3d040302300e310c300a06035504030c03616e79301e170d323430313031303030"
    "3030305a170d3439313233313030303030305a300e310c300a06035504030c03616e79305930"
    "1306072a8648ce3d020106082a8648ce3d03010703420004e76a90e997c5a649992d9c05fe9d"
    "9bd7be78d8acd0defb4fb729ba7f19a46336005c21d88393d495beb6f03131c7364b142f9313"
    "921a9d7dae34ff2814e11eb3a3663064300f0603551d130101ff040530030101ff3032060355"
    "1d11042b302982072a2e302e322e3182093139322e302e322e398704c6336401820d2a2e6578"
    "616d706c652e6f7267301d0603551d0e04160414b5d8ab3c4bce28f840a412208dd6a957d263"
    "a3d4300a06082a8648ce3d0403020349003046022100ea883749c0cba407c03524d69c48c828"
    "aa51a2b3e2dbf6343efa981284a5bc5f0221009b83f04a049827ac49a676b63f933cbcaffc75"
    "27556974efb9f1117c1d710689"
)
STAR_KEY = bytes.fromhex(
    "307702010104202cfa89e54ff915b3b8a2ebf0ab6aba5b8dd8f8c66593b9a7346ac2f98ccc17"
    "44a00a06082a8648ce3d030107a14403420004e76a90e997c5a649992d9c05fe9d9bd7be78d8"
    "acd0defb4fb729ba7f19a46336005c21d88393d495beb6f03131c7364b142f9313921a9d7dae"
    "34ff2814e11eb3"
)
server_ctx = server_context(STAR_DER, STAR_KEY)
for mode, check in ((REQUIRED, True), (OPTIONAL, True), (REQUIRED, False)):
    for host in ("192.0.2.1", "[192.0.2.1]", "192.0.2.9", "198.51.100.1", "198.51.100.2", "a.0.2.1", "a.example.org"):
        client, server = pair(context(mode, check, STAR_DER), server_ctx, host)[:2]
        result = shake(client, server)[0]
        print(mode, check, host, result is True, result is True and client.getpeercert() != {})
