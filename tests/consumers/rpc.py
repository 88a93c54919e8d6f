"""examples/secure_rpc, with curl, CPython and the websockets library as clients."""

import base64
import contextlib
import hashlib
import http.client
import importlib.util
import json
import os
import pty
import re
import select
import shlex
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time

from cases import DEVICE, ROOT, case, finished
from peers import WAIT_S, Failure, Skip, check, free_port, need_program, wait_until_listening

EXAMPLE = ROOT / "examples/secure_rpc"
REALM = "micropython"
PASSWORDS = {"admin": "correct horse", "guest": "battery: staple", "jürgen": "schlüssel"}
RULES = [
    {"method": "Test.Hidden", "acl": "-*"},
    {"method": "Test.Busy", "acl": "+admin"},
    {"method": "Sys.*", "acl": "-guest,+*"},
    {"method": "*", "acl": "+*"},
]
PARSE_ERROR, INVALID_REQUEST, NO_METHOD = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR, FORBIDDEN = -32602, -32603, -32003


def make_users(path, realm=REALM, passwords=None):
    """A password file, by the example's own tool."""
    for user, password in (passwords or PASSWORDS).items():
        done = subprocess.run(
            [sys.executable, EXAMPLE / "htdigest.py", path, realm, user, "-"],
            input=f"{password}\n".encode(),
            capture_output=True,
            timeout=WAIT_S,
        )
        check(done.returncode == 0, f"htdigest.py: {done.stderr.decode()}")


class RpcServer:
    """The example, served by MicroPython; after the case its output must hold no secret."""

    def __init__(self, bench, script=DEVICE / "rpc_app.py", rules=None, ready=True, **config):
        self.bench = bench
        self.folder = bench.logs
        self.port = free_port()
        users = self.folder / "users.htdigest"
        if not users.exists():
            make_users(users)
        acl = self.folder / "acl.json"
        acl.write_text(json.dumps(RULES if rules is None else rules))
        config = {
            "host": "127.0.0.1",
            "port": self.port,
            "certificate": str(bench.cert("ec")),
            "key": str(bench.key("ec")),
            "users": str(users),
            "realm": REALM,
            "acl": str(acl),
            "failure_ms": 50,
            **config,
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        self.process = bench.start(
            f"micropython {script.name}",
            [bench.arguments.binary, script, path],
            env=dict(os.environ, MICROPYPATH=f"{EXAMPLE}:.frozen"),
        )
        if ready:
            self.process.wait_for(r"^serving on port")
            wait_until_listening(self.port)
            bench.stack.callback(self.check_log)

    def check_log(self):
        """It lives, and what it printed gives nothing away."""
        output = self.process.output()
        check(self.process.child.poll() is None, "the server ended")
        check(
            "Traceback" not in output and "wasn't retrieved" not in output, "it lost an exception"
        )
        hashes = [line.split(":")[2] for line in (self.folder / "users.htdigest").open()]
        for secret in [*PASSWORDS.values(), *map(str.strip, hashes), "my-secret"]:
            check(secret not in output, "a secret is in the log")
        check(not re.search(r"response=|nonce=", output), "an Authorization is in the log")

    def url(self, scheme="https"):
        return f"{scheme}://localhost:{self.port}/rpc"

    def client(self, user="admin", **options):
        client = Client(self, user, **options)
        self.bench.stack.callback(client.close)
        return client

    def context(self, cert=None):
        context = self.bench.python_context()
        if cert is not None:
            context.load_cert_chain(self.bench.file(cert), self.bench.file(cert, "key"))
        return context

    def connect(self, cert=None):
        """A TLS connection, for a client that misbehaves."""
        raw = socket.create_connection(("127.0.0.1", self.port), WAIT_S)
        sock = self.context(cert).wrap_socket(raw, server_hostname="localhost")
        self.bench.stack.callback(sock.close)
        return sock

    def works(self):
        """A client that does everything right is served."""
        client = self.client()
        check(client.call("Test.Add", [1, 2])["result"] == 3, "the next client")
        client.close()


class Digest:
    """The client's side of RFC 7616, with a way to get each of its fields wrong."""

    def __init__(self, challenge, user, password=None):
        scheme, _, rest = challenge.partition(" ")
        check(scheme == "Digest", f"challenged with {challenge}")
        self.challenge = dict(
            (name, quoted or token)
            for name, quoted, token in re.findall(r'([\w-]+)=(?:"([^"]*)"|([^",\s]+))', rest)
        )
        self.user = user
        self.password = PASSWORDS.get(user) if password is None else password
        self.count = 0

    def header(self, method, uri, count=None, algorithm="SHA-256", hash_name="sha256", **changed):
        def hash_of(*parts):
            return hashlib.new(hash_name, ":".join(parts).encode()).hexdigest()

        self.count = self.count + 1 if count is None else count
        fields = {
            "username": self.user,
            "realm": self.challenge["realm"],
            "nonce": self.challenge["nonce"],
            "uri": uri,
            "qop": "auth",
            "nc": f"{self.count:08x}",
            "cnonce": os.urandom(8).hex(),
            "algorithm": algorithm,
            **changed,
        }
        fields["response"] = changed.get("response") or hash_of(
            hash_of(fields["username"], fields["realm"], self.password),
            *(fields[name] for name in ("nonce", "nc", "cnonce") if fields[name] is not None),
            fields["qop"] or "",
            hash_of(method, fields["uri"]),
        )
        bare = ("nc", "qop", "algorithm")
        return "Digest " + ", ".join(
            f"{name}={value}" if name in bare else f'{name}="{value}"'
            for name, value in fields.items()
            if value is not None
        )


class Client:
    """An HTTPS client with Digest authentication over one connection."""

    def __init__(self, server, user=None, password=None, cert=None):
        self.http = http.client.HTTPSConnection(
            "localhost", server.port, timeout=WAIT_S, context=server.context(cert)
        )
        self.user, self.password = user, password
        self.digest = None
        self.challenges = 0

    def close(self):
        self.http.close()

    def send(self, method, path, body=None, **headers):
        """(status, body, headers), without authentication."""
        if isinstance(body, str):
            body = body.encode()
        headers = {name.replace("_", "-"): value.encode() for name, value in headers.items()}
        self.http.request(method, path, body, headers)
        reply = self.http.getresponse()
        return reply.status, reply.read(), reply.headers

    def authorized(self, method, path, body=None, **headers):
        """The same, as the user."""
        if self.digest is None:
            status, _, reply = self.send(method, path, body)
            check(status == 401, f"{path} without authentication: {status}")
            self._challenged(reply)
        made = self.digest.header(method, path)
        status, found, reply = self.send(method, path, body, Authorization=made, **headers)
        if status == 401 and self._challenged(reply).get("stale") == "true":
            made = self.digest.header(method, path)
            status, found, reply = self.send(method, path, body, Authorization=made, **headers)
        return status, found, reply

    def _challenged(self, headers):
        self.challenges += 1
        self.digest = Digest(headers["WWW-Authenticate"], self.user, self.password)
        return self.digest.challenge

    def post(self, path, value=None):
        """(status, JSON) of POST with a JSON body."""
        sent = value if isinstance(value, (str, bytes)) or value is None else json.dumps(value)
        send = self.send if self.user is None else self.authorized
        status, body, _ = send("POST", path, sent)
        return status, json.loads(body) if body else None

    def call(self, method, params=None, number=1):
        """The JSON-RPC answer."""
        request = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            request["params"] = params
        return self.post("/rpc", request)[1]


# curl, and the example as it is


def curl(server, path, *options, user="admin", data="", password=None):
    """(status, body)"""
    who = f"{user}:{PASSWORDS[user] if password is None else password}"
    done = subprocess.run(
        [
            need_program("curl", "curl"),
            "--silent",
            "--show-error",
            "--max-time",
            str(WAIT_S),
            "--noproxy",
            "*",
        ]
        + ["--cacert", str(server.bench.file("ca")), "--digest", "--user", who]
        + ["--resolve", f"localhost:{server.port}:127.0.0.1", "--data", data]
        + ["--write-out", "\n%{http_code}", server.url() + path]
        + [str(option) for option in options],
        capture_output=True,
        text=True,
    )
    check(done.returncode == 0, f"curl: {done.stderr.strip()}")
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


@case("secure rpc: published vectors, and the many small cases, in MicroPython")
def rpc_units(bench):
    process = bench.start(
        "micropython rpc_units.py",
        [bench.arguments.binary, DEVICE / "rpc_units.py"],
        env=dict(os.environ, MICROPYPATH=f"{EXAMPLE}:.frozen"),
    )
    finished(process, r"^OK$")


@case("secure rpc: main.py and its ACL as shipped; curl --digest")
def rpc_shipped(bench):
    rules = json.loads((EXAMPLE / "acl.json").read_text())
    server = RpcServer(bench, EXAMPLE / "main.py", rules)
    status, names = curl(server, "/RPC.List")
    check(status == 200, f"RPC.List: {status}")
    check(names == ["RPC.List", "Relay.Get", "Relay.Set", "Sys.GetInfo"], f"RPC.List: {names}")
    status, names = curl(server, "/RPC.List", user="guest")
    check(names == ["RPC.List", "Relay.Get", "Sys.GetInfo"], f"RPC.List of a guest: {names}")
    status, info = curl(server, "/Sys.GetInfo")
    check(status == 200 and info["implementation"] == "micropython", f"Sys.GetInfo: {info}")
    on = '{"on": true}'
    check(curl(server, "/Relay.Set", data=on) == (200, {"on": True}), "Relay.Set")
    check(curl(server, "/Relay.Set", data='{"on": 1}')[0] == 400, "Relay.Set of a number")
    status, error = curl(server, "/Relay.Set", user="guest", data='{"on": false}')
    check((status, error["code"]) == (403, FORBIDDEN), f"Relay.Set by a guest: {status} {error}")
    check(curl(server, "/Relay.Get", user="guest") == (200, {"on": True}), "Relay.Get by a guest")
    call = {"jsonrpc": "2.0", "id": "x", "method": "Relay.Set", "params": [False]}
    wanted = {"jsonrpc": "2.0", "id": "x", "result": {"on": False}}
    check(curl(server, "", data=json.dumps(call)) == (200, wanted), "/rpc")
    check(curl(server, "/RPC.List", password="wrong")[0] == 401, "curl with a wrong password")
    check(curl(server, "/RPC.List", user="jürgen")[0] == 200, "a name beyond ASCII")
    # More than curl sends without asking first.
    status, _ = curl(server, "/Relay.Set", "--header", "Expect: 100-continue", data=on)
    check(status == 200, f"Expect: 100-continue: {status}")


class Readme:
    """The commands of the example's README, run as they are in a copy of its folder."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.logs / "examples/secure_rpc"
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns("pki", "__pycache__"))
        (bench.logs / "tools").symlink_to(ROOT / "tools")
        micropython = bench.logs / "build/unix/micropython"
        micropython.parent.mkdir(parents=True)
        micropython.symlink_to(bench.arguments.binary)
        # But for the port, which somebody else may have.
        self.port = free_port()
        self.configure(port=self.port, host="127.0.0.1", failure_ms=50)
        text = (EXAMPLE / "README.md").read_text()
        self.text = text[text.index("## Set-up") : text.index("## What is enabled")]
        self.commands = re.findall(r"^    (\S.*)$", self.text, re.M)

    def configure(self, without=(), **changed):
        path = self.folder / "config.json"
        config = {**json.loads(path.read_text()), **changed}
        path.write_text(json.dumps({k: v for k, v in config.items() if k not in without}))

    def next(self, start):
        """The next command, which is to start so."""
        command = self.commands.pop(0)
        check(command.startswith(start), f"the README has {command!r} and not {start}")
        return command.replace("8443", str(self.port))

    def typed(self, start, *answers):
        """What the next command prints on a terminal, where its questions are answered."""
        command = self.next(start)
        child, terminal = pty.fork()
        if child == 0:
            try:
                os.chdir(self.folder)
                path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
                environment = dict(os.environ, PATH=path, no_proxy="*")
                os.execve("/bin/sh", ["sh", "-c", command], environment)
            finally:
                os._exit(127)
        output, answers = "", list(answers)
        deadline = time.monotonic() + WAIT_S
        try:
            while time.monotonic() < deadline:
                if not select.select([terminal], [], [], 0.1)[0]:
                    continue
                try:
                    output += os.read(terminal, 4096).decode()
                except OSError:
                    break  # its last user left
                if answers and re.search(r"(phrase|assword|Again)\b[^\n]*: ?$", output):
                    output += "\n"
                    os.write(terminal, f"{answers.pop(0)}\n".encode())
        finally:
            os.close(terminal)  # who is still there hangs up
            status = os.waitpid(child, 0)[1]
        ended = os.waitstatus_to_exitcode(status)
        check(ended == 0 and not answers, f"{command!r} ended with {ended}: {output}")
        return output

    def server(self, start):
        """The server, by the next command, or once more by the one that started it."""
        if not hasattr(self, "command"):
            self.command = shlex.split(self.next(start))
        process = self.bench.start("micropython main.py", self.command, cwd=self.folder)
        process.wait_for(r"^serving on port")
        return process


@case("secure rpc: its README's set-up, and mutual TLS, command by command")
def rpc_readme(bench):
    need_program("curl", "curl")
    if importlib.util.find_spec("cryptography") is None:
        raise Skip("cryptography is missing (Debian package: python3-cryptography)")
    password, pass_phrase = "correct horse", "battery staple"
    readme = Readme(bench)
    readme.typed("../../tools/mkpki.py device")
    readme.typed("cp ")
    readme.typed("python3 htdigest.py", password, password)
    server = readme.server("../../build/unix/micropython")
    said = readme.typed("curl", password)
    check('["RPC.List", "Relay.Get", "Relay.Set", "Sys.GetInfo"]' in said, f"RPC.List: {said}")
    said = readme.typed("curl", password)
    check('{"on": true}' in said, f"Relay.Set: {said}")
    server.close()

    # Mutual TLS.
    readme.typed("../../tools/mkpki.py host", pass_phrase, pass_phrase)
    check('With `"client_ca": "ca.pem"` in `config.json`' in readme.text, "it says otherwise")
    readme.configure(client_ca="ca.pem")
    server = readme.server("")
    check("digest, mutual TLS" in server.output(), "not with mutual TLS")
    said = readme.typed("curl", password, pass_phrase)
    check('["RPC.List", "Relay.Get", "Relay.Set", "Sys.GetInfo"]' in said, f"RPC.List: {said}")
    server.close()

    check('Without `"users"` in it' in readme.text, "it says otherwise")
    readme.configure(without=["users"])
    server = readme.server("")
    said = readme.typed("curl", pass_phrase)
    check('{"on": true}' in said, f"Relay.Set by operator-1: {said}")
    check(not readme.commands, f"not run: {readme.commands}")
    # The server's own certificate, which lies beside its key in flash, is no client's.
    for pair in ([], ["--cert", "server.pem", "--key", "server.key"]):
        done = subprocess.run(
            ["curl", "--silent", "--noproxy", "*", "--max-time", str(WAIT_S), *pair]
            + ["--cacert", "ca.pem", f"https://localhost:{readme.port}/rpc/RPC.List", "-d", ""],
            capture_output=True, cwd=readme.folder,
        )  # fmt: skip
        check(done.returncode != 0 and not done.stdout, f"let in with {pair}: {done.stdout}")
    check(server.child.poll() is None, "the server ended")


@case("secure rpc: htdigest.py: changes one user, keeps the others, refuses what it cannot hold")
def rpc_htdigest(bench):
    path = bench.logs / "users"
    make_users(path)
    check(path.stat().st_mode & 0o077 == 0, "others can read the password file")
    before = path.read_text().splitlines()
    make_users(path, passwords={"guest": "new"})
    after = path.read_text().splitlines()
    check(len(after) == len(before) == len(PASSWORDS), f"{len(after)} lines")
    changed = set(after) - set(before)
    digest = hashlib.sha256(f"guest:{REALM}:new".encode()).hexdigest()
    check(changed == {f"guest:{REALM}:{digest}"}, f"changed: {changed}")
    for realm, user, password in (
        (REALM, "a:b", "x"),
        (REALM, "#a", "x"),
        (REALM, " a", "x"),
        (REALM, "", "x"),
        ("a:b", "u", "x"),
        (REALM, "u", ""),
    ):
        try:
            make_users(path, realm, {user: password})
        except Failure:
            continue
        raise Failure(f"htdigest.py took {realm!r}, {user!r}, {password!r}")
    check(path.read_text().splitlines() == after, "a refused user changed the file")


# Authentication


@case("secure rpc: Digest: wrong password, user, realm; MD5, no algorithm, Basic: refused with 401")
def rpc_digest_refused(bench):
    server = RpcServer(bench)
    client = server.client(user=None)
    path = "/rpc/Test.WhoAmI"
    status, _, headers = client.send("POST", path)
    challenge = headers["WWW-Authenticate"]
    check(status == 401 and headers.get_all("WWW-Authenticate") == [challenge], "one challenge")
    check("algorithm=SHA-256" in challenge and 'qop="auth"' in challenge, challenge)
    check("MD5" not in challenge and "stale" not in challenge, challenge)

    def attempt(what, wanted, header, stale=False):
        status, body, headers = client.send("POST", path, Authorization=header)
        check(status == wanted, f"{what}: {status} {body}")
        check(body == b"" or wanted == 200, f"{what}: {body}")
        if wanted == 401:
            fresh = headers["WWW-Authenticate"]
            check(("stale=true" in fresh) == stale, f"{what}: {fresh}")

    right = Digest(challenge, "admin")
    other_realm = hashlib.sha256(b"admin:elsewhere:correct horse").hexdigest()
    check(other_realm not in (bench.logs / "users.htdigest").read_text(), "realms are mixed up")
    for what, digest, changed in (
        ("a wrong password", Digest(challenge, "admin", "wrong"), {}),
        ("another's password", Digest(challenge, "admin", PASSWORDS["guest"]), {}),
        ("an unknown user", Digest(challenge, "nobody", "x"), {}),
        ("no user", Digest(challenge, "", "x"), {}),
        ("a wrong realm", right, {"realm": "elsewhere"}),
        ("MD5", right, {"algorithm": "MD5", "hash_name": "md5"}),
        ("no algorithm, which is MD5", right, {"algorithm": None, "hash_name": "md5"}),
        ("no algorithm, but SHA-256", right, {"algorithm": None}),
        ("SHA-256-sess", right, {"algorithm": "SHA-256-sess"}),
        ("SHA-512-256", right, {"algorithm": "SHA-512-256", "hash_name": "sha512_256"}),
        ("MD5 called SHA-256", right, {"hash_name": "md5"}),
        ("qop=auth-int", right, {"qop": "auth-int"}),
        ("no qop, as in RFC 2069", right, {"qop": None, "nc": None, "cnonce": None}),
        ("a response that is too short", right, {"response": "0"}),
    ):
        attempt(what, 401, digest.header("POST", path, **changed))
    swapped = right.header("POST", path).replace(f'realm="{REALM}"', 'realm="elsewhere"')
    attempt("another realm's name on our response", 401, swapped)
    attempt("GET's response for POST", 401, right.header("GET", path))
    basic = base64.b64encode(b"admin:correct horse").decode()
    attempt("Basic", 401, f"Basic {basic}")
    for what, header in (
        ("nothing in it", "Digest"),
        ("another uri", right.header("POST", "/rpc/Test.Hidden")),
        ("nc=1", right.header("POST", path, nc="1")),
        ("nc=0000000g", right.header("POST", path, nc="0000000g")),
        ("no cnonce", right.header("POST", path, cnonce="")),
        ("a field twice", right.header("POST", path) + ", nc=00000009"),
        ("a quote without end", right.header("POST", path) + ', x="'),
    ):
        attempt(what, 400 if what != "nothing in it" else 401, header)
    attempt("the right one, after all", 200, right.header("POST", path))
    server.works()


@case("secure rpc: Digest: a replayed request, a lower nc, another server's or an old nonce: stale")
def rpc_digest_replay(bench):
    server = RpcServer(bench, nonce_s=2, max_nonces=2)
    path = "/rpc/Test.WhoAmI"
    client = server.client(user=None)

    def digest(user="admin"):
        return Digest(client.send("POST", path)[2]["WWW-Authenticate"], user)

    def attempt(header, over=None):
        status, _, headers = (over or client).send("POST", path, Authorization=header)
        return status, "stale=true" in (headers["WWW-Authenticate"] or "")

    start = time.monotonic()
    first = digest()
    captured = first.header("POST", path)
    check(attempt(captured) == (200, False), "the first use")
    check(attempt(captured) == (401, True), "replayed on its connection")
    check(attempt(captured, server.client(user=None)) == (401, True), "replayed on another")
    check(attempt(first.header("POST", path, count=7)) == (200, False), "a count that jumps")
    check(attempt(first.header("POST", path, count=6)) == (401, True), "a count that goes back")
    check(attempt(first.header("POST", path, count=0)) == (401, True), "a count of zero")
    check(attempt(first.header("POST", path, count=8)) == (200, False), "the next count")
    guest = digest("guest")
    check(attempt(guest.header("POST", path)) == (200, False), "a second user")
    stolen = first.header("POST", path, count=9).replace('"admin"', '"guest"')
    check(attempt(stolen) == (401, False), "a response of another user")
    # The table has room for two: the third puts the first out, for good.
    check(attempt(digest().header("POST", path)) == (200, False), "a third nonce")
    check(attempt(captured) == (401, True), "replayed when its nonce is forgotten")
    check(attempt(first.header("POST", path, count=20)) == (401, True), "a forgotten nonce")
    check(time.monotonic() - start < 2, "this machine is too slow for the nonces' lifetime")

    # Challenges that nobody answers do not push out what is in use.
    keeper = digest()
    check(attempt(keeper.header("POST", path)) == (200, False), "before the challenges")
    for _ in range(20):
        client.send("POST", path)
    check(attempt(keeper.header("POST", path)) == (200, False), "after 20 challenges")
    unused = digest()
    time.sleep(2.5)
    check(attempt(keeper.header("POST", path)) == (401, True), "an old nonce")
    check(attempt(unused.header("POST", path)) == (401, True), "an old nonce, never used")
    for nonce in ("", "x", "1-2-3", keeper.challenge["nonce"][:-1] + "x"):
        forged = digest()
        forged.challenge["nonce"] = nonce
        wanted = (401, True) if nonce else (400, False)
        check(attempt(forged.header("POST", path)) == wanted, f"the nonce {nonce!r}")

    # A client that is told "stale" goes on without asking anybody.
    patient = server.client()
    check(patient.post(path) == (200, "admin"), "before the nonce is old")
    time.sleep(2.5)
    check(patient.post(path) == (200, "admin"), "after it")
    check(patient.challenges == 2, f"{patient.challenges} challenges")


@case("secure rpc: ACL: denied is 403, first match wins, RPC.List shows what may be called")
def rpc_acl(bench):
    server = RpcServer(bench)
    admin, guest = server.client("admin"), server.client("guest")
    check(admin.post("/rpc/Test.WhoAmI") == (200, "admin"), "who admin is")
    for client, method, wanted in (
        (admin, "Sys.GetInfo", 200),
        (guest, "Sys.GetInfo", 403),
        (guest, "Sys.NoSuchMethod", 403),  # who may not call it does not learn what there is
        (admin, "Sys.NoSuchMethod", 404),
        (admin, "Test.Hidden", 403),
        (guest, "Test.Busy", 403),
        (admin, "Test.Busy", 500),
        (guest, "Test.WhoAmI", 200),
        (admin, "", 404),
        (admin, "Test.WhoAmI/", 404),
        (admin, "Test%2EWhoAmI", 404),
    ):
        status, answer = client.post(f"/rpc/{method}")
        check(status == wanted, f"{method}: {status} {answer}")
    request = {"jsonrpc": "2.0", "id": 5, "method": "Test.Hidden"}
    status, answer = admin.post("/rpc", request)
    check((status, answer["error"]["code"], answer["id"]) == (403, FORBIDDEN, 5), f"{answer}")
    status, answers = admin.post("/rpc", [request, dict(request, method="Test.WhoAmI", id=6)])
    check(status == 200 and answers[0]["error"]["code"] == FORBIDDEN, f"in a batch: {answers}")
    check(answers[1]["result"] == "admin", f"in a batch: {answers}")
    check("Test.Hidden" not in admin.call("RPC.List")["result"], "RPC.List of admin")
    names = guest.call("RPC.List")["result"]
    check("Sys.GetInfo" not in names and "Test.Echo" in names, f"RPC.List of guest: {names}")
    # Nothing matches: no.
    closed = RpcServer(bench, rules=[{"method": "RPC.*", "acl": "+guest"}])
    check(closed.client().post("/rpc/RPC.List")[0] == 403, "nobody in the list matches")
    check(closed.client("guest").post("/rpc/Test.WhoAmI")[0] == 403, "no rule matches")
    check(closed.client("guest").post("/rpc/RPC.List") == (200, ["RPC.List"]), "one rule matches")


# JSON-RPC

CALL = {"jsonrpc": "2.0", "id": 1}
MESSAGES = [
    # (sent, the error's code and the id of the answer)
    ("", PARSE_ERROR, None),
    ("{", PARSE_ERROR, None),
    ('{"jsonrpc": "2.0", "id": 1, "method": "Test.Echo", "params": [1}', PARSE_ERROR, None),
    ("[" * 1000, PARSE_ERROR, None),
    ("[" * 1000 + "]" * 1000, PARSE_ERROR, None),
    ("1 2", PARSE_ERROR, None),
    ("[]", INVALID_REQUEST, None),
    ("1", INVALID_REQUEST, None),
    ("null", INVALID_REQUEST, None),
    (json.dumps([CALL] * 17), INVALID_REQUEST, None),
    ({"id": 1, "method": "RPC.List"}, INVALID_REQUEST, None),
    ({"jsonrpc": 2.0, "id": 1, "method": "RPC.List"}, INVALID_REQUEST, None),
    ({**CALL, "id": [1], "method": "RPC.List"}, INVALID_REQUEST, None),
    ({**CALL, "id": True, "method": "RPC.List"}, INVALID_REQUEST, None),
    (CALL, INVALID_REQUEST, 1),
    ({**CALL, "method": 1}, INVALID_REQUEST, 1),
    ({**CALL, "method": "RPC.List", "params": None}, INVALID_REQUEST, 1),
    ({**CALL, "method": "RPC.List", "params": "x"}, INVALID_REQUEST, 1),
    ({**CALL, "method": "Test.Nothing"}, NO_METHOD, 1),
    ({**CALL, "id": "a", "method": "__init__"}, NO_METHOD, "a"),
    ({**CALL, "method": "Test.Add"}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Add", "params": [1]}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Add", "params": [1, 2, 3, 4]}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Add", "params": {"a": 1, "b": 2, "d": 3}}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Add", "params": {"a": 1, "c": 2}}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Add", "params": {"a": 1, "b": 2, "caller": 3}}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Add", "params": [1, "x"]}, INVALID_PARAMS, 1),
    ({**CALL, "method": "Test.Fail", "params": ["my-secret"]}, INTERNAL_ERROR, 1),
    ({**CALL, "method": "Test.Slow"}, INTERNAL_ERROR, 1),
    ({**CALL, "method": "Test.Hidden"}, FORBIDDEN, 1),
    ({**CALL, "id": None, "method": "Test.Busy"}, 17, None),
]
RESULTS = [
    # (method, parameters, result)
    ("Test.Add", [1, 2], 3),
    ("Test.Add", [1, 2, 3], 6),
    ("Test.Add", {"b": 1, "a": 2}, 3),
    ("Test.Add", {"c": 10, "b": 1, "a": 2}, 13),
    ("Test.Echo", [None], None),
    ("Test.Echo", ['q"\\ä€𐍈\n'], 'q"\\ä€𐍈\n'),
    ("Test.Echo", {"value": {"a": [1, 2.5, True]}}, {"a": [1, 2.5, True]}),
    ("Test.WhoAmI", None, "admin"),
    ("Test.WhoAmI", [], "admin"),
    ("Test.WhoAmI", {}, "admin"),
]


def check_messages(send):
    """`send` takes a text and returns the answer's JSON."""
    for sent, code, number in MESSAGES:
        text = sent if isinstance(sent, str) else json.dumps(sent)
        answer = send(text)
        check(answer.get("jsonrpc") == "2.0" and "result" not in answer, f"{text[:99]}: {answer}")
        found = answer["error"]["code"], answer.get("id", "none")
        check(found == (code, number), f"{text[:99]}: {answer}")
        check("my-secret" not in json.dumps(answer), "the exception's text came back")
    for name, params, result in RESULTS:
        request = {**CALL, "method": name} | ({} if params is None else {"params": params})
        answer = send(json.dumps(request))
        check(answer == {**CALL, "result": result}, f"{request}: {answer}")
    batch = [{**CALL, "id": i, "method": "Test.Echo", "params": [i]} for i in range(15)]
    batch.insert(3, {"jsonrpc": "2.0", "method": "Test.Echo", "params": [0]})  # no answer to it
    answers = send(json.dumps(batch))
    check([answer["result"] for answer in answers] == list(range(15)), f"a batch: {answers}")
    answers = send(json.dumps([1, {**CALL, "method": "Test.WhoAmI"}]))
    check(answers[0]["error"]["code"] == INVALID_REQUEST, f"a batch with a number: {answers}")
    check(answers[1]["result"] == "admin", f"a batch with a number: {answers}")


@case("secure rpc: JSON-RPC 2.0 over HTTPS: its errors, batches, notifications")
def rpc_messages(bench):
    client = RpcServer(bench, method_s=0.5).client()
    check_messages(lambda text: client.post("/rpc", text)[1])
    notification = {"jsonrpc": "2.0", "method": "Test.WhoAmI"}
    check(client.post("/rpc", notification) == (204, None), "a notification")
    check(client.post("/rpc", [notification] * 2) == (204, None), "two notifications")
    for path, body, wanted in (
        ("Test.Add", [1, 2], 3),
        ("Test.Add", {"a": 1, "b": 2}, 3),
        ("Test.Echo", [None], None),
        ("Test.WhoAmI", None, "admin"),
    ):
        check(client.post(f"/rpc/{path}", body) == (200, wanted), path)
    for path, body, status, code in (
        ("Test.Add", "{", 400, PARSE_ERROR),
        ("Test.Add", b'{"a": "\xff"}', 400, PARSE_ERROR),
        ("Test.Add", "1", 400, INVALID_PARAMS),
        ("Test.Add", "null", 400, INVALID_PARAMS),
        ("Test.Fail", ["my-secret"], 500, INTERNAL_ERROR),
        ("Test.Slow", None, 500, INTERNAL_ERROR),
        ("Test.Busy", None, 500, 17),
        ("Nothing", None, 404, NO_METHOD),
    ):
        found, error = client.post(f"/rpc/{path}", body)
        check((found, error["code"]) == (status, code), f"{path} {body}: {found} {error}")
    check(client.challenges == 1, f"one connection, one nonce: {client.challenges} challenges")


# HTTP


@case("secure rpc: HTTP: too large, malformed, other methods and paths, other origins")
def rpc_http(bench):
    server = RpcServer(bench)
    client = server.client()
    echo = "/rpc/Test.Echo"
    fits = json.dumps(["x" * 4092])
    check(len(fits) == 4096 and client.post(echo, fits) == (200, "x" * 4092), "4096 bytes")
    for size in (4097, 100_000):
        large = server.client(None)
        status, _, headers = large.send("POST", echo, "x" * size)
        check(status == 413 and headers["Connection"] == "close", f"{size} bytes: {status}")
        large.close()
    for what, sent, status in (
        ("a long head", b"POST /rpc HTTP/1.1\r\nX: " + b"x" * 4000 + b"\r\n\r\n", 431),
        ("a head without end", b"POST /rpc HTTP/1.1\r\nX: " + b"x" * 4000, 431),
        ("no end of line", b"x" * 4000, 431),
        ("no HTTP", b"hello\r\n\r\n", 400),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("no Host", b"POST /rpc HTTP/1.1\r\n\r\n", 400),
        ("two lengths", b"POST /rpc HTTP/1.1\r\nHost: h\r\n" + b"Content-Length: 1\r\n" * 2, 400),
        ("chunked", b"POST /rpc HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n", 411),
    ):
        sock = server.connect()
        if not sent.endswith((b"x", b"\r\n\r\n")):
            sent += b"\r\n"
        sock.sendall(sent)
        with sock, sock.makefile("rb") as stream:
            line = stream.readline()
        check(line.startswith(b"HTTP/1.1 %d " % status), f"{what}: {line}")
    for method, path, status in (
        ("GET", "/rpc/Test.WhoAmI", 405),
        ("PUT", "/rpc", 405),
        ("POST", "/", 404),
        ("POST", "/rpcx", 404),
        ("GET", "/../secret", 404),
    ):
        found = client.send(method, path)[0]
        check(found == status, f"{method} {path}: {found}")
    check(client.send("GET", "/rpc")[2]["Allow"] == "POST", "405 without Allow")
    for origin, status in (
        ("https://evil.example", 403),
        ("null", 403),
        (f"http://localhost:{server.port}", 403),
        (f"https://localhost:{server.port}", 200),
    ):
        found = client.authorized("POST", "/rpc/Test.WhoAmI", Origin=origin)[0]
        check(found == status, f"Origin {origin}: {found}")
    # Two requests in one segment.
    sock = server.connect()
    line = "POST /rpc HTTP/1.1\r\nHost: h\r\n"
    last = "POST /rpc HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    sock.sendall((line + "Content-Length: 5\r\n\r\n12345" + last).encode())
    answers = sock.makefile("rb").read()
    check(answers.count(b"HTTP/1.1 401 ") == 2, f"two requests: {answers}")
    server.works()


@case("secure rpc: peers that stall are timed out while others are served; too many are refused")
def rpc_stall(bench):
    server = RpcServer(bench, request_s=2, idle_s=3, max_connections=6)
    head = b"POST /rpc HTTP/1.1\r\nHost: h\r\n"
    silent = socket.create_connection(("127.0.0.1", server.port), WAIT_S)
    half_hello = socket.create_connection(("127.0.0.1", server.port), WAIT_S)
    half_hello.sendall(bytes.fromhex("160301020001"))
    no_request, half_head = server.connect(), server.connect()
    half_head.sendall(head)
    stalled = [silent, half_hello, no_request, half_head]
    start = time.monotonic()
    # One that sends a byte now and then gains no time by it.
    drip = server.connect()
    stalled.append(drip)
    drip.sendall(head + b"X: ")
    server.works()
    # Five stall; with one that idles, the server has all that it takes.
    time.sleep(0.5)  # the connection that works() closed is gone there, too
    idle = server.client()
    idle.call("Test.WhoAmI")
    with contextlib.suppress(OSError):
        server.connect().sendall(head)
    server.process.wait_for("refused: too many connections")
    idle_since = time.monotonic()
    while time.monotonic() - start < 4:
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            drip.sendall(b"x")
    for sock in stalled:
        sock.settimeout(1)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            check(sock.recv(100) == b"", "a stalled peer got something else than an end")
    output = server.process.output()
    check(output.count("timed out") >= 5, f"timed out: {output.count('timed out')}")
    # The body that never comes, after the password; and a connection that is used no more.
    body = server.client()
    body.call("Test.WhoAmI")
    made = body.digest.header("POST", "/rpc")
    sock = server.connect()
    sock.sendall(head + f"Authorization: {made}\r\nContent-Length: 9\r\n\r\n123".encode())
    start = time.monotonic()
    check(sock.recv(100) == b"", "half a body was answered")
    took = time.monotonic() - start
    check(1 < took < 4, f"half a body was waited for {took:.1f} s")
    time.sleep(max(0, 4 - (time.monotonic() - idle_since)))
    idle.http.sock.settimeout(1)
    check(idle.http.sock.recv(100) == b"", "an idle connection lives")
    server.works()
    # What fails leaves nothing open: neither who speaks no TLS, nor who refuses the certificate.
    files = f"/proc/{server.process.child.pid}/fd"
    before = len(os.listdir(files))
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", server.port), WAIT_S) as raw,
        ):
            ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
    server.works()
    deadline = time.monotonic() + WAIT_S
    while len(os.listdir(files)) > before and time.monotonic() < deadline:
        time.sleep(0.1)
    check(len(os.listdir(files)) <= before, "failed connections stay open")


# Web sockets


def web_socket(server, user="admin", cert=None, **headers):
    """A connection of the websockets library, authenticated with its opening request."""
    place = server.bench.libraries.path("websockets")
    if place is None:
        raise Skip(server.bench.libraries.missing["websockets"])
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
    from websockets.sync.client import connect

    if user is not None:
        probe = server.client(user=None, cert=cert)
        challenge = probe.send("GET", "/rpc", **UPGRADE)[2]["WWW-Authenticate"]
        headers["Authorization"] = Digest(challenge, user).header("GET", "/rpc")
    return server.bench.stack.enter_context(
        connect(
            server.url("wss"),
            ssl=server.context(cert),
            additional_headers=headers,
            compression=None,
            proxy=None,
            open_timeout=WAIT_S,
            close_timeout=WAIT_S,
        )
    )


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": base64.b64encode(bytes(16)).decode(),
}


@case("secure rpc: wss: the websockets library: JSON-RPC's errors, 100 calls, pings, fragments")
def rpc_wss(bench):
    server = RpcServer(bench, method_s=0.5, idle_s=1)
    peer = web_socket(server)

    def send(text):
        peer.send(text)
        return json.loads(peer.recv(timeout=WAIT_S))

    check_messages(send)
    for number in range(100):
        value = "ä€𐍈" * number
        answer = send(json.dumps({**CALL, "method": "Test.Echo", "params": [value]}))
        check(answer["result"] == value, f"call {number}: {answer}")
    check(peer.ping(b"are you there").wait(WAIT_S), "no answer to a ping")
    request = json.dumps({**CALL, "method": "Test.Echo", "params": ["in parts"]})
    peer.send([request[:5], request[5:20], "", request[20:]])
    check(json.loads(peer.recv(timeout=WAIT_S))["result"] == "in parts", "a message in parts")
    # A notification has no answer: the next one is that of the next call.
    peer.send(json.dumps({"jsonrpc": "2.0", "method": "Test.Echo", "params": [1]}))
    check(send(json.dumps({**CALL, "id": 77, "method": "Test.WhoAmI"}))["id"] == 77, "the order")
    time.sleep(2.5)  # longer than it may be idle: pings keep it
    check(send(json.dumps({**CALL, "method": "Test.WhoAmI"}))["result"] == "admin", "kept alive")
    guest = web_socket(server, "guest")
    guest.send(json.dumps({**CALL, "method": "Sys.GetInfo"}))
    answer = json.loads(guest.recv(timeout=WAIT_S))
    check(answer["error"]["code"] == FORBIDDEN, f"a guest: {answer}")
    peer.close()
    check(peer.close_code == 1000, f"closed with {peer.close_code}")


@case("secure rpc: wss: no password, a replayed one, another origin: no upgrade")
def rpc_wss_refused(bench):
    server = RpcServer(bench)
    client = server.client(user=None)
    status, _, headers = client.send("GET", "/rpc", **UPGRADE)
    check(status == 401, f"without authentication: {status}")
    digest = Digest(headers["WWW-Authenticate"], "admin")
    wrong = Digest(headers["WWW-Authenticate"], "admin", "wrong").header("GET", "/rpc")
    check(client.send("GET", "/rpc", Authorization=wrong, **UPGRADE)[0] == 401, "wrong password")
    made = digest.header("GET", "/rpc")
    opened = server.client(user=None)
    opened.http.request(
        "GET",
        "/rpc",
        headers={k.replace("_", "-"): v for k, v in UPGRADE.items()} | {"Authorization": made},
    )
    check(opened.http.getresponse().status == 101, "the right one")
    status, _, headers = client.send("GET", "/rpc", Authorization=made, **UPGRADE)
    check(status == 401 and "stale=true" in headers["WWW-Authenticate"], f"replayed: {status}")
    for changed, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Connection": "keep-alive"}, 400),
    ):
        made = digest.header("GET", "/rpc")
        found = client.send("GET", "/rpc", Authorization=made, **(UPGRADE | changed))[0]
        check(found == status, f"{changed}: {found}")
    check(client.send("GET", "/rpc/Test.WhoAmI", **UPGRADE)[0] == 404, "another path")
    server.works()


def frame(opcode, payload=b"", final=True, masked=True, length=None, reserved=0):
    length = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | reserved | opcode])
    mask = 0x80 if masked else 0
    if length < 126:
        head += bytes([mask | length])
    elif length < 65536:
        head += bytes([mask | 126]) + struct.pack(">H", length)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", length)
    key = os.urandom(4) if masked else b""
    return (
        head + key + bytes(byte ^ key[i % 4] if masked else byte for i, byte in enumerate(payload))
    )


@case("secure rpc: wss: frames that break RFC 6455 close with its code; half a frame times out")
def rpc_wss_frames(bench):
    server = RpcServer(bench, request_s=1)

    def opened():
        client = server.client(user=None)
        challenge = client.send("GET", "/rpc", **UPGRADE)[2]["WWW-Authenticate"]
        headers = {name.replace("_", "-"): value for name, value in UPGRADE.items()}
        headers["Authorization"] = Digest(challenge, "admin").header("GET", "/rpc")
        sock = client.http.sock
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        sock.sendall(f"GET /rpc HTTP/1.1\r\nHost: h\r\n{''.join(lines)}\r\n".encode())
        stream = sock.makefile("rb")
        check(b" 101 " in stream.readline(), "no upgrade")
        while stream.readline() not in (b"\r\n", b""):
            pass
        return sock, stream

    for what, sent, code in (
        ("not masked", frame(1, b"{}", masked=False), 1002),
        ("a reserved bit", frame(1, b"{}", reserved=0x40), 1002),
        ("an unknown opcode", frame(3, b"{}"), 1002),
        ("an unknown control frame", frame(11, b""), 1002),
        ("a long ping", frame(9, b"x" * 126), 1002),
        ("a ping in parts", frame(9, b"x", final=False), 1002),
        ("a continuation of nothing", frame(0, b"{}"), 1002),
        ("a text within a text", frame(1, b"{", final=False) + frame(1, b"}"), 1002),
        ("binary", frame(2, b"{}"), 1003),
        ("not UTF-8", frame(1, b"\xff\xfe"), 1007),
        ("too long", frame(1, b"x" * 4097), 1009),
        ("too long, says its head", frame(1, b"", length=1 << 40), 1009),
        ("too long in parts", frame(1, b"x" * 4000, final=False) + frame(0, b"x" * 97), 1009),
        ("close", frame(8, b"\x03\xe8bye"), 1000),
    ):
        sock, stream = opened()
        sock.sendall(sent)
        wanted = b"\x88\x02" + code.to_bytes(2, "big")
        got = stream.read(4)
        check(got == wanted, f"{what}: {got} instead of {wanted}")
        sock.close()
    sock, stream = opened()
    start = time.monotonic()
    sock.sendall(frame(1, b"12345")[:-1])
    check(stream.read(1) == b"", "half a frame was answered")
    check(time.monotonic() - start < 3, "half a frame was waited for too long")
    server.works()


@case("secure rpc: https and wss are enabled each for itself")
def rpc_transports(bench):
    request = {**CALL, "method": "Test.WhoAmI"}
    only_https = RpcServer(bench, wss=False)
    check(only_https.client().post("/rpc", request)[0] == 200, "https")
    status = only_https.client(user=None).send("GET", "/rpc", **UPGRADE)[0]
    check(status == 404, f"wss where it is disabled: {status}")
    only_wss = RpcServer(bench, https=False)
    for path in ("/rpc", "/rpc/Test.WhoAmI"):
        status = only_wss.client(user=None).send("POST", path)[0]
        check(status == 404, f"{path} where https is disabled: {status}")
    peer = web_socket(only_wss)
    peer.send(json.dumps(request))
    check(json.loads(peer.recv(timeout=WAIT_S))["result"] == "admin", "wss")


# Mutual TLS


def refused(connect):
    """The client's connection fails; with TLS 1.3 or a fast close only when it is used."""
    try:
        client = connect()
        client.send("POST", "/rpc/Test.WhoAmI")
    except (OSError, http.client.HTTPException):
        return
    raise Failure("a client without a proper certificate was answered")


@case("secure rpc: mutual TLS: the subject is who calls; no certificate, another CA's: refused")
def rpc_mutual(bench):
    rules = [
        {"method": "Test.Hidden", "acl": "+cert:client2,-*"},
        {"method": "Test.Echo", "acl": "+cert:*1"},
        {"method": "Test.*", "acl": "+cert:client?"},
    ]
    server = RpcServer(bench, rules=rules, users=None, client_ca=str(bench.file("ca")))

    def client(cert):
        return server.client(user=None, cert=cert)

    first, second = client("client"), client("rsa_client")
    check(first.post("/rpc/Test.WhoAmI") == (200, "cert:client1"), "who the first is")
    check(second.post("/rpc/Test.WhoAmI") == (200, "cert:client2"), "who the second is")
    check(first.post("/rpc/Test.Hidden")[0] == 403, "the first at Test.Hidden")
    check(second.post("/rpc/Test.Hidden") == (200, "seen"), "the second at Test.Hidden")
    # A certificate below the right CA is not enough: its subject must be in the ACL.
    check(first.post("/rpc/Test.Echo", [1]) == (200, 1), "the first at Test.Echo")
    check(second.post("/rpc/Test.Echo", [1])[0] == 403, "the second at Test.Echo")
    # ec is below the right CA, but a server's.
    for cert in (None, "other_client", "selfsigned", "expired", "ec"):
        refused(lambda cert=cert: client(cert))
    server.process.wait_for("not correctly signed by the trusted CA")
    options = ["--cert", bench.file("client"), "--key", bench.file("client", "key")]
    check(curl(server, "/Test.WhoAmI", *options) == (200, "cert:client1"), "curl --cert")
    peer = web_socket(server, user=None, cert="client")
    peer.send(json.dumps({**CALL, "method": "Test.WhoAmI"}))
    check(json.loads(peer.recv(timeout=WAIT_S))["result"] == "cert:client1", "wss")
    check(first.post("/rpc/Test.WhoAmI") == (200, "cert:client1"), "the first, still connected")


@case("secure rpc: mutual TLS and Digest together: both are asked for, the ACL sees both")
def rpc_mutual_and_digest(bench):
    rules = [
        {"method": "Test.Hidden", "acl": "-cert:client2,+admin"},
        {"method": "*", "acl": "+*"},
    ]
    server = RpcServer(bench, rules=rules, client_ca=str(bench.file("ca")))
    check(server.client(user=None, cert="client").send("POST", "/rpc")[0] == 401, "no password")
    refused(lambda: server.client())
    first, second = server.client(cert="client"), server.client(cert="rsa_client")
    check(first.post("/rpc/Test.WhoAmI") == (200, "admin+cert:client1"), "who it is")
    check(first.post("/rpc/Test.Hidden") == (200, "seen"), "the first at Test.Hidden")
    check(second.post("/rpc/Test.Hidden")[0] == 403, "the second at Test.Hidden")
    options = ["--cert", bench.file("client"), "--key", bench.file("client", "key")]
    check(curl(server, "/Test.WhoAmI", *options) == (200, "admin+cert:client1"), "curl")


@case("secure rpc: a configuration that would not protect is refused, with the reason")
def rpc_configuration(bench):
    bad_users = bench.logs / "bad.htdigest"
    # What Apache's htdigest writes.
    bad_users.write_text(f"admin:{REALM}:{hashlib.md5(b'x').hexdigest()}\n")
    for config, reason in (
        ({"htps": False}, "ValueError: unknown in the configuration: htps"),
        ({"https": False, "wss": False}, "ValueError: neither https nor wss is enabled"),
        ({"https": "no"}, "ValueError: https is true or false"),
        ({"users": None}, "ValueError: nobody can be known"),
        ({"realm": "elsewhere"}, "ValueError: no user of this realm"),
        ({"users": str(bad_users)}, r"ValueError: .*bad\.htdigest, line 1: not user:realm:SHA-256"),
        ({"users": "/nowhere"}, "OSError: .*ENOENT"),
        ({"rules": {"method": "*"}}, "ValueError: an ACL is an array"),
        ({"rules": [{"method": "*", "acl": "admin"}]}, "ValueError: ACL, rule 1: "),
        ({"key": str(bench.key("client"))}, "ValueError: key does not match cert"),
        ({"client_ca": str(bad_users)}, "ValueError: invalid cert"),
    ):
        server = RpcServer(bench, ready=False, **config)
        code = server.process.wait()
        output = server.process.output()
        check(code == 1 and re.search(reason, output), f"{config}: {code}, {output.strip()[-200:]}")
        check("serving" not in output, f"{config}: it serves")
