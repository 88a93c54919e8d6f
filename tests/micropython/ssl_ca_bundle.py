# Files of CA certificates as they are found in the field: with some that Mbed TLS cannot read,
# in PEM with other labels and blanks, as DER with something behind it.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import binascii
import tls
import pki
from link import *

# A CA that signs with Ed25519, and one with a critical nameConstraints.
ED25519 = bytes.fromhex(
    "3082013e3081f1a003020102021466bdf559141e9398e168fd470e295c25a83dd50530050603"
    "2b657030153113301106035504030c0a45643235353139204341301e170d3236313132363036"
    "343935315a170d3439303831373036343935315a30153113301106035504030c0a4564323535"
    "3139204341302a300506032b6570032100e71c68eb88a0ec0abf2aeba4bc4ca493a2cd8f2e49"
    "24bbf31c62e252ebcadaeaa3533051301d0603551d0e041604143d5ffa65bef585bf955bad21"
    "28d3e3a05ecd3d1e301f0603551d230418301680143d5ffa65bef585bf955bad2128d3e3a05e"
    "cd3d1e300f0603551d130101ff040530030101ff300506032b65700341002756d7dc0238ba7d"
    "d92349a327a7c3af962d7ebea06dfbc1948a089bbcf8d2c8e77fd2a9ff0b48b9673a9ca570d5"
    "031e9bf78561f7e46f0761473f867488e10c"
)
CONSTRAINED = bytes.fromhex(
    "308201a230820148a003020102021455752aac6b50d8e423ec3f939e7b11f171f93035300a06"
    "082a8648ce3d04030230193117301506035504030c0e636f6e73747261696e6564204341301e"
    "170d3236313132363036343935315a170d3439303831373036343935315a3019311730150603"
    "5504030c0e636f6e73747261696e65642043413059301306072a8648ce3d020106082a8648ce"
    "3d0301070342000420aa75d531782315199d7e5655a8676c625fb9350321890f7aa4bcdc2657"
    "dbc265e63a075ca7d427fb4f0b78b035ea475ec8310e313fe72a52aad33038877104a36e306c"
    "301d0603551d0e04160414a8076cb72c043f1969c34890e813e9596062e8a3301f0603551d23"
    "041830168014a8076cb72c043f1969c34890e813e9596062e8a3300f0603551d130101ff0405"
    "30030101ff30190603551d1e0101ff040f300da00b300982076578616d706c65300a06082a86"
    "48ce3d0403020348003045022100998dd4b2d854dd6f4753bdbc32f437edb5cbb1a4310a46a6"
    "d4d25c09804d8c80022066074bb0a81730817ec56e5c90a71ce496b51c5db14c487dad20bf0d"
    "79b91f04"
)


def pem(der, label="CERTIFICATE", end="\n"):
    text = binascii.b2a_base64(der).decode().strip()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return end.join(["-----BEGIN %s-----" % label] + lines + ["-----END %s-----" % label, ""])


server = server_context()
other = server_context(pki.other_der, pki.other_key_der)


def load(label, *args, **kwargs):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        ctx.load_verify_locations(*args, **kwargs)
    except ValueError as er:
        print(label, er, ctx.cert_store_stats()["x509"])
        return
    except Exception as er:
        print(label, type(er).__name__)
        return
    ctx.verify_mode = ssl.CERT_REQUIRED
    stats = ctx.cert_store_stats()
    trusted = [shake(*pair(ctx, of)[:2])[0] is True for of in (server, other)]
    print(label, [stats[name] for name in ("x509", "x509_ca", "crl")], trusted)


CA, OTHER = pki.ca_der, pki.other_ca_der
print(sorted(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).cert_store_stats()))

# What Mbed TLS cannot read is passed over, wherever it is; alone it is an error.
for name, bad in (("Ed25519", ED25519), ("nameConstraints", CONSTRAINED)):
    load(name + " PEM", cadata=pem(bad))
    load(name + " DER", cadata=bad)
    for others in ((bad, CA), (CA, bad), (CA, bad, OTHER), (bad, bad, CA, bad, bad, OTHER, bad)):
        load(name + " PEM %d" % len(others), cadata="".join(pem(der) for der in others))
        load(name + " DER %d" % len(others), cadata=b"".join(others))
load("both kinds", cadata=pem(ED25519) + pem(CONSTRAINED))
load("leaf", cadata=pki.ec_der + CA)
# What is damaged is an error, as in CPython.
for label, data in (
    ("cut", pem(CA) + pem(OTHER)[:-40]),
    ("cut at the end", pem(CA) + pem(OTHER)[:-12]),
    ("cut inside", pem(CA) + pem(OTHER[:-1])),
    ("other end", pem(CA).replace("END CERTIFICATE", "END KEY")),
    ("no base64", pem(CA) + pem(OTHER).replace("MI", "M!")),
    ("padding inside", pem(CA) + pem(OTHER).replace("\nM", "\n=")),
    ("a digit more", pem(CA) + pem(OTHER).replace("\n-----END", "A\n-----END")),
    ("nothing", pem(CA) + pem(b"")),
    ("no certificate", pem(pki.ec_key_der)),
    ("a key", pem(pki.ec_key_der, "EC PRIVATE KEY")),
    ("DER cut", CA + OTHER[:-1]),
):
    load(label, cadata=data)

# PEM's forms.
for end in ("\n", "\r\n", "   \n", "\t \r\n", " \n\n", "\r"):
    load(repr(end), cadata="text\n" + pem(CA, end=end) + "more\n" + pem(OTHER, end=end))
for label in ("X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
    load(label, cadata=pem(CA, label) + pem(OTHER))
# As openssl x509 -addtrust has it, whom it is trusted for behind it.
load("trust", cadata=pem(CA + bytes.fromhex("300c300a06082b06010505070301"), "TRUSTED CERTIFICATE"))
load("CRL first", cadata=pem(b"\x30\x00", "X509 CRL") + pem(CA))

# DER with what flash, an editor or a file system has behind it.
for tail in (b"\0", b"\0" * 7, b"\n", b"\r\n", b"\xff" * 16, b" ", b"\x1a", b"nonsense"):
    load(repr(tail), cadata=CA + tail)
    load(repr(tail), cadata=CA + OTHER + tail)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(pki.ec_der + tail, pki.ec_key_der)
    print(shake(*pair(None, ctx)[:2]))

# A server's own, in such PEM.
for end in ("   \n", "\t\r\n"):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = pem(pki.ec_key_der, "EC PRIVATE KEY", end)
    ctx.load_cert_chain(pem(pki.ec_der, "X509 CERTIFICATE", end), key)
    print(shake(*pair(None, ctx)[:2]))
    ctx.load_cert_chain(pem(pki.ec_der, end=end) + key)
    print(shake(*pair(None, ctx)[:2]))
    ctx.load_cert_chain(pem(pki.ec_der), pki.encrypted_key.replace("\n", end), "secret")
    print(shake(*pair(None, ctx)[:2]))
show("unreadable", ctx.load_cert_chain, pem(pki.ec_der) + pem(ED25519), pki.ec_key_der)

# What is empty is not given.
load("no path", cafile="", cadata=CA)
load("no path by position", "", CA)
load("only no path", cafile="")
load("no data", cafile=CA, cadata=b"")
load("neither", cafile="", cadata=None)
ctx = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
ctx.load_verify_locations(cafile="", cadata=CA)
print(ctx.cert_store_stats()["x509"])
ctx.load_verify_locations(OTHER)
print(ctx.cert_store_stats()["x509"])
