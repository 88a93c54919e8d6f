# SSLContext.verify_flags, which is there in every build, and CRLs, which are not.
try:
    import ssl

    ssl.VERIFY_DEFAULT
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import pki
from link import *

print(ssl.VERIFY_DEFAULT, ssl.VERIFY_CRL_CHECK_LEAF, ssl.VERIFY_CRL_CHECK_CHAIN)
ctx = client_context(pki.ca_der)
ctx.verify_mode = ssl.CERT_REQUIRED
print(ctx.verify_flags, ctx.cert_store_stats()["crl"])
ctx.verify_flags = ssl.VERIFY_DEFAULT
try:
    ctx.verify_flags = ssl.VERIFY_CRL_CHECK_LEAF
    has_crls = True
except NotImplementedError as er:
    assert str(er) == "MPSSL_CRL", er
    has_crls = False
for label, value in (("a bool", True), ("a str", "4"), ("None", None), ("a fraction", 1.5)):
    try:
        ctx.verify_flags = value
        print(label)
    except TypeError:
        print(label, "TypeError")
for value in (8, 0x20, 4 | 0x20, -1, 1 << 29):
    try:
        ctx.verify_flags = value
        print(value)
    except (ValueError, NotImplementedError) as er:
        assert isinstance(er, ValueError) == has_crls, er

# Without a list of the issuer, nobody is trusted; where there are none, nobody looked.
results = shake(*pair(ctx, server_context(pki.ec_der, pki.ec_key_der))[:2])
if has_crls:
    assert ctx.verify_flags == ssl.VERIFY_CRL_CHECK_LEAF
    assert isinstance(results[0], ssl.SSLCertVerificationError), results
    assert "There is no CRL of the certificate's issuer" in str(results[0]), results
    ctx.verify_flags = ssl.VERIFY_DEFAULT
    results = shake(*pair(ctx, server_context(pki.ec_der, pki.ec_key_der))[:2])
print(results)
