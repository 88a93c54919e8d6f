"""Certificate revocation lists that OpenSSL makes, of certificates that it shows."""

import contextlib
import os
import subprocess

from cases import Skip, case, finished
from peers import check, free_port, need_program

CONFIG = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
crlnumber = {folder}/crlnumber
certificate = {cert}
private_key = {key}
default_md = sha256
default_crl_days = 30
"""
LEAF, CHAIN = 4, 12


class Ca:
    """`openssl ca`, for revoking alone."""

    def __init__(self, bench, name):
        self.openssl = need_program("openssl", "openssl")
        self.bench = bench
        self.folder = bench.logs / f"ca-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "index.txt").write_text("")
        (self.folder / "crlnumber").write_text("01\n")
        cert, key = bench.file(name), bench.file(name, "key")
        (self.folder / "ca.cnf").write_text(CONFIG.format(folder=self.folder, cert=cert, key=key))
        self.made = 0

    def run(self, *words):
        command = [self.openssl, *words]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        check(done.returncode == 0, f"{command}: {done.stderr}")

    def revoke(self, name):
        self.run("ca", "-config", self.folder / "ca.cnf", "-revoke", self.bench.file(name))

    def crl(self, *options, form="PEM"):
        """The list as it is now."""
        self.made += 1
        made = self.folder / f"{self.made}.{form.lower()}"
        self.run("ca", "-config", self.folder / "ca.cnf", "-gencrl", "-out", made, *options)
        if form == "DER":
            self.run("crl", "-in", made, "-outform", "DER", "-out", made)
        return made


@contextlib.contextmanager
def firmware(bench):
    """One with CRLs, meanwhile."""
    before, binary = bench.arguments.binary, os.environ.get("MICROPYTHON_CRL")
    if not binary:
        raise Skip("MICROPYTHON_CRL names no firmware with CRLs")
    bench.arguments.binary = binary
    try:
        yield
    finally:
        bench.arguments.binary = before


def client(bench, port, flags, *crls):
    crls = ":".join(map(str, crls))
    return bench.micropython("tls_client.py", port=port, ca=bench.file("ca"), crls=crls, verify_flags=flags)


@case("CRLs: a client -> openssl s_server with a chain")
def of_servers(bench):
    root, middle = Ca(bench, "ca"), Ca(bench, "intermediate")
    good = r"^LINE b'olleh"

    def look(expected, flags, *crls):
        server, port = bench.s_server(
            "-rev", "-naccept", "1", "-cert_chain", bench.file("intermediate"), cert="leaf"
        )
        finished(client(bench, port, flags, *crls), expected)
        server.close()

    def dated(start, end):
        return middle.crl("-crl_lastupdate", start, "-crl_nextupdate", end)

    with firmware(bench):
        empty = root.crl(), middle.crl(form="DER")
        look(good, 0)
        look("There is no CRL of the certificate's issuer", LEAF)
        look(good, LEAF, empty[1])
        look("There is no CRL", CHAIN, empty[1])
        look(good, CHAIN, *empty)
        look("The CRL is expired", LEAF, dated("20200101000000Z", "20210101000000Z"))
        look("The CRL is from the future", LEAF, dated("20480101000000Z", "20490101000000Z"))
        middle.revoke("leaf")
        revoked = middle.crl()
        look("The certificate has been revoked", LEAF, revoked)
        look(good, 0, revoked)
        root.revoke("intermediate")
        look("The certificate has been revoked", CHAIN, root.crl(form="DER"), empty[1])
        look(good, LEAF, root.crl(), empty[1])


@case("CRLs: openssl s_client with a certificate -> server")
def of_clients(bench):
    ca = Ca(bench, "ca")
    with firmware(bench):
        for revoked in (False, True):
            if revoked:
                ca.revoke("client")
            port = free_port()
            server = bench.micropython(
                "tls_server.py",
                port=port,
                cert=bench.file("ec"),
                key=bench.file("ec", "key"),
                ca=bench.file("ca"),
                verify=2,
                crls=ca.crl(),
                verify_flags=LEAF,
            )
            server.wait_for("^READY")
            other = bench.s_client(
                port, "-cert", bench.file("client"), "-key", bench.file("client", "key")
            )
            other.send(b"hello\n")
            finished(server, "The certificate has been revoked" if revoked else "^LINE b'hello")
