"""Hibernation: connections with OpenSSL and GnuTLS that sleep before each write, read and close."""

from cases import case, finished
from openssl import SUITES, no_truncation, tls_server
from peers import check, free_port, need_program, wait_until_listening

EXCHANGES = 5
# GnuTLS's ciphers.
GNUTLS = {
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256": "AES-128-GCM",
    "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384": "AES-256-GCM",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM": "AES-128-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM": "AES-256-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8": "AES-128-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8": "AES-256-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256": "CHACHA20-POLY1305",
}


def slept(process, name):
    """Ours ended, and slept whenever it was told to."""
    finished(process, f"^CIPHER {name} TLSv1.2$")
    output = process.output()
    check(output.count("SLEEPS True") == 2 * EXCHANGES + 1, "it did not sleep")
    check("SLEEPS False" not in output and "ERROR" not in output, "it could not sleep")


def converse(server, client):
    """Says a line and waits for its echo."""
    for i in range(EXCHANGES):
        client.send(b"hello %d\n" % i)
        client.wait_for(f"^echo:hello {i}$")


def priority(name):
    return f"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+{GNUTLS[name]}"


for openssl_name_, mbedtls_name_, cert_ in SUITES:
    if cert_ != "ec" or mbedtls_name_ not in GNUTLS:
        continue

    @case(f"hibernation: openssl s_client -> server: {openssl_name_}")
    def openssl_client(bench, suite=openssl_name_, name=mbedtls_name_):
        server, port = tls_server(bench, exchanges=EXCHANGES, hibernate=1)
        client = bench.s_client(port, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
        converse(server, client)
        slept(server, name)
        check(client.wait() == 0, "s_client's exit code")
        no_truncation(client)

    @case(f"hibernation: client -> openssl s_server: {openssl_name_}")
    def openssl_server(bench, name=mbedtls_name_):
        server, port = bench.s_server(
            "-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-rev", "-naccept", "1"
        )
        given = {"exchanges": EXCHANGES, "hibernate": 1, "ciphers": name}
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), **given)
        slept(client, name)
        check(client.output().count("LINE b'olleh\\n'") == EXCHANGES, "a line did not come back")
        check(server.wait() == 0, "s_server's exit code")
        no_truncation(server)

    @case(f"hibernation: gnutls-cli -> server: {mbedtls_name_}")
    def gnutls_client(bench, name=mbedtls_name_):
        program = need_program("gnutls-cli", "gnutls-bin")
        server, port = tls_server(bench, exchanges=EXCHANGES, hibernate=1)
        command = [program, "-p", port, "--x509cafile", bench.file("ca")]
        command += ["--verify-hostname", "localhost", "--priority", priority(name), "127.0.0.1"]
        client = bench.start("gnutls-cli", command)
        client.wait_for(r"Handshake was completed")
        converse(server, client)
        slept(server, name)

    @case(f"hibernation: client -> gnutls-serv: {mbedtls_name_}")
    def gnutls_server(bench, name=mbedtls_name_):
        program = need_program("gnutls-serv", "gnutls-bin")
        port = free_port()
        command = [program, "--echo", "-a", "-p", port, "--priority", priority(name)]
        command += ["--x509certfile", bench.file("ec"), "--x509keyfile", bench.file("ec", "key")]
        bench.start("gnutls-serv", command)
        wait_until_listening(port)
        given = {"exchanges": EXCHANGES, "hibernate": 1, "ciphers": name}
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), **given)
        slept(client, name)
        check(client.output().count("LINE b'hello\\n'") == EXCHANGES, "a line did not come back")


@case("hibernation: openssl s_client -maxfraglen 512 -> server")
def fragment_length(bench):
    # The server keeps to what was agreed on before it slept.
    name = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
    server, port = tls_server(bench, exchanges=EXCHANGES, hibernate=1, ciphers=name)
    client = bench.s_client(port, "-tls1_2", "-maxfraglen", "512")
    client.wait_for(r"^SSL-Session:")
    for i in range(EXCHANGES):
        client.send(b"%d" % i * 1500 + b"\n")
        # What OpenSSL says of each record (-msg) is between what is in them.
        between = r"(?!\d)[\s\S]*?"
        client.wait_for(f"echo:{i}{{507}}{between}{i}{{512}}{between}{i}{{481}}$")
    slept(server, name)
