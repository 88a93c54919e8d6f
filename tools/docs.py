#!/usr/bin/env python3
"""Writes the parts of the documentation that are made from the source (make docs).

    tools/docs.py             writes them
    tools/docs.py --check     compares; says what differs, and ends with 1
    with --source             only what is made from files, without a built module

A part stands between a marker and `<!-- end -->`:

    <!-- file: PATH -->            a file, as it is
    <!-- mistakes: KEY... -->      mistakes of tests/docs/mistakes.py, and what is seen of them
    <!-- mistakes in: SECTION -->  those of one section
    <!-- alerts -->                the alerts that the module has a name for
    <!-- errors -->                Mbed TLS's errors, with the numbers of its header
    <!-- values -->                the texts of src/error.rs
    <!-- figures -->               docs/figures.json, which benches/figures.py writes after the benches
    <!-- memory -->                what a connection takes, from the same file
    <!-- bogo -->                 what BoringSSL's test runner found (docs/bogo.json, by tests/bogo/run.py)
    <!-- keys -->                 handshakes with a key that is an object (docs/credentials.json, by benches/credentials.py)
    <!-- trust -->                memory for many CAs, from the same file
    <!-- bundles -->               files of CAs, their sizes and times (docs/ca_store.json, by benches/ca_store.py)
    <!-- cpython -->               CPython's names, and whether the stubs have them

Mistakes and alerts come from a run of the built module (MICROPYTHON, or build/unix/micropython).
Without one, and for the errors without Mbed TLS's header, these parts are left as they are, which
is said.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

ROOT = Path(__file__).resolve().parent.parent
MARKED = re.compile(r"<!-- (file|mistakes|mistakes in|alerts|errors|values|cpython|figures|memory|bogo|keys|trust|bundles)(?:: ([^>]*?))? -->\n(.*?)<!-- end -->", re.S)

# What an alert means to whoever reads it, and what to do. It is the *other* side that sent it.
ALERTS = {
    "unexpected_message": ("A message came that does not belong here.", "Often the port is not a TLS port, or somebody in between changes data."),
    "bad_record_mac": ("A record does not authenticate.", "With pre-shared keys: key or identity is wrong. Else data was changed on its way."),
    "record_overflow": ("A record is too long.", "The other side takes shorter ones: set `max_fragment_length`."),
    "handshake_failure": ("The two sides have nothing in common.", "Cipher suites, curves, certificates: see [Nothing in common](#nothing-in-common). A server also says it to a client without a certificate."),
    "bad_certificate": ("Our certificate is refused. Often the name is not the one that was asked for.", "Compare `server_hostname` with the certificate's names."),
    "unsupported_certificate": ("Our certificate is not for this use.", "A client needs one for clients: `--usage client` ([pki.md](pki.md))."),
    "certificate_revoked": ("Our certificate is revoked.", "Ask the CA for a new one."),
    "certificate_expired": ("Our certificate has expired, by the other side's clock.", "Make a new one. Compare the clocks."),
    "certificate_unknown": ("Our certificate is refused for another reason. Often it is not valid *yet*, by the other side's clock.", "Look into the other side's log. Compare the clocks."),
    "illegal_parameter": ("A value in a message is wrong.", "One of the two programs has a fault, or data was changed."),
    "unknown_ca": ("Our certificate comes from a CA that the other side does not have.", "Load our CA there, and send the certificates in between."),
    "access_denied": ("Our certificate is good, and we are not let in.", "The other side's program decided so (`verify_callback`)."),
    "decode_error": ("A message cannot be read.", "Often the port is not a TLS port."),
    "decrypt_error": ("A signature is wrong.", "Key and certificate do not belong together, or data was changed."),
    "protocol_version": ("The other side does not speak TLS 1.2.", "Switch TLS 1.2 on there."),
    "insufficient_security": ("Our cipher suites are too weak for the other side.", "Do not narrow them with `set_ciphers`."),
    "internal_error": ("The other side has a problem of its own, such as no memory.", "Look into its log."),
    "inappropriate_fallback": ("The client tried an older version than it had to.", "Does not come from this module's clients. A proxy may do it."),
    "user_canceled": ("Somebody stopped the handshake.", "Try again."),
    "no_renegotiation": ("The other side does not renegotiate.", "This module never asks. A fault of the other side."),
    "missing_extension": ("An extension is missing in our hello.", "Often the name: give `server_hostname`."),
    "unsupported_extension": ("An extension came that nobody asked for.", "A fault of one of the two programs."),
    "unrecognized_name": ("The server does not know the name that was asked for.", "Check `server_hostname`."),
    "bad_certificate_status_response": ("The certificate's OCSP answer is wrong.", "Look into the server's settings."),
    "unknown_psk_identity": ("The server does not know the identity, or its look-up failed.", "Compare the identities. At a server of ours: see what the look-up raised."),
    "certificate_required": ("The server asks for a certificate, and we have none.", "`load_cert_chain(certfile, keyfile)`."),
    "no_application_protocol": ("No protocol in common (ALPN).", "Compare `set_alpn_protocols([…])` with what the other side has."),
}

# MBEDTLS_ERR_SSL_*: what it means here.
ERRORS = {
    "FATAL_ALERT_MESSAGE": "The other side ended the connection, and said why: see [Alerts](#alerts).",
    "HANDSHAKE_FAILURE": "Nothing in common with the other side, or it has no certificate.",
    "CA_CHAIN_REQUIRED": "`CERT_REQUIRED`, and no CA was loaded.",
    "NO_CLIENT_CERTIFICATE": "A client showed no certificate, and the server requires one.",
    "BAD_CERTIFICATE": "The other side's certificate cannot be used.",
    "INVALID_MAC": "A record does not authenticate. With pre-shared keys: another key.",
    "INVALID_RECORD": "What came is no TLS: the other side speaks something else on this port.",
    "UNEXPECTED_MESSAGE": "A message came that does not belong here.",
    "UNEXPECTED_RECORD": "A record came that does not belong here.",
    "CONN_EOF": "The other side closed TCP without an alert.",
    "BAD_PROTOCOL_VERSION": "The other side does not speak TLS 1.2 (DTLS 1.2).",
    "DECODE_ERROR": "A message cannot be read.",
    "ILLEGAL_PARAMETER": "A value in a message is wrong.",
    "UNSUPPORTED_EXTENSION": "An extension came that was not asked for.",
    "UNRECOGNIZED_NAME": "The server does not know the name.",
    "NO_APPLICATION_PROTOCOL": "No application protocol in common.",
    "PRIVATE_KEY_REQUIRED": "This side needs its key, and has none: `load_cert_chain`, or `psk_key`.",
    "PK_TYPE_MISMATCH": "The key does not go with the cipher suite.",
    "UNKNOWN_IDENTITY": "A client's pre-shared key or identity is empty or missing.",
    "BAD_CONFIG": "A setting is wrong, for instance the name of a cipher suite.",
    "BAD_INPUT_DATA": "A setting is empty or too long, for instance a pre-shared key; or a record has a wrong length.",
    "FEATURE_UNAVAILABLE": "The firmware is built without it, or for shorter values.",
    "BUFFER_TOO_SMALL": "A message is longer than the firmware's buffers, for instance a long certificate chain.",
    "COUNTER_WRAPPING": "The connection has sent as much as it may: make a new one.",
    "HELLO_VERIFY_REQUIRED": "DTLS servers without `listen`: wrap again for the next hello.",
    "VERSION_MISMATCH": "The other side answered with another version.",
    "CERTIFICATE_VERIFICATION_WITHOUT_HOSTNAME": "A client verifies, and has no `server_hostname`.",
    "HW_ACCEL_FAILED": "The chip's cipher unit failed.",
    "NO_RNG": "The firmware has no random generator.",
    "INTERNAL_ERROR": "A fault. Please report it.",
}
# These never reach a program: the module answers them itself, or has no such feature.
NEVER = set(
    "CRYPTO_IN_PROGRESS PEER_CLOSE_NOTIFY RECEIVED_NEW_SESSION_TICKET CANNOT_READ_EARLY_DATA"
    " RECEIVED_EARLY_DATA CANNOT_WRITE_EARLY_DATA CACHE_ENTRY_NOT_FOUND ALLOC_FAILED"
    " HW_ACCEL_FALLTHROUGH SESSION_TICKET_EXPIRED WAITING_SERVER_HELLO_RENEGO WANT_READ WANT_WRITE"
    " TIMEOUT CLIENT_RECONNECT NON_FATAL CONTINUE_PROCESSING ASYNC_IN_PROGRESS EARLY_MESSAGE"
    " UNEXPECTED_CID".split()
)


# CPython's names, and what is to be said of them here. Whether they are here say the stubs.
CPYTHON = {
    "ssl.SSLContext": "can be subclassed",
    "ssl.create_default_context": "`capath` lists a directory once",
    "ssl.Purpose": "",
    "ssl.wrap_socket": "gone from CPython in 3.12",
    "ssl.SSLSocket": "made by `wrap_socket` only; cannot be subclassed",
    "ssl.SSLObject": "wrap a stream of your own: any object with `read`, `write` and `ioctl`",
    "ssl.MemoryBIO": "as `SSLObject`",
    "ssl.SSLError": "is `OSError`",
    "ssl.SSLWantReadError": "of `do_handshake()` only; `read` returns `None`",
    "ssl.SSLWantWriteError": "of `do_handshake()` only; `write` returns `None`",
    "ssl.SSLCertVerificationError": "a `ValueError`, and no `OSError`",
    "ssl.CertificateError": "",
    "ssl.SSLZeroReturnError": '`read` returns `b""`',
    "ssl.SSLEOFError": '`read` returns `b""`, and `close_notify_received` is `False`',
    "ssl.CERT_NONE": "",
    "ssl.CERT_OPTIONAL": "a client verifies nothing with it; write `CERT_REQUIRED`",
    "ssl.CERT_REQUIRED": "needs `server_hostname`, unless `check_hostname` is `False`",
    "ssl.PROTOCOL_TLS_CLIENT": "begins with `CERT_NONE`",
    "ssl.PROTOCOL_TLS_SERVER": "",
    "ssl.PROTOCOL_TLS": "write `PROTOCOL_TLS_CLIENT` or `PROTOCOL_TLS_SERVER`",
    "ssl.TLSVersion": "numbers",
    "ssl.HAS_PSK": "",
    "ssl.HAS_ALPN": "",
    "ssl.HAS_SNI": "",
    "ssl.OPENSSL_VERSION": "`MBEDTLS_VERSION`",
    "ssl.get_default_verify_paths": "on unix",
    "ssl.get_server_certificate": "`getpeercert(True)` of a connection with `CERT_NONE`",
    "ssl.DER_cert_to_PEM_cert": "",
    "ssl.PEM_cert_to_DER_cert": "",
    "ssl.match_hostname": "gone from CPython in 3.12; `check_hostname`",
    "ssl.RAND_bytes": "`os.urandom`",
    "SSLContext.load_cert_chain": "a path, or PEM or DER as bytes; one with an EC key and one with an RSA key",
    "SSLContext.load_verify_locations": "*cadata* is the second argument; `capath` lists a directory once",
    "SSLContext.load_default_certs": "on a board `/ca.bundle`",
    "SSLContext.cert_store_stats": "",
    "SSLContext.session_stats": "",
    "SSLContext.get_ca_certs": "",
    "SSLContext.get_ciphers": "a list of names, not of dicts",
    "SSLContext.set_ciphers": "a list of IANA's names, not OpenSSL's string",
    "SSLContext.set_ciphersuites": "CPython 3.15's; IANA's names, or Mbed TLS's; also a list of names",
    "SSLContext.set_ecdh_curve": "one name, or a list in order of preference",
    "SSLContext.set_alpn_protocols": "nothing in common ends the handshake",
    "SSLContext.sni_callback": "a server of TLS; what it raises comes out of the handshake",
    "SSLContext.set_psk_client_callback": "",
    "SSLContext.set_psk_server_callback": "",
    "SSLContext.verify_mode": "a number; a bool is a `TypeError`",
    "SSLContext.check_hostname": "`True` as soon as a client's `verify_mode` is not `CERT_NONE`",
    "SSLContext.verify_flags": "`VERIFY_CRL_CHECK_LEAF` and `_CHAIN`, in a firmware with CRLs",
    "SSLContext.options": "`OP_NO_TLSv1_2`, `OP_NO_TLSv1_3`; what else there is is always on",
    "SSLContext.minimum_version": "TLS 1.2, or 1.3 where it is compiled in",
    "SSLContext.maximum_version": "TLS 1.2 at least",
    "SSLContext.keylog_filename": "in a firmware built with `MPSSL_KEYLOG=1`",
    "SSLContext.wrap_socket": "no `suppress_ragged_eofs`; has `assert_hostname`, as urllib3",
    "SSLContext.wrap_bio": "as `SSLObject`",
    "SSLSocket.read": "`None` where the socket does not block and nothing came",
    "SSLSocket.write": "`None` where the socket does not block and takes nothing",
    "SSLSocket.recv": "",
    "SSLSocket.recv_into": "",
    "SSLSocket.send": "one record at most",
    "SSLSocket.sendall": "",
    "SSLSocket.makefile": "the socket itself, which is a stream",
    "SSLSocket.settimeout": "",
    "SSLSocket.gettimeout": "if the port's sockets have it",
    "SSLSocket.setblocking": "",
    "SSLSocket.fileno": "if the port's sockets have it",
    "SSLSocket.getpeername": "if the port's sockets have it",
    "SSLSocket.getsockname": "if the port's sockets have it",
    "SSLSocket.setsockopt": "",
    "SSLSocket.do_handshake": "",
    "SSLSocket.getpeercert": "CPython's dict, or DER; `{}` if nothing was verified",
    "SSLSocket.cipher": "a pair, (name, version); the name is IANA's",
    "SSLSocket.shared_ciphers": "in the server's order; `None` once it has hibernated",
    "SSLSocket.version": "",
    "SSLSocket.pending": "",
    "SSLSocket.selected_alpn_protocol": "",
    "SSLSocket.get_channel_binding": "",
    "SSLSocket.session": "a client asks for it by switching `OP_NO_TICKET` off",
    "SSLSocket.unwrap": "",
    "SSLSocket.shutdown": "with 1 or 2 says goodbye",
    "SSLSocket.close": "says goodbye, too",
    "SSLSocket.server_side": "",
    "SSLSocket.server_hostname": "",
    "SSLSocket.context": "`None` of `ssl.wrap_socket`; can be set in `sni_callback`",
}


# What C raises by itself: text -> what it means.
RAISED_BY_C = {
    "listen needs PROTOCOL_DTLS_SERVER": "`listen` of another context.",
    "address too long": "`listen` of a socket written in Python whose addresses are too long.",
    "psk_ident and psk_key are a client's": "`ssl.wrap_socket(server_side=True)` with a pre-shared key: use a context's `server_psk_keys`.",
    "psk_ident and psk_key go together": "One without the other.",
    "counter must be 1 or more": "What a counter's `next()` returned.",
    "export needs an SSLContext": "`export` of a socket that `ssl.wrap_socket` made.",
    "not the state of a listener's client": "`DTLSListener.restore` of another connection.",
    "state was restored before": "A counter's `advance()` returned `False`.",
    "invalid signature": "`ecdsa_sign_callback` returned nothing, or more than a signature can be. It returns ECDSA's in DER. Or a key's `sign` returned what is [no signature](ssl.md#keys-in-hardware).",
    "invalid hibernate_after": "A negative number of milliseconds.",
    "server_side needs a server protocol": "`server_side=True` with a client's context: make it with `PROTOCOL_TLS_SERVER`.",
    "set by the listener": "`setblocking` or `settimeout` of a listener's connection: the listener's holds for all.",
    "Cannot add PSK server callback to a client context": "The callback of the wrong side, as in CPython.",
    "Cannot add PSK client callback to a server context": "The callback of the wrong side, as in CPython.",
    "a Purpose is needed": "`create_default_context` with another first argument.",
    "SSLContext.__init__() was not called": "A subclass must call `super().__init__(protocol)`.",
    "a number is needed, not a bool": "`verify_mode = True`, for instance: write `CERT_REQUIRED`.",
    "callback must be callable": "A callback is a function, or `None`.",
    "'%s' has changed since load_verify_locations()": "The file of CAs is not the one that was loaded. "
    "Load it again, on a new context.",
    "cadata has changed since load_verify_locations()": "The same of *cadata*, in memory that something else "
    "writes to.",
    "cafile and cadata omitted": "`load_verify_locations` without an argument.",
    "unexpected keyword argument '%q'": "There is no such argument.",
    "'%q' and '%q' are one argument": "An argument was given under both its names.",
    "unsupported protocol version": "`minimum_version`, `maximum_version` or `options` that leave no version: there is TLS 1.2 here, and 1.3 where `ssl.HAS_TLSv1_3` is `True`.",
    "ALPN": "A firmware without it: `ssl.HAS_ALPN` is `False`.",
    "capath": "A firmware without file systems.",
    "no HHHHHHHH.N in capath: see openssl rehash": "`capath=` is a directory of [such names](ssl.md#class-sslcontextprotocol).",
    "MPSSL_CRL": "`verify_flags` in a firmware without it.",
    "MPSSL_KEYLOG": "`keylog_filename` in a firmware without it.",
    "a SHA-256 digest is needed": "`pinned_pubkeys` that are not 32 bytes long.",
    "pinned_pubkeys": "A firmware without `MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK`.",
    "SNI": "A firmware without it: `ssl.HAS_SNI` is `False`.",
    "TLS 1.3": "`set_ciphersuites` in a firmware without it: `ssl.HAS_TLSv1_3` is `False`.",
    "a context of TLS servers is needed": "`sni_callback` of another context, or such a one chosen in it.",
    "context can be set in sni_callback only": "`SSLSocket.context` was set outside of it, or in another thread.",
    "a context with ecdsa_sign_callback cannot be chosen": "In `sni_callback`: the key of the chosen context must be in memory.",
    "a context with an RSA key that is an object cannot be chosen": "In `sni_callback`: the RSA key of the chosen context must be in memory.",
    "sni_callback returns None or the number of an alert": "A number from 1 to 255: [Alerts](#alerts).",
    "session": "`wrap_socket(session=…)`, or a `session_cache`, in a firmware that cannot resume: it has no `ssl.SSLSession`.",
    "tickets": "`num_tickets` in a firmware whose servers cannot resume.",
    "session must be an SSLSession": "`session=` was given bytes, say: load them with `ssl.SSLSession(bytes)`.",
    "session is a client's": "`SSLSocket.session` of a server was set.",
    "session refers to a different verify_callback": "A session belongs to the `verify_callback` that it was got with. One with a callback cannot be saved.",
    "no attribute '%q'": "`tls.SSLContext` keeps no attributes that it does not know.",
    "SSLContext expected, not '%s'": "A method was called with something else as context.",
}


class Left(Exception):
    """A part cannot be made here; the text says why."""


class Wrong(Exception):
    """A part cannot be made, and something has to be changed first."""


def cell(text):
    return text.replace("|", "\\|")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows]) + "\n"


def same(what, made, described):
    missing, extra = sorted(set(made) - set(described)), sorted(set(described) - set(made))
    if missing or extra:
        raise Wrong(f"tools/docs.py: {what}: no words for {missing}; words for nothing: {extra}")


_ran = {}


def ran():
    """What the built module does."""
    if not _ran:
        binary = Path(os.environ.get("MICROPYTHON", ROOT / "build/unix/micropython"))
        if "--source" in sys.argv[1:] or not binary.exists():
            raise Left("they want a run of the built module")
        script = ROOT / "tests/docs/mistakes.py"
        done = subprocess.run(
            [binary, script], cwd=ROOT / "tests/micropython", capture_output=True, text=True, timeout=120
        )
        if done.returncode != 0:
            raise Wrong(f"tests/docs/mistakes.py: {(done.stdout + done.stderr)[-500:]}")
        _ran.update(json.loads(done.stdout))
    return _ran


# The section of tests/docs/mistakes.py whose mistakes are not of one end of a connection.
LOADING = "Keys, certificates, settings"


def code(text):
    return f"`{text}`" if text else "–"


def mistakes(chosen):
    rows = [(code(client), code(server), f"{cause} {remedy}") for _, _, client, server, cause, remedy in chosen]
    if any(client != "–" and server != "–" for client, server, _ in rows):
        # What does not load, either side has seen before anything was sent.
        own = [" (whoever loads it)" if section == LOADING else "" for section, *_ in chosen]
        rows = [(client + loads, server, text) for loads, (client, server, text) in zip(own, rows)]
        return table(("at the client", "at the server", "what is wrong, and what to do"), rows)
    rows = [(client if server == "–" else server, text) for client, server, text in rows]
    return table(("you see", "what is wrong, and what to do"), rows)


def part_mistakes(keys):
    found = {mistake[1]: mistake for mistake in ran()["mistakes"]}
    unknown = [key for key in keys.split() if key not in found]
    if unknown:
        raise Wrong(f"tests/docs/mistakes.py has no {unknown}")
    return mistakes([found[key] for key in keys.split()])


def part_mistakes_in(section):
    chosen = [mistake for mistake in ran()["mistakes"] if mistake[0] == section]
    if not chosen:
        raise Wrong(f"tests/docs/mistakes.py has no section {section!r}")
    return mistakes(chosen)


def part_alerts(_):
    alerts = {int(number): name for number, name in ran()["alerts"].items()}
    same("alerts", alerts.values(), ALERTS)
    rows = [(str(number), f"`{name}`", *ALERTS[name]) for number, name in sorted(alerts.items())]
    return table(("alert", "reason", "what it means", "what to do"), rows)


def part_errors(_):
    header = ROOT / "build/src/mbedtls/include/mbedtls/ssl.h"
    if os.environ.get("MBEDTLS_DIR") or not header.exists():
        raise Left("the released Mbed TLS is not here (make sources)")
    defined = re.findall(r"^#define MBEDTLS_ERR_SSL_(\w+)\s+(-0x[0-9A-Fa-f]+)", header.read_text(), re.M)
    same("errors", [name for name, _ in defined], [*ERRORS, *NEVER])
    numbers = dict(defined)
    rows = [(str(int(numbers[name], 16)), f"`MBEDTLS_ERR_SSL_{name}`", text) for name, text in ERRORS.items()]
    return table(("number", "text", "what it means"), rows)


def part_values(_):
    source = (ROOT / "src/error.rs").read_text()
    enum = re.search(r"pub enum Invalid \{(.*?)\n\}", source, re.S)[1]
    meaning = dict(reversed(pair) for pair in re.findall(r"/// ([^\n]+)\n    (\w+),", enum))
    texts = re.findall(r'Self::(\w+) => "([^"]+)"', source)
    same("values", [name for name, _ in texts], meaning)
    rows = [("ValueError", text, meaning[name]) for name, text in texts]
    raised = {}
    for file in sorted((ROOT / "c_glue").glob("*.c")):
        for call, rest in re.findall(r"mp_raise_(\w+)\(([^;]*MP_ERROR_TEXT[^;]*);", file.read_text()):
            kind = re.search(r"mp_type_(\w+)", rest)
            for text in re.findall(r'MP_ERROR_TEXT\("([^"]+)"\)', rest):
                if text != "%s%s%s":  # those of src/error.rs
                    raised[text] = kind[1] if kind else call
    same("what C raises", raised, RAISED_BY_C)
    for text, words in RAISED_BY_C.items():
        rows.append((raised[text], text.replace("%q", "…").replace("%s", "…"), words))
    return table(("exception", "text", "what it means"), [(kind, f"`{text}`", words) for kind, text, words in rows])


def part_cpython(_):
    sys.path.insert(0, str(ROOT / "tests/stubs"))
    import run as stubs

    there = stubs.names_in_stubs()
    rows = []
    for name, words in CPYTHON.items():
        of, _, own = name.partition(".")
        here = f"{of} {own}" in there or f"ssl.{of} {own}" in there
        rows.append((f"`{name}`", "yes" if here else "no", words))
    return table(("CPython's name", "here", ""), rows)


def part_figures(_):
    figures = json.loads((ROOT / "docs/figures.json").read_text())
    stock, ours = figures["stock"], figures["ours"]

    def millions(of):
        return f"{of / 1e6:,.0f} million instructions"

    def kilobytes(of):
        return f"{of / 1000:.1f} KB"

    rows = [
        ("an idle connection, RISC-V", *(kilobytes(of["idle_rv32"]) for of in (stock, ours))),
        ("the same, hibernating", "–", "{} to {} bytes".format(*ours["hibernated_rv32"])),
        ("idle connections in 32 KB of free heap", str(stock["crowd_rv32"]),
         f"{ours['crowd_rv32']}, or {ours['hibernated_crowd_rv32']} hibernating"),
        ("the most memory in a handshake, RISC-V", *(kilobytes(of["peak_rv32"]) for of in (stock, ours))),
        ("a verified handshake, both ends, RISC-V", *(millions(of["handshake_rv32"]) for of in (stock, ours))),
        ("the same, Cortex-M3", *(millions(of["handshake_cortex_m3"]) for of in (stock, ours))),
        ("the same, unix", *(f"{of['handshake_unix_us'] / 1000:.1f} ms" for of in (stock, ours))),
        ("records of 16 KB, unix", *(f"{of['throughput_unix_mb_per_s']} MB/s" for of in (stock, ours))),
        ("the firmware's code, RISC-V", *(f"{of['text_rv32'] / 1000:,.0f} KB" for of in (stock, ours))),
    ]
    measured = (
        f"Measured on {figures['date']} at commit {figures['commit']} by `make bench`, `make bench-qemu`"
        f" and `make bench-ram`:\nRISC-V (RV32) and Cortex-M3 emulated, in exact numbers; unix on"
        f" {figures['machine']}. TLS 1.2, P-256, AES-GCM.\n"
    )
    return table(("", "MicroPython's module", "this module"), rows) + "\n" + measured


def part_memory(_):
    figures = json.loads((ROOT / "docs/figures.json").read_text())
    what = {
        "an idle connection": "idle",
        "the same over DTLS": "idle_dtls",
        "an idle one over TLS that keeps the peer's certificate": "idle_with_certificate",
        "a hibernating connection": "hibernated",
        "the most in a verified handshake, a client's": "peak_client",
        "the same, a server's": "peak_server",
    }
    suites = [figures["memory"][suite] for suite in ("gcm", "ccm8", "chacha20")]
    rows = [(words, *(f"{suite[key]:,}" for suite in suites)) for words, key in what.items()]
    head = ("bytes of heap, RISC-V (RV32)", "AES-GCM", "AES-CCM8", "ChaCha20-Poly1305")
    measured = f"\nMeasured on {figures['date']} at commit {figures['commit']} by `make bench-ram`.\n"
    return table(head, rows) + measured


def credentials_measured(found):
    return f"\nMeasured on {found['date']} at commit {found['commit']} by `benches/credentials.py`, on an emulated RV32 board.\n"


def part_keys(_):
    found = json.loads((ROOT / "docs/credentials.json").read_text())
    rows = []
    for name, what in (
        ("memory", "key in memory"),
        ("object", "key that is an object"),
        ("unchecked", "the same, `check_own_signature = False`"),
    ):
        millions = (found[f"keys, {v}"][f"{name}_instructions"] / 1e6 for v in ("TLSv1.2", "TLSv1.3"))
        rows.append((what, *(f"{n:.1f}" for n in millions)))
    return table(("millions of instructions, client and server", "TLS 1.2", "TLS 1.3"), rows) + credentials_measured(found)


def part_trust(_):
    found = json.loads((ROOT / "docs/credentials.json").read_text())
    rows = []
    for name, title in (("ours", "this module"), ("stock", "MicroPython's own")):
        if name in found:
            of = found[name]
            above = of["all_peak"] - of["one_peak"]
            rows.append((title, *(f"{n:,}" for n in (of["all_kept"], of["memory_kept"], above))))
    head = (f"bytes, {found['CAs']} CAs", "kept by a client", "kept by a server", "peak of a handshake, above one CA's")
    return table(head, rows) + credentials_measured(found)


def part_bundles(_):
    found = json.loads((ROOT / "docs/ca_store.json").read_text())
    rows = []
    for name, title in (("pem", "PEM"), ("der", "DER"), ("bundle", "compact"), ("idf", "ESP-IDF's")):
        of = found[f"all.{name}"]
        times = (f"{max(of[key], 0) / 1000:.1f}" for key in ("load_us", "look_up_us"))
        rows.append((title, f"{of['size']:,}", *times, f"{max(of['peak'] - found['root.pem']['peak'], 0):,}"))
    head = (f"a file of {found['CAs']} CAs", "bytes", "load, ms", "look-up, ms", "peak of a handshake, bytes above one CA's")
    return table(head, rows) + f"\nMeasured on {found['date']} at commit {found['commit']} by `benches/ca_store.py`, on unix (x86-64).\n"


def part_bogo(_):
    found = json.loads((ROOT / "docs/bogo.json").read_text())
    builds = {"without TLS 1.3": found["without"], "with": found["with"]}
    counts = ""
    for name, of in builds.items():
        failed, more = sum(of["failed"].values()), of["unimplemented"]
        counts += (
            f"{name[0].upper()}{name[1:]}: {of['passed']} tests pass, {failed} fail, each for a reason below."
            f" {more} ask for what the module does not offer.\n"
        )
    counts += f"Measured on {found['date']} at commit {found['commit']} by `tests/bogo/run.py --figures`.\n\n"
    rows = []
    for kind in ("ours", "Mbed TLS", "not offered", "right as it is"):
        of_it = {reason for of in builds.values() for reason in of["failed"] if reason.startswith(kind + ": ")}
        for reason in sorted(of_it):
            numbers = (str(of["failed"].get(reason, "–")) for of in builds.values())
            rows.append((kind, reason.partition(": ")[2], *numbers))
    return counts + table(("whose", "what", *builds), rows)


def part_file(path):
    file = ROOT / path
    if not file.exists():
        raise Wrong(f"{path} is missing")
    language = {".py": "python", ".conf": ""}[file.suffix]
    return f"```{language}\n{file.read_text()}```\n"


def pages():
    yield ROOT / "README.md"
    yield from sorted(ROOT.glob("docs/*.md"))


def main():
    check = "--check" in sys.argv[1:]
    problems, left = [], set()
    for page in pages():
        text = page.read_text()

        def make(match):
            kind, argument, old = match.groups()
            try:
                new = globals()["part_" + kind.replace(" ", "_")](argument)
            except Left as reason:
                left.add(str(reason))
                return match[0]
            except Wrong as wrong:
                problems.append(f"{page.relative_to(ROOT)}: {wrong}")
                return match[0]
            start = match.start(3) - match.start()
            return match[0][:start] + new + "<!-- end -->"

        new = MARKED.sub(make, text)
        if new.count("<!-- end -->") != len(MARKED.findall(new)):
            problems.append(f"{page.relative_to(ROOT)}: a marker without an end, or the other way round")
        if new != text and check:
            old_lines, new_lines = text.splitlines(), new.splitlines()
            line = next(i for i, (a, b) in enumerate(zip(old_lines + [""], new_lines + [""]), 1) if a != b)
            problems.append(f"{page.relative_to(ROOT)}:{line}: not as `make docs` writes it")
        elif new != text:
            page.write_text(new)
            print(f"docs: wrote {page.relative_to(ROOT)}")
    for reason in sorted(left):
        print(f"docs: some parts were left as they are: {reason}")
    for problem in problems:
        print(problem)
    if not problems:
        print("docs: as the source says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
