#!/usr/bin/env python3
"""Writes chains.py, certificates with something unusual in them.

    make_chains.py > chains.py

Needed only when a test wants another one. It runs OpenSSL 3. The keys are public, and worth nothing.
"""

import subprocess
import tempfile
import textwrap
from pathlib import Path

CA = "basicConstraints=critical,CA:true\n"
HOST = "micropython.local"
# Name: issuer, subject, key, extensions, first and last day.
GOOD = ("20240101000000Z", "20491231000000Z")
CERTS = {
    "root": ("root", "/CN=Root", "root", CA, GOOD),
    "old_ca": ("root", "/CN=Old CA/O=Works", "ca", CA, ("20010101000000Z", "20020101000000Z")),
    "of_old_ca": ("old_ca", "/CN=leaf", "leaf", f"subjectAltName=DNS:{HOST}", GOOD),
    # A subjectAltName that has no DNS name, beside a common name that is the host's; and others.
    "san_ip": ("root", f"/CN={HOST}", "leaf", "subjectAltName=IP:127.0.0.1", GOOD),
    "san_email": ("root", f"/CN={HOST}", "leaf", "subjectAltName=email:a@example.com,URI:coaps://a", GOOD),
    "san_other": ("root", f"/CN={HOST}", "leaf", "subjectAltName=DNS:other.example,IP:127.0.0.1", GOOD),
    "san_star": ("root", "/CN=*.example.org", "leaf", "subjectAltName=IP:127.0.0.1", GOOD),
    "san_top": ("root", "/CN=*.org", "leaf", "subjectAltName=IP:127.0.0.1", GOOD),
    "cn_ip": ("root", "/CN=127.0.0.2", "leaf", "subjectAltName=IP:127.0.0.1", GOOD),
    # What Mbed TLS does not know, critical.
    "limited_ca": ("root", "/CN=Limited CA", "ca", CA + "nameConstraints=critical,permitted;DNS:.local", GOOD),
    "of_limited_ca": ("limited_ca", "/CN=leaf", "leaf", f"subjectAltName=DNS:{HOST}", GOOD),
    "limited": (
        "limited",
        f"/CN={HOST}",
        "leaf",
        CA + f"nameConstraints=critical,permitted;DNS:.local\nsubjectAltName=DNS:{HOST}",
        GOOD,
    ),
    "unknown": ("root", "/CN=leaf", "leaf", f"1.2.3.4=critical,DER:0500\nsubjectAltName=DNS:{HOST}", GOOD),
    "plain": ("root", "/CN=leaf", "leaf", f"subjectAltName=DNS:{HOST}", GOOD),
    "ed25519": ("root", "/CN=Ed25519", "ed25519", CA, GOOD),
}
CONFIG = """[ca]
default_ca = d
[d]
database = index
new_certs_dir = .
default_md = sha256
policy = p
unique_subject = no
rand_serial = yes
[p]
commonName = supplied
organizationName = optional
"""


def openssl(folder, command):
    subprocess.run(["openssl", *command.split("|")], cwd=folder, check=True, capture_output=True)


def show(name, data):
    print(f"\n{name} = bytes.fromhex(")
    for line in textwrap.wrap(data.hex(), 88):
        print(f'    "{line}"')
    print(")")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config").write_text(CONFIG)
        (folder / "index").touch()
        for key in ("root", "ca", "leaf"):
            openssl(folder, f"genpkey|-algorithm|EC|-pkeyopt|ec_paramgen_curve:P-256|-out|{key}.key")
        openssl(folder, "genpkey|-algorithm|ED25519|-out|ed25519.key")
        openssl(folder, "ec|-in|leaf.key|-outform|DER|-out|leaf.der")
        print('"""Certificates with something unusual in them. Made by make_chains.py, which see."""')
        show("key", (folder / "leaf.der").read_bytes())
        for cert, (issuer, subject, key, extensions, (first, last)) in CERTS.items():
            (folder / "extensions").write_text(extensions)
            openssl(folder, f"req|-new|-key|{key}.key|-subj|{subject}|-out|request")
            by = "-selfsign" if issuer == cert else f"-cert|{issuer}.pem"
            signer = CERTS[issuer][2]
            openssl(
                folder,
                f"ca|-batch|-notext|-config|config|{by}|-keyfile|{signer}.key|-in|request"
                f"|-extfile|extensions|-startdate|{first}|-enddate|{last}|-out|{cert}.pem",
            )
            openssl(folder, f"x509|-in|{cert}.pem|-outform|DER|-out|{cert}.der")
            show(cert, (folder / f"{cert}.der").read_bytes())


main()
