#!/usr/bin/env python3
"""Writes pki.py, the keys and certificates of these tests.

    make_pki.py PKI_DIR > pki.py         PKI_DIR as tests/certs/make_certs.sh makes it

Needed only when a test wants another certificate. The keys are public, and worth nothing.
"""

import sys
import textwrap
from pathlib import Path

PEM = """ca.pem other_ca.pem intermediate.pem ec.pem ec.key ec.pk8 leaf.pem leaf.key
    client.pem client.key encrypted.key encrypted.pk8"""
DER = """ca.der other_ca.der ec.der ec.key.der ec.pk8.der encrypted.pk8.der rsa.der rsa.key.der
    ec384.der ec384.key.der expired.der expired.key.der notyet.der notyet.key.der
    other.der other.key.der wronghost.der wronghost.key.der selfsigned.der selfsigned.key.der other_client.der
    other_client.key.der"""

folder = Path(sys.argv[1])
print('"""Keys and certificates, valid to the end of 2049. Made by make_pki.py, which see.')
print()
print("What each of them is, tests/certs/make_certs.sh says: NAME_pem is its NAME.pem, and so on.")
print('"""')
for name in PEM.split():
    print(f'\n{name.replace(".", "_")} = """\\\n{(folder / name).read_text()}"""')
for name in DER.split():
    print(f'\n{name.replace(".", "_")} = bytes.fromhex(')
    for line in textwrap.wrap((folder / name).read_bytes().hex(), 88):
        print(f'    "{line}"')
    print(")")
