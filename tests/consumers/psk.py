"""Pre-shared keys with OpenSSL, GnuTLS, CPython and mosquitto, in both roles."""

import re
import sys

from cases import HERE, case, finished
from mqtt import Broker, mqtt_client
from openssl import saw_alert
from peers import Skip, check, find_python, free_port, need_program, wait_until_listening

PEER = HERE / "peer"
IDENTITY = "sensor 7"
KEY = "00112233445566778899aabbccddeeff"
HINT = "greenhouse"

# OpenSSL's name, Mbed TLS's, and GnuTLS's key exchange and cipher.
SUITES = [
    ("PSK-AES128-GCM-SHA256", "TLS-PSK-WITH-AES-128-GCM-SHA256", "PSK:+AES-128-GCM"),
    ("PSK-AES256-GCM-SHA384", "TLS-PSK-WITH-AES-256-GCM-SHA384", "PSK:+AES-256-GCM"),
    ("PSK-AES128-CCM", "TLS-PSK-WITH-AES-128-CCM", "PSK:+AES-128-CCM"),
    ("PSK-AES128-CCM8", "TLS-PSK-WITH-AES-128-CCM-8", "PSK:+AES-128-CCM-8"),
    ("PSK-CHACHA20-POLY1305", "TLS-PSK-WITH-CHACHA20-POLY1305-SHA256", "PSK:+CHACHA20-POLY1305"),
    ("ECDHE-PSK-CHACHA20-POLY1305", "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256",
     "ECDHE-PSK:+CHACHA20-POLY1305"),
    ("ECDHE-PSK-AES128-CBC-SHA256", "TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256",
     "ECDHE-PSK:+AES-128-CBC:+SHA256"),
    ("DHE-PSK-AES128-GCM-SHA256", "TLS-DHE-PSK-WITH-AES-128-GCM-SHA256", "DHE-PSK:+AES-128-GCM"),
    ("DHE-PSK-AES128-CCM8", "TLS-DHE-PSK-WITH-AES-128-CCM-8", "DHE-PSK:+AES-128-CCM-8"),
]  # fmt: skip

# What the peer answers a wrong key and an unknown identity with, and our client makes of it.
FATAL_ALERT = r"OSError\(-30592, 'MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE'\)"
# The same where the peer answers at once and closes: TCP's reset may overtake the alert.
CLOSED = r"OSError\((-30592|32|104)\b"
# What our server makes of a Finished that is not made with the key.
INVALID_MAC = r"OSError\(-29056, 'MBEDTLS_ERR_SSL_INVALID_MAC'\)"


def hexadecimal(data):
    return (data.encode() if isinstance(data, str) else data).hex()


def ours(bench, identity=IDENTITY, key=KEY):
    """The arguments of a device script."""
    file = bench.logs / f"identity-{len(bench.processes)}.hex"
    file.write_text(hexadecimal(identity))
    return {"psk_identity": f"@{file}", "psk_key": key}


def our_server(bench, identity=IDENTITY, key=KEY, **given):
    port = free_port()
    server = bench.micropython("tls_server.py", port=port, **ours(bench, identity, key), **given)
    server.wait_for(r"^READY")
    return server, port


def our_client(bench, port, identity=IDENTITY, key=KEY, **given):
    return bench.micropython("tls_client.py", port=port, **ours(bench, identity, key), **given)


# --- OpenSSL ---


def s_server(bench, suite="PSK", identity=IDENTITY, key=KEY):
    need_program("openssl", "openssl")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-nocert", "-tls1_2", "-msg"]
    command += ["-rev", "-naccept", "1", "-cipher", f"{suite}:@SECLEVEL=0"]
    command += ["-psk_identity", identity, "-psk", key, "-psk_hint", HINT]
    server = bench.start("openssl s_server", command)
    return server, int(server.wait_for(r"^ACCEPT .*:(\d+)$")[1])


def s_client(bench, port, suite="PSK", identity=IDENTITY, key=KEY):
    return bench.s_client(
        port, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", "-psk_identity", identity, "-psk", key
    )


for openssl_name_, mbedtls_name_, _ in SUITES:

    @case(f"psk: openssl s_client -> server: {openssl_name_}")
    def psk_openssl_client(bench, suite=openssl_name_, name=mbedtls_name_):
        server, port = our_server(bench, hint=hexadecimal(HINT), psk_form="callback")
        client = s_client(bench, port, suite)
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, f"^CIPHER {name} TLSv1.2$")
        server.wait_for(re.escape(f"IDENTITY b'{IDENTITY}'"))
        check(f"PSK identity hint: {HINT}" in client.output(), "OpenSSL saw no hint")
        check(client.wait() == 0, "s_client's exit code")

    @case(f"psk: client -> openssl s_server: {openssl_name_}")
    def psk_openssl_server(bench, suite=openssl_name_, name=mbedtls_name_):
        server, port = s_server(bench, suite)
        client = our_client(bench, port)
        finished(client, f"^CIPHER {name} TLSv1.2$")
        check("LINE b'olleh\\n'" in client.output(), "the line did not come back")
        check(f"HINT b'{HINT}'" in client.output(), "no hint")
        check(server.wait() == 0, "s_server's exit code")


# --- GnuTLS ---


def gnutls_priority(key_exchange="PSK:+CIPHER-ALL"):
    return f"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:-CIPHER-ALL:+{key_exchange}"


def gnutls_serv(bench, identity=IDENTITY, key=KEY, key_exchange="PSK:+CIPHER-ALL"):
    """gnutls-serv, which takes identities in hexadecimal too: (process, port)."""
    program = need_program("gnutls-serv", "gnutls-bin")
    passwords = bench.logs / "psk.txt"
    passwords.write_text(f"#{hexadecimal(identity)}:{key}\n")
    port = free_port()
    command = [program, "--echo", "-p", port, "--pskpasswd", passwords, "--pskhint", HINT]
    server = bench.start("gnutls-serv", [*command, "--priority", gnutls_priority(key_exchange)])
    wait_until_listening(port)
    return server, port


def gnutls_cli(bench, port):
    program = need_program("gnutls-cli", "gnutls-bin")
    command = [program, "-p", port, "--pskusername", IDENTITY, "--pskkey", KEY]
    command += ["--priority", gnutls_priority(), "127.0.0.1"]
    return bench.start("gnutls-cli", command)


def gnutls_library(bench, port, identity=IDENTITY, key=KEY, key_exchange="PSK:+CIPHER-ALL"):
    """A client with GnuTLS's library: identities and keys of any bytes."""
    need_program("gnutls-cli", "gnutls-bin")
    command = [sys.executable, PEER / "gnutls_psk.py", "tcp", port, hexadecimal(identity), key]
    return bench.start("GnuTLS client", [*command, gnutls_priority(key_exchange)])


@case("psk: gnutls-cli -> server")
def psk_gnutls_cli(bench):
    server, port = our_server(bench, hint=hexadecimal(HINT), psk_form="callback")
    client = gnutls_cli(bench, port)
    client.wait_for(r"Handshake was completed")
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    finished(server, f"^IDENTITY b'{IDENTITY}'")
    check(f"PSK hint '{HINT}'" in client.output(), "GnuTLS saw no hint")


for _, mbedtls_name_, gnutls_ in SUITES:
    # gnutls-cli 3.7 itself crashes after a handshake with DHE-PSK or ECDHE-PSK.
    @case(f"psk: GnuTLS client -> server: {mbedtls_name_}")
    def psk_gnutls_client(bench, name=mbedtls_name_, key_exchange=gnutls_):
        server, port = our_server(bench, hint=hexadecimal(HINT), psk_form="callback")
        client = gnutls_library(bench, port, key_exchange=key_exchange)
        finished(client, r"^LINE b'echo:hello\\n'")
        finished(server, f"^CIPHER {name} TLSv1.2$")
        server.wait_for(re.escape(f"IDENTITY b'{IDENTITY}'"))
        check(f"HINT b'{HINT}'" in client.output(), "GnuTLS saw no hint")

    @case(f"psk: client -> gnutls-serv: {mbedtls_name_}")
    def psk_gnutls_server(bench, name=mbedtls_name_, key_exchange=gnutls_):
        _, port = gnutls_serv(bench, key_exchange=key_exchange)
        client = our_client(bench, port, psk_form="callback")
        finished(client, f"^CIPHER {name} TLSv1.2$")
        check("LINE b'hello\\n'" in client.output(), "the line did not come back")
        check(f"ASKED '{HINT}'" in client.output(), "the callback saw no hint")
        check(f"HINT b'{HINT}'" in client.output(), "no hint")


# --- Identities and keys of any octets and lengths ---

IDENTITIES = {
    "1 byte": b"\x01",
    "a zero byte": b"\0",
    "zero bytes": b"\0a\0\0b\0",
    "not UTF-8": bytes(range(128, 256)),
    "128 bytes": bytes(range(128)),
}
KEYS = {
    length: bytes((length + 7 * i) % 256 for i in range(length)).hex() for length in (1, 16, 32, 48)
}

for what_, identity_ in IDENTITIES.items():
    for form_ in ("attributes", "callback"):

        @case(f"psk: GnuTLS client -> server: identity: {what_}, {form_}")
        def psk_identity_server(bench, identity=identity_, form=form_):
            server, port = our_server(bench, identity, psk_form=form)
            client = gnutls_library(bench, port, identity)
            finished(client, r"^LINE b'echo:hello\\n'")
            finished(server, re.escape(f"IDENTITY {identity!r}"))

        @case(f"psk: client -> gnutls-serv: identity: {what_}, {form_}")
        def psk_identity_client(bench, identity=identity_, form=form_):
            _, port = gnutls_serv(bench, identity)
            client = our_client(bench, port, identity, psk_form=form)
            finished(client, r"^LINE b'hello\\n'")


for length_, key_ in KEYS.items():

    @case(f"psk: openssl s_client and GnuTLS client -> server: key of {length_} bytes")
    def psk_key_server(bench, key=key_):
        server, port = our_server(bench, key=key, count=2)
        client = s_client(bench, port, key=key)
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        client.wait()
        finished(gnutls_library(bench, port, key=key), r"^LINE b'echo:hello\\n'")
        finished(server, r"^IDENTITY[\s\S]*^IDENTITY")

    @case(f"psk: client -> openssl s_server and gnutls-serv: key of {length_} bytes")
    def psk_key_client(bench, key=key_):
        _, port = s_server(bench, key=key)
        finished(our_client(bench, port, key=key), r"^LINE b'olleh\\n'")
        _, port = gnutls_serv(bench, key=key)
        finished(our_client(bench, port, key=key), r"^LINE b'hello\\n'")


@case("psk: an identity of 129 bytes and a key of 49 are errors at the client")
def psk_too_long(bench):
    # RFC 4279 5.3; the key's error is upstream's. A port nobody listens on: it never comes to that.
    too_long = our_client(bench, free_port(), "i" * 129)
    finished(too_long, r"^INVALID ValueError\('invalid psk_identity',?\)")
    too_long = our_client(bench, free_port(), key="6b" * 49)
    finished(too_long, r"^INVALID OSError\(-28800, 'MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE'\)")


@case("psk: a key of 49 bytes is an error at the server, whose client gets an alert")
def psk_too_long_server(bench):
    server, port = our_server(bench, key="6b" * 49)
    client = s_client(bench, port, key="6b" * 49)
    client.wait()
    finished(server, r"^ERROR OSError\(-28928, 'MBEDTLS_ERR_SSL_BAD_INPUT_DATA'\)")
    check(re.search(r"<<< .*Alert \[length 0002\], fatal", client.output()), "no alert")


# --- Refusals: who knows no key learns nothing about identities ---

OTHER_KEY = "ff" * 16
REFUSED = {
    "wrong key": {"key": OTHER_KEY},
    "unknown identity": {"identity": "stranger"},
    "unknown identity, wrong key": {"identity": "stranger", "key": OTHER_KEY},
    "identity of 129 bytes": {"identity": "i" * 129},
}

for what_, given_ in REFUSED.items():
    for form_ in ("attributes", "callback"):

        @case(f"psk: alert at openssl s_client: {what_}, {form_}")
        def psk_alert_openssl(bench, given=given_, form=form_):
            server, port = our_server(bench, psk_form=form)
            client = s_client(bench, port, **given)
            client.wait()
            finished(server, f"^ERROR {INVALID_MAC}")
            saw_alert(client, "bad_record_mac")

        @case(f"psk: alert at a GnuTLS client: {what_}, {form_}")
        def psk_alert_gnutls(bench, given=given_, form=form_):
            server, port = our_server(bench, psk_form=form)
            finished(gnutls_library(bench, port, **given), r"^ALERT Bad record MAC$")
            finished(server, f"^ERROR {INVALID_MAC}")


@case("psk: refused by openssl s_server: wrong key")
def psk_refused_openssl(bench):
    server, port = s_server(bench)
    finished(our_client(bench, port, key=OTHER_KEY), f"^ERROR {FATAL_ALERT}")
    server.wait_for(re.escape("fatal bad_record_mac"))


for what_ in ("wrong key", "unknown identity"):

    @case(f"psk: refused by gnutls-serv: {what_}")
    def psk_refused_gnutls(bench, given=REFUSED[what_]):
        _, port = gnutls_serv(bench)
        finished(our_client(bench, port, **given), f"^ERROR {FATAL_ALERT}")


@case("psk: a client with a key and a server with a certificate have no suite in common")
def psk_no_suite(bench):
    server, port = bench.s_server("-tls1_2", "-rev", "-naccept", "1")
    finished(our_client(bench, port), f"^ERROR {FATAL_ALERT}")
    server.wait()
    server.wait_for(re.escape("no shared cipher"))


@case("psk: alert at openssl s_client that has no key: handshake_failure")
def psk_no_suite_server(bench):
    server, port = our_server(bench)
    client = bench.s_client(port, "-tls1_2")
    client.wait()
    finished(server, r"^ERROR OSError\(-28160, 'MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE'\)")
    saw_alert(client, "handshake_failure")


# --- CPython 3.13 ---


def python_313():
    """A Python with the PSK callbacks."""
    probe = "import ssl, sys; sys.exit(not (hasattr(ssl, 'HAS_PSK') and ssl.HAS_PSK))"
    program = find_python(probe, "3.13", "3.14")
    if program is None:
        raise Skip("no Python 3.13 whose ssl has the PSK callbacks")
    return program


def cpython(bench, *arguments):
    return bench.start("CPython", [python_313(), PEER / "cpython_psk.py", *arguments])


def cpython_server(bench, *arguments):
    port = free_port()
    server = cpython(bench, "server", port, *arguments, HINT)
    server.wait_for(r"^READY")
    return server, port


@case("psk: CPython 3.13's client -> server, hint")
def psk_cpython_client(bench):
    server, port = our_server(bench, hint=hexadecimal(HINT), psk_form="callback")
    client = cpython(bench, "client", port, IDENTITY, KEY)
    finished(client, r"^LINE b'echo:hello\\n'")
    check(f"ASKED '{HINT}'" in client.output(), "CPython saw no hint")
    finished(server, f"^IDENTITY b'{IDENTITY}'")
    server.wait_for(re.escape(f"ASKED '{IDENTITY}'"))


@case("psk: client -> CPython 3.13's server, hint")
def psk_cpython_server(bench):
    server, port = cpython_server(bench, IDENTITY, KEY)
    client = our_client(bench, port, psk_form="callback")
    finished(client, r"^LINE b'echo:hello\\n'")
    check(f"ASKED '{HINT}'" in client.output(), "the callback saw no hint")
    finished(server, f"^ASKED '{IDENTITY}'")


for what_ in ("wrong key", "unknown identity"):

    @case(f"psk: CPython 3.13's client is refused: {what_}")
    def psk_cpython_refused(bench, given=REFUSED[what_]):
        server, port = our_server(bench)
        client = cpython(
            bench, "client", port, given.get("identity", IDENTITY), given.get("key", KEY)
        )
        finished(client, r"^REFUSED SSLError.*alert bad record mac")
        finished(server, f"^ERROR {INVALID_MAC}")

    @case(f"psk: refused by CPython 3.13's server: {what_}")
    def psk_refused_cpython(bench, given=REFUSED[what_]):
        server, port = cpython_server(bench, IDENTITY, KEY)
        finished(our_client(bench, port, **given), f"^ERROR {CLOSED}")
        finished(server, r"^REFUSED SSLError")


# --- MQTT ---


class PSKBroker(Broker):
    """mosquitto with keys in a file, which names its users after their identities."""

    def __init__(self, bench):
        passwords = bench.logs / "psk.txt"
        passwords.write_text(f"{IDENTITY}:{KEY}\n")
        super().__init__(
            bench,
            credentials=[
                f"psk_hint {HINT}",
                f"psk_file {passwords}",
                "use_identity_as_username true",
            ],
        )


MQTT_FORMS = {
    "terkin": "ssl_params",
    "home-assistant": "SSLContext",
    "micropython-lib, ssl_params": "ssl_params",
    "micropython-lib, SSLContext": "SSLContext",
}

for library_, form_ in MQTT_FORMS.items():

    @case(f"psk: mqtt: {library_} ({form_}) to mosquitto's psk_file listener")
    def psk_mqtt(bench, library=library_):
        broker = PSKBroker(bench)
        client = mqtt_client(
            bench, library, broker.port, psk_identity=hexadecimal(IDENTITY), psk_key=KEY
        )
        finished(client, r"^OK .*(-PSK-WITH-|TLS1-3-)")
        # TLS 1.3 has none.
        check(f"HINT b'{HINT}'" in client.output() or "TLS1-3-" in client.output(), "no hint")
        broker.process.wait_for(f"New client connected .* u'{IDENTITY}'")

    for what_ in ("wrong key", "unknown identity"):

        @case(f"psk: mqtt: {library_} ({form_}): refused by mosquitto: {what_}")
        def psk_mqtt_refused(bench, library=library_, given=REFUSED[what_]):
            broker = PSKBroker(bench)
            client = mqtt_client(
                bench,
                library,
                broker.port,
                psk_identity=hexadecimal(given.get("identity", IDENTITY)),
                psk_key=given.get("key", KEY),
            )
            finished(client, f"^REFUSED {CLOSED}")
