"""getpeercert(): what it says of certificates of all sorts, beside what CPython says."""

import ast
import contextlib
import importlib.util
import socket
import ssl

from cases import ROOT, case, finished
from peers import WAIT_S, check, free_port, need_program

spec = importlib.util.spec_from_file_location("corpus", ROOT / "tests/certs/corpus.py")
corpus = importlib.util.module_from_spec(spec)
spec.loader.exec_module(corpus)


def said_by_cpython(path):
    """The dict; None where CPython raises."""
    try:
        return ssl._ssl._test_decode_cert(str(path))
    except (ssl.SSLError, ValueError):
        return None


class Door:
    """A server of ours that says what getpeercert() says of each client's certificate."""

    def __init__(self, bench, folder, **given):
        self.bench = bench
        self.port = free_port()
        self.shown = 0
        files = {"cert": bench.file("ec"), "key": bench.file("ec", "key"), "ca": folder / "ca.pem"}
        self.server = bench.micropython("peer_certs.py", port=self.port, **{**files, **given})
        self.server.wait_for(r"^READY")

    def show(self, cert=None, key=None):
        """(a word, what was said) of a client that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            if cert is not None:
                context.load_cert_chain(cert, key)
        except ssl.SSLError:
            # OpenSSL cannot read it, but Mbed TLS may: then a client of ours shows it.
            client = self.bench.micropython("tls_client.py", port=self.port, cert=cert, key=key)
            finished(client, r"^(INVALID|CLOSED)")
            if client.output().startswith("INVALID"):
                return "REFUSED", client.output().strip()
            return self.said()
        return self.visit(context)

    def visit(self, context, host=None):
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # a refusal
            with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as sock:
                with context.wrap_socket(sock, server_hostname=host) as connection:
                    connection.recv(1)
        return self.said()

    def said(self):
        self.shown += 1
        said = self.server.wait_for(
            r"(?s)READY\n(?:[^\n]*\n){%d}(\w+) ([^\n]*)\n" % (self.shown - 1)
        )
        return said.groups()


def judge(label, kind, text, expected, outcome):
    """None, or what is wrong."""
    if outcome == corpus.REFUSED:
        return None if kind == "REFUSED" else f"{label}: not refused: {text}"
    if outcome == corpus.INVALID:
        if expected is not None:
            return f"{label}: CPython says {expected}"
        good = kind == "ERROR" and text.startswith("ValueError('invalid cert'")
        return None if good else f"{label}: {kind} {text}"
    if kind != "CERT":
        return f"{label}: {kind} {text}"
    said = ast.literal_eval(text)
    if isinstance(outcome, tuple):
        _, key, value = outcome
        if said.get(key) == expected.get(key):
            return f"{label}: no different from CPython's after all"
        expected[key] = value
    return None if said == expected else f"{label}:\n  said     {said}\n  CPython  {expected}"


@case(f"getpeercert() of {len(corpus.CORPUS)} certificates, in handshakes, beside CPython's")
def getpeercert_corpus(bench):
    need_program("openssl", "openssl")
    folder = bench.logs / "corpus"
    corpus.make(folder)
    door = Door(bench, folder)
    wrong = []
    for label, (_, outcome) in corpus.CORPUS.items():
        path = folder / f"{label}.pem"
        kind, text = door.show(path, folder / f"{corpus.KEYS[label]}.key")
        wrong.append(judge(label, kind, text, said_by_cpython(path), outcome))
    wrong = [text for text in wrong if text]
    check(not wrong, "\n".join([f"{len(wrong)} differ", *wrong]))


@case("getpeercert() with CERT_OPTIONAL: only of a certificate that was found good")
def getpeercert_optional(bench):
    need_program("openssl", "openssl")
    folder = bench.logs / "corpus"
    corpus.make(folder)
    door = Door(bench, folder, verify="optional")
    good = door.show(folder / "plain.pem", folder / "p256.key")
    bad = door.show(bench.file("client"), bench.file("client", "key"))  # of another CA
    none = door.show()
    check(ast.literal_eval(good[1]) == said_by_cpython(folder / "plain.pem"), f"good: {good}")
    check(bad == ("CERT", "{}"), f"of another CA: {bad}")
    check(none == ("CERT", "None"), f"without a certificate: {none}")
