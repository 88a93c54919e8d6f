"""OpenSSL as peer: suites, close_notify, alerts, chains with what Mbed TLS does not read (GnuTLS, too)."""

import base64
import re
import sys
from pathlib import Path

from cases import case, finished
from peers import RecordFlipper, check, free_port, need_program, wait_until_listening

sys.path.append(str(Path(__file__).resolve().parent.parent / "micropython/support"))
import chains

SUITES = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "ec"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", "ec"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", "ec384"),
    ("ECDHE-ECDSA-AES128-CCM", "TLS-ECDHE-ECDSA-WITH-AES-128-CCM", "ec"),
    ("ECDHE-ECDSA-AES256-CCM", "TLS-ECDHE-ECDSA-WITH-AES-256-CCM", "ec"),
    ("ECDHE-ECDSA-AES128-CCM8", "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8", "ec"),
    ("ECDHE-ECDSA-AES256-CCM8", "TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8", "ec"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256", "ec"),
    ("ECDHE-ECDSA-AES128-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256", "ec"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "rsa"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384", "rsa"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256", "rsa"),
    ("AES128-SHA256", "TLS-RSA-WITH-AES-128-CBC-SHA256", "rsa"),
    ("AES256-SHA", "TLS-RSA-WITH-AES-256-CBC-SHA", "rsa"),
]


def tls_server(bench, cert="ec", **given):
    port = free_port()
    server = bench.micropython(
        "tls_server.py", port=port, cert=bench.cert(cert), key=bench.key(cert), **given
    )
    server.wait_for(r"^READY")
    return server, port


def no_truncation(process):
    """OpenSSL saw a close_notify, and not merely the end of TCP."""
    output = process.output()
    check("unexpected eof" not in output, f"{process.name}: unexpected eof")
    check(
        re.search(r"<<< .*Alert \[length 0002\], warning close_notify", output),
        f"{process.name} saw no close_notify",
    )


def saw_alert(process, alert):
    """OpenSSL received this fatal alert."""
    received = re.findall(r"<<< .*Alert \[length 0002\], fatal (\w+)", process.output())
    check(received == [alert], f"{process.name} saw {received} instead of the alert {alert!r}")


for openssl_name_, mbedtls_name_, cert_ in SUITES:

    @case(f"openssl s_client -> server: {openssl_name_}, {cert_}")
    def suite_server(bench, suite=openssl_name_, name=mbedtls_name_, cert=cert_):
        # Off by default.
        given = {"ciphers": name} if "-CBC-" in name else {}
        server, port = tls_server(bench, cert, **given)
        client = bench.s_client(port, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, f"^CIPHER {name} TLSv1.2$")
        check(client.wait() == 0, "s_client's exit code")
        no_truncation(client)

    @case(f"client, set_ciphers -> openssl s_server: {openssl_name_}, {cert_}")
    def suite_client(bench, suite=openssl_name_, name=mbedtls_name_, cert=cert_):
        server, port = bench.s_server(
            "-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-rev", "-naccept", "1", cert=cert
        )
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), ciphers=name)
        finished(client, f"^CIPHER {name} TLSv1.2$")
        check("LINE b'olleh\\n'" in client.output(), "the line did not come back")
        check(server.wait() == 0, "s_server's exit code")
        no_truncation(server)


@case("openssl s_client -> server: mutual TLS")
def mutual_server(bench):
    server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(
        port, "-tls1_2", "-cert", bench.file("client"), "-key", bench.file("client", "key")
    )
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    finished(server, r"^CIPHER ")


def mutual(bench, *flags, cert="rsa_client", **options):
    """Our client with a certificate and an s_server that demands one; both, when they are done."""
    server, port = bench.s_server(
        "-Verify", "2", "-CAfile", bench.file("ca"), "-verify_return_error", "-rev", "-naccept", "1", *flags
    )
    client = bench.micropython(
        "tls_client.py",
        port=port,
        ca=bench.cert("ca"),
        cert=bench.cert(cert),
        key=bench.key(cert),
        **options,
    )
    finished(client, r"^LINE b'olleh")
    check(server.wait() == 0, "s_server's exit code")
    return client, server


@case("client -> openssl s_server: mutual TLS, RSA client certificate")
def mutual_client(bench, **options):
    _, server = mutual(bench, "-tls1_2", **options)
    server.wait_for(re.escape("CN = client2"))


for limit_ in (512, 1024):

    @case(f"openssl s_client -maxfraglen {limit_} -> server: mutual TLS")
    def short_records_server(bench, limit=limit_):
        for cert in ("ec", "rsa"):
            server, port = tls_server(bench, cert, ca=bench.cert("ca"), verify=2)
            client = bench.s_client(
                port, "-tls1_2", "-maxfraglen", limit,
                "-cert", bench.file("rsa_client"), "-key", bench.file("rsa_client", "key"),
            )  # fmt: skip
            client.send(b"hello\n")
            client.wait_for(r"^echo:hello$")
            finished(server, r"^CIPHER ")

    @case(f"client, max_fragment_length {limit_} -> openssl s_server: mutual TLS, RSA")
    def short_records_client(bench, limit=limit_):
        mutual_client(bench, max_fragment_length=limit)

    @case(f"gnutls-cli --recordsize {limit_} -> server: mutual TLS, RSA")
    def short_records_gnutls_server(bench, limit=limit_):
        gnutls = need_program("gnutls-cli", "gnutls-bin")
        server, port = tls_server(bench, "rsa", ca=bench.cert("ca"), verify=2)
        client = bench.start(
            "gnutls-cli",
            [gnutls, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%ALLOW_SMALL_RECORDS",
             "--recordsize", limit, "--x509cafile", bench.file("ca"),
             "--x509certfile", bench.file("rsa_client"),
             "--x509keyfile", bench.file("rsa_client", "key"), "-p", port, "localhost"],
        )  # fmt: skip
        client.send(b"hello\n")
        client.wait_for(r"echo:hello$")
        finished(server, r"^CIPHER ")

    @case(f"client, max_fragment_length {limit_} -> gnutls-serv: mutual TLS, RSA")
    def short_records_gnutls_client(bench, limit=limit_):
        gnutls, port = need_program("gnutls-serv", "gnutls-bin"), free_port()
        bench.start(
            "gnutls-serv",
            [gnutls, "--echo", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%ALLOW_SMALL_RECORDS",
             "--require-client-cert", "--x509cafile", bench.file("ca"),
             "--x509certfile", bench.file("rsa"), "--x509keyfile", bench.file("rsa", "key"),
             "-p", port],
        )  # fmt: skip
        wait_until_listening(port)
        client = bench.micropython(
            "tls_client.py",
            port=port,
            ca=bench.cert("ca"),
            cert=bench.cert("rsa_client"),
            key=bench.key("rsa_client"),
            max_fragment_length=limit,
        )
        finished(client, r"^LINE b'hello")


@case("close_notify from OpenSSL's server is the end of the stream")
def close_notify_to_client(bench):
    (bench.logs / "page").write_bytes(b"the page\n")
    _, port = bench.s_server("-tls1_2", "-WWW", cwd=bench.logs)
    client = bench.micropython(
        "tls_client.py",
        port=port,
        ca=bench.cert("ca"),
        line="GET /page HTTP/1.0\r\n\r",
        until_eof=1,
    )
    finished(client, r"^EOF b'.*the page\\n'$")
    # OpenSSL keeps TCP open: the module itself must remember the end.
    check("AGAIN b''" in client.output(), "the end was forgotten")
    check("ERROR" not in client.output(), "an error instead of the end")


@case("close_notify from OpenSSL's client is the end of the stream")
def close_notify_to_server(bench):
    server, port = tls_server(bench, until_eof=1)
    client = bench.s_client(port, "-tls1_2", "-no_ign_eof")
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    client.close_stdin()
    finished(server, r"^EOF b''$")
    server.wait_for(re.escape("AGAIN b''"))
    check("ERROR" not in server.output(), "an error instead of the end")


# --- Alerts ---

# What is wrong: (arguments of the client, the server's certificate, the alert OpenSSL must see)
REFUSALS = {
    "untrusted CA": ({"ca": "other_ca"}, "ec", "unknown_ca"),
    "expired": ({"ca": "ca"}, "expired", "certificate_expired"),
    "not yet valid": ({"ca": "ca"}, "notyet", "certificate_unknown"),
    "wrong host": ({"ca": "ca"}, "wronghost", "bad_certificate"),
    "self-signed": ({"ca": "ca"}, "selfsigned", "unknown_ca"),
}

for what_, (given_, cert_, alert_) in REFUSALS.items():

    @case(f"alert at openssl s_server: {what_}")
    def alert_to_server(bench, given=given_, cert=cert_, alert=alert_):
        server, port = bench.s_server("-tls1_2", "-rev", "-naccept", "1", cert=cert)
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert(given["ca"]))
        finished(client, r"^ERROR ValueError")
        server.wait()
        saw_alert(server, alert)


@case("alert at openssl s_client: no client certificate")
def alert_no_certificate(bench):
    server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(port, "-tls1_2")
    client.wait()
    finished(server, r"^ERROR ")
    # RFC 5246, 7.4.6: "handshake failure" is the alert for it.
    saw_alert(client, "handshake_failure")


@case("alert at openssl s_client: client certificate of another CA")
def alert_other_client(bench):
    server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(
        port, "-tls1_2", "-cert", bench.file("other_client"), "-key",
        bench.file("other_client", "key"),
    )  # fmt: skip
    client.wait()
    finished(server, r"^ERROR ")
    saw_alert(client, "unknown_ca")


@case("alert at openssl s_client: no suite in common")
def alert_no_suite(bench):
    server, port = tls_server(bench)
    client = bench.s_client(port, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    client.wait()
    finished(server, r"^ERROR OSError")
    saw_alert(client, "handshake_failure")


@case("alert at openssl s_client: corrupted record")
def alert_bad_mac_server(bench):
    server, port = tls_server(bench)
    proxy = RecordFlipper(port, corrupt_from_client=True)
    bench.stack.callback(proxy.close)
    client = bench.s_client(proxy.port, "-tls1_2")
    client.wait_for(r"^SSL-Session:")
    client.send(b"hello\n")
    finished(server, r"^ERROR OSError")
    client.wait()
    saw_alert(client, "bad_record_mac")


@case("alert at openssl s_server: corrupted record")
def alert_bad_mac_client(bench):
    server, port = bench.s_server("-tls1_2", "-rev", "-naccept", "1")
    proxy = RecordFlipper(port, corrupt_from_client=False)
    bench.stack.callback(proxy.close)
    client = bench.micropython("tls_client.py", port=proxy.port, ca=bench.cert("ca"))
    finished(client, r"^ERROR OSError")
    server.wait()
    saw_alert(server, "bad_record_mac")


# What the server sends -> (what a client without verification says, what one that trusts the root
# says, and the alert that the server gets from that one).
VERIFIED, REFUSED = (r"^LINE b'olleh", None), (r"^ERROR ValueError.*not correctly signed", "unknown_ca")
UNUSUAL = {
    "of a CA with critical nameConstraints": ("of_limited_ca", "limited_ca", REFUSED),
    "with one with critical nameConstraints that nobody needs": ("plain", "limited_ca", VERIFIED),
    "with an Ed25519 key that nobody needs": ("plain", "ed25519", VERIFIED),
    "with critical nameConstraints in the server's own": ("limited", "root", REFUSED),
    "with an unknown critical extension in the server's own": ("unknown", "root", REFUSED),
}


def pem(label, *ders):
    encoded = (base64.encodebytes(der).decode() for der in ders)
    return "".join(f"-----BEGIN {label}-----\n{text}-----END {label}-----\n" for text in encoded)


def unusual_server(bench, own, other, gnutls):
    """(process, port, what writes in alerts) of a server with these certificates."""
    files = {name: bench.logs / f"{name}.pem" for name in ("own", "other", "key", "root")}
    files["own"].write_text(pem("CERTIFICATE", getattr(chains, own)))
    files["other"].write_text(pem("CERTIFICATE", getattr(chains, other)))
    files["key"].write_text(pem("EC PRIVATE KEY", chains.key))
    files["root"].write_text(pem("CERTIFICATE", chains.root))
    if gnutls:
        files["own"].write_text(files["own"].read_text() + files["other"].read_text())
        port = free_port()
        command = [need_program("gnutls-serv", "gnutls-bin"), "--echo", "--port", port, "--x509certfile"]
        command += [files["own"], "--x509keyfile", files["key"], "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2"]
        server = bench.start("gnutls-serv", command)
        server.wait_for("listening on IPv4 .*done")
        return server, port, files["root"]
    server, port = bench.s_server(
        "-tls1_2", "-rev", "-naccept", "1", "-cert", files["own"], "-key", files["key"],
        "-cert_chain", files["other"],
    )  # fmt: skip
    return server, port, files["root"]


for what_, (own_, other_, (verified_, alert_)) in UNUSUAL.items():
    for gnutls_ in (False, True):
        peer_ = "gnutls-serv" if gnutls_ else "openssl s_server"

        @case(f"client that verifies nothing -> {peer_}: a chain {what_}")
        def unverified(bench, own=own_, other=other_, gnutls=gnutls_):
            _, port, _ = unusual_server(bench, own, other, gnutls)
            client = bench.micropython("tls_client.py", port=port, verify=0)
            finished(client, r"^LINE b'(olleh|hello)")

        @case(f"client -> {peer_}: a chain {what_}")
        def verified(bench, own=own_, other=other_, gnutls=gnutls_, says=verified_, alert=alert_):
            server, port, root = unusual_server(bench, own, other, gnutls)
            client = bench.micropython("tls_client.py", port=port, ca=root, host="micropython.local")
            finished(client, says.replace("olleh", "(olleh|hello)"))
            if alert and not gnutls:
                server.wait()
                saw_alert(server, alert)


@case("client -> openssl s_server: the application protocol (ALPN)")
def alpn_client(bench):
    # OpenSSL's server goes on without one where there is none in common.
    for offered, taken, expected in (
        ("http/1.1,x-amzn-mqtt-ca", "x-amzn-mqtt-ca", "x-amzn-mqtt-ca"),
        ("h2,http/1.1", "http/1.1,h2", "http/1.1"),
        ("h2", "", "None"),
    ):
        options = ["-alpn", taken] if taken else []
        _, port = bench.s_server("-tls1_2", "-rev", "-naccept", "1", *options)
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), alpn=offered)
        finished(client, f"^ALPN {re.escape(expected)}$")
        check("LINE b'olleh\\n'" in client.output(), "the line did not come back")


@case("openssl s_client -> server: the application protocol (ALPN)")
def alpn_server(bench):
    for offered, taken, expected in (
        ("http/1.1,x-amzn-mqtt-ca", "x-amzn-mqtt-ca", "x-amzn-mqtt-ca"),
        ("h2,http/1.1", "http/1.1,h2", "http/1.1"),
        ("", "h2", "None"),
    ):
        server, port = tls_server(bench, alpn=taken)
        options = ["-alpn", offered] if offered else []
        client = bench.s_client(port, "-tls1_2", *options)
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, f"^ALPN {re.escape(expected)}$")
        said = f"ALPN protocol: {expected}" if expected != "None" else "No ALPN negotiated"
        check(said in client.output(), f"s_client does not say {said!r}")
    server, port = tls_server(bench, alpn="h2")
    client = bench.s_client(port, "-tls1_2", "-alpn", "http/1.1")
    finished(server, r"^ERROR OSError\(-30080, 'MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL'\)$")
    client.wait()
    # s_client has no name for it.
    check("alert number 120" in client.output(), "s_client saw no alert no_application_protocol")


# (the key of the client, what the server takes, the suite)
SIGNATURES = [
    ("client", "ECDSA+SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("client", "ECDSA+SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("rsa_client", "RSA+SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("rsa_client", "RSA-PSS+SHA256:RSA+SHA384:ECDSA+SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
]

for key_, taken_, suite_ in SIGNATURES:

    @case(f"client, certificate -> openssl s_server: {key_}, {suite_}, {taken_}")
    def signature(bench, key=key_, taken=taken_, suite=suite_):
        mutual(bench, "-tls1_2", "-cipher", suite, "-client_sigalgs", taken, cert=key)


@case("client -> openssl s_server: two certificates, the server takes either kind")
def two_certificates(bench):
    for name, algorithms in (("client1", "ECDSA+SHA256"), ("client2", "RSA+SHA256:RSA-PSS+SHA256")):
        second = {"cert2": bench.cert("rsa_client"), "key2": bench.key("rsa_client")}
        _, server = mutual(bench, "-client_sigalgs", algorithms, cert="client", **second)
        server.wait_for(f"^Peer certificate: CN = {name}$")


@case("openssl s_client -> server: two certificates, the client takes either kind")
def two_server_certificates(bench):
    for kind, algorithms in (("ECDSA", "ECDSA+SHA256"), ("RSA", "RSA-PSS+SHA256:RSA+SHA256")):
        server, port = tls_server(bench, "ec", cert2=bench.cert("rsa"), key2=bench.key("rsa"))
        client = bench.s_client(port, "-sigalgs", algorithms)
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, r"^CIPHER ")
        client.wait_for(rf"^Peer signature type: {kind}")


@case("openssl s_client -> server: sni_callback chooses the certificate")
def by_name(bench):
    for name, kind in (("rsa.local", "RSA"), ("localhost", "ECDSA")):
        server, port = tls_server(
            bench, "ec", name="rsa.local", name_cert=bench.cert("rsa"), name_key=bench.key("rsa")
        )
        client = bench.s_client(port, "-servername", name)
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, r"^CIPHER ")
        check(f"NAME {name}" in server.output(), server.output())
        client.wait_for(rf"^Peer signature type: {kind}")
