# Keys, certificates and names that are refused say why, where it can be known.

try:
    import ssl, sys, tls
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import chains, keys, pki

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def why(label, fun, *args, **kwargs):
    try:
        print(label, "->", fun(*args, **kwargs))
    except Exception as er:
        print(label, "raises", repr(er), getattr(er, "hint", None))


load = ctx.load_cert_chain
why("swapped", load, pki.ec_key, pki.ec_pem)
why("swapped DER", load, pki.ec_key_der, pki.ec_der)
why("forgotten", load, pki.ec_pem)
why("forgotten DER", load, pki.ec_der)
why("two keys", load, pki.ec_key, pki.ec_key)
why("two keys DER", load, pki.ec_key_der, pki.ec_key_der)
why("only a key", load, pki.ec_key)
why("both", load, pki.ec_key + pki.ec_pem)
why("garbage", load, b"!", b"!")
why("garbage as certificate", load, b"!", pki.ec_key)
why("no password", load, pki.ec_pem, pki.encrypted_key)
why("another password", load, pki.ec_pem, pki.encrypted_key, "wrong")
for name, key in keys.KEYS:
    why(name, load, pki.ec_pem, key, "secret")
    why(name + " without password", load, pki.ec_pem, key)
why("certificate with Ed25519", load, chains.ed25519, pki.ec_key)
why("as an anchor", ctx.load_verify_locations, cadata=chains.ed25519)

# A path where data is meant; a file that is not there.
raw = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
why("cadata", ctx.load_verify_locations, cadata="ca.pem")
why("cadata as bytes", ctx.load_verify_locations, cadata=b"ca.pem")
why("wrap_socket's", ssl.wrap_socket, None, cadata="ca.pem")
why("tls", raw.load_cert_chain, "cert.pem", "key.pem")
why("tls certificate", raw.load_cert_chain, "cert.pem", pki.ec_key)
why("tls anchors", raw.load_verify_locations, "ca.pem")
for fun, args in (
    (load, ("missing.pem", "other.pem")),
    (load, (pki.ec_pem, "missing.key")),
    (ctx.load_verify_locations, ("missing.pem",)),
):
    try:
        fun(*args)
    except OSError as er:
        # ENOENT; ENODEV where there is no file system at all.
        print(er.errno in (2, 19), er.args[1:])

# Cipher suites.
why("ciphers", ctx.set_ciphers, ["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "AES128-SHA"])
why("cipher", ctx.set_ciphers, [""])
why("none", ctx.set_ciphers, [])
try:
    ctx.set_ciphers(["AES128-SHA"])
except OSError as er:
    print(er, er.args)

# The next one works.
print(load(pki.ec_pem, pki.ec_key))
