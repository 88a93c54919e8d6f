#!/usr/bin/env python3
"""Writes keys.py, private keys in forms that not every Mbed TLS reads.

    make_keys.py > keys.py

Needed only when a test wants another one. It runs OpenSSL 3. The keys are public, and worth nothing.
"""

import subprocess

SECRET = "-passout pass:secret"
EC = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
FORMS = {
    "PKCS#8 with AES": f"pkcs8 -topk8 {SECRET} -v2 aes-256-cbc",
    "PKCS#8 with DES3": f"pkcs8 -topk8 {SECRET} -v2 des3",
    "PKCS#8 with PBE and DES3": f"pkcs8 -topk8 {SECRET} -v1 PBE-SHA1-3DES",
    "PKCS#8 with scrypt": f"pkcs8 -topk8 {SECRET} -scrypt -scrypt_N 1024",
    "PEM with AES": f"ec {SECRET} -aes128",
    "PEM with DES3": f"ec {SECRET} -des3",
}


def openssl(command, data=None):
    return subprocess.run(["openssl", *command.split()], input=data, check=True, capture_output=True).stdout


key = openssl(EC)
keys = {name: openssl(command, key) for name, command in FORMS.items()}
name = "PKCS#8 with DES3 as DER"
keys[name] = openssl(FORMS["PKCS#8 with DES3"] + " -outform DER", key)
keys["Ed25519"] = openssl("genpkey -algorithm ED25519")
keys["RSA-PSS"] = openssl("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024")

print('"""Private keys, their password `secret`. Made by make_keys.py, which see."""\n\nKEYS = (')
for name, key in keys.items():
    if key.startswith(b"-----"):
        print(f'    (\n        "{name}",\n        """\\\n{key.decode()}""",\n    ),')
    else:
        print(f'    (\n        "{name}",\n        bytes.fromhex("{key.hex()}"),\n    ),')
print(")")
