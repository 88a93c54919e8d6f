"""Signs the certificate given again, valid in 2020 only. Run with upydev's `cryptography`.

expire.py CERTIFICATE CA_KEY PASSPHRASE
"""

import sys
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

path, ca_key, passphrase = sys.argv[1:]
with open(path, "rb") as file:
    valid = x509.load_pem_x509_certificate(file.read())
with open(ca_key, "rb") as file:
    signer = serialization.load_pem_private_key(file.read(), passphrase.encode())
expired = (
    x509.CertificateBuilder()
    .subject_name(valid.subject)
    .issuer_name(valid.issuer)
    .public_key(valid.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(datetime(2020, 1, 1))
    .not_valid_after(datetime(2020, 12, 31))
    .sign(signer, hashes.SHA256())
)
with open(path, "wb") as file:
    file.write(expired.public_bytes(serialization.Encoding.PEM))
