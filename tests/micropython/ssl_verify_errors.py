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

# Signed by themselves: for signing certificates only; with an RSA key of 1024 bits.
cert_sign_der = bytes.fromhex(
    "3082019e30820143a00302010202146a034885d808050b0bca0cdd1b29fed17148ca8e300a06"
    "082a8648ce3d040302301c311a301806035504030c116d6963726f707974686f6e2e6c6f6361"
    "6c301e170d3236313132363037303135345a170d3439303831373037303135345a301c311a30"
    "1806035504030c116d6963726f707974686f6e2e6c6f63616c3059301306072a8648ce3d0201"
    "06082a8648ce3d030107034200046d11e43dac5dad14dc4662bfe06d48bc4f3e7664b5057a38"
    "8520752ba966e693b688d4ea3dda5329485195c186d41e0d2e45ce32069dab020325b8889b42"
    "93c2a3633061301d0603551d0e0416041418cf10c799e4084e17b721a6231015c31fa7ad3030"
    "1f0603551d2304183016801418cf10c799e4084e17b721a6231015c31fa7ad30300f0603551d"
    "130101ff040530030101ff300e0603551d0f0101ff040403020204300a06082a8648ce3d0403"
    "020349003046022100ace76f4a64d446bafa3cb4f6198fa98250e3662acc4c3120694c494fe8"
    "c621f70221008b0dc0090fc44c5f7efb461ebdc4cff35c8f315fa9b039f1dac73f404f6c996d"
)
cert_sign_key_der = bytes.fromhex(
    "30770201010420f5d98cb4946bcde224134d2876b6ef41d41590aeebd1002a271f2f3e2af8a7"
    "83a00a06082a8648ce3d030107a144034200046d11e43dac5dad14dc4662bfe06d48bc4f3e76"
    "64b5057a388520752ba966e693b688d4ea3dda5329485195c186d41e0d2e45ce32069dab0203"
    "25b8889b4293c2"
)
weak_der = bytes.fromhex(
    "308202143082017da003020102021457065c6aeabe9f8d4533d708bc7aab3dd9f6438d300d06"
    "092a864886f70d01010b0500301c311a301806035504030c116d6963726f707974686f6e2e6c"
    "6f63616c301e170d3236313132363037303135345a170d3439303831373037303135345a301c"
    "311a301806035504030c116d6963726f707974686f6e2e6c6f63616c30819f300d06092a8648"
    "86f70d010101050003818d0030818902818100b6690e66217d941da9dd07e15d263b52698697"
    "bb830c86cf5dac6e8a0de7bae990edaec36d449ce5f7b988ea7fb73c221d2eb760460b3b641d"
    "43aab241e4df688a92bf45cf68bf7c3cd8d172d794d487b31f786183a585f23f861bf29d8120"
    "b8590c027dfdf6f11c9ecad1fdd7d10e9377fe6bb90bedcc94b3aa18f9fd6e91050203010001"
    "a3533051301d0603551d0e0416041400b1e0987c6ac924c096e43eeda4afd68b859ca0301f06"
    "03551d2304183016801400b1e0987c6ac924c096e43eeda4afd68b859ca0300f0603551d1301"
    "01ff040530030101ff300d06092a864886f70d01010b050003818100a422c4e1affd63e752f4"
    "91505573a7f3ad7956bbc5cf8221ccbd32a032a8e5c7feb4f0e582d9f752ac07c12478e8c5ca"
    "5b5bf87d58d32b797f00984f0ecc1f40259133341202cca333425db1dbaddfad9d2f5a6cbf85"
    "a71430de488592a11cedc8f79558f0ff45a45cfc3dd0c84bb3def77eab1af53f7ac41740cc68"
    "7951468d"
)
weak_key_der = bytes.fromhex(
    "3082025d02010002818100b6690e66217d941da9dd07e15d263b52698697bb830c86cf5dac6e"
    "8a0de7bae990edaec36d449ce5f7b988ea7fb73c221d2eb760460b3b641d43aab241e4df688a"
    "92bf45cf68bf7c3cd8d172d794d487b31f786183a585f23f861bf29d8120b8590c027dfdf6f1"
    "1c9ecad1fdd7d10e9377fe6bb90bedcc94b3aa18f9fd6e9105020301000102818100a26ff183"
    "9f854df6108325765a562673a0475c2d7e69144feb721749d75229cfbee0fa454bb3d328b32e"
    "c4af56a65ce560296ee14bdecab7bf9bb791603ea976d409ddce31152338fdf9c7a397009c0f"
    "4c4088e30660cc003fb3304cb4f53181f49b61ad251ab071c7f9b0840f6c783d1b61117fb612"
    "7ff9be91451e5bbbd901024100e9b603166266f3f3362b1e851ca342ad9c6374fbdf676e1a33"
    "786ea8909af841675c2bb1f33f7c0ca3d1ec755c3d75395b4c485ad80184e7dec82829a05e7c"
    "41024100c7ce8de3d57a870a255e0e1be76e386a88daa6fd1f9d073ec8ce7d508deeb90c0ed6"
    "87f292e1ffdb92b769b53e2434a07a3b8cc6bd3a5d1b40157f19a3f833c5024100e40a784ac0"
    "2b6abf96cc4e145e5422fc99cb25db9a2a26f1a3e5503c6415024577202576963e0cc19c9b79"
    "d92deebdd20076976724bb9ebe4cd00af84b05c6c1024058f4f3632e5660ecf97a089a0fcd98"
    "bc85b5a3872a9e04edc50579f1755f856f82e3ac9f291a0989bea67e1fbd4ced494d6259e8d9"
    "b2b4653f80d2979dd311690240026283b6a94519c7729200b7ecbc79d9866369eabf77c8cb98"
    "55db71278466c1094e9f6325e0367d04bc6392a7b0cd5a8f92c731098c00caf783fcff9088a6"
    "00"
)
verify("keyUsage", cert_sign_der, cert_sign_key_der, cert_sign_der)
verify("weak key", weak_der, weak_key_der, weak_der)
