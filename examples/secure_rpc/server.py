"""JSON-RPC over HTTPS and wss, with Digest authentication, mutual TLS and an ACL.

A Server is made from a configuration (README.md lists its keys); methods are registered on its
`rpc`, then `run()` serves.
"""

import asyncio
import json
import socket
import ssl

from acl import Caller, load_acl
from connection import Connection, TooLarge
from digest import Digest, Unauthorized, load_users
from frames import NORMAL, Closing, WebSocket, upgrade
from request import HttpError, Request, response
from rpc import (
    FORBIDDEN,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Rpc,
    RpcError,
    parse,
    shown,
)

DEFAULTS = {
    "host": "0.0.0.0",
    "port": 8443,
    "certificate": "server.pem",
    "key": "server.key",
    "client_ca": None,  # a file: mutual TLS
    "realm": "micropython",
    "users": None,  # a file: Digest authentication
    "acl": "acl.json",
    "https": True,
    "wss": True,
    "origins": [],
    "max_connections": 8,
    "max_head": 2048,
    "max_body": 4096,
    "max_batch": 16,
    "max_nonces": 16,
    "nonce_s": 300,
    "request_s": 10,
    "idle_s": 30,
    "method_s": 10,
    "failure_ms": 500,
}

# How an RPC error looks to an HTTP client that called POST /rpc/METHOD.
STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    FORBIDDEN: 403,
    METHOD_NOT_FOUND: 404,
    INTERNAL_ERROR: 500,
}

# For a peer that is told to stop and still sends: else the answer could be lost with its data.
LINGER_S = 2


def load_config(path):
    with open(path) as file:
        return json.load(file)


def complete(config):
    """The configuration with defaults. ValueError for what would be overlooked otherwise."""
    unknown = sorted(set(config) - set(DEFAULTS))
    if unknown:
        raise ValueError("unknown in the configuration: " + ", ".join(unknown))
    result = dict(DEFAULTS)
    result.update(config)
    for name in ("https", "wss"):
        if not isinstance(result[name], bool):
            raise ValueError(name + " is true or false")
    if not result["https"] and not result["wss"]:
        raise ValueError("neither https nor wss is enabled")
    if result["users"] is None and result["client_ca"] is None:
        raise ValueError("nobody can be known: users, client_ca or both are needed")
    return result


class Server:
    def __init__(self, config, log=print):
        self._config = config = complete(config)
        self._log = log
        self._connections = 0
        self._digest = None
        if config["users"] is not None:
            users = load_users(config["users"], config["realm"])
            if not users:
                raise ValueError("no user of this realm in " + config["users"])
            self._digest = Digest(config["realm"], users, config["nonce_s"], config["max_nonces"])
        self.rpc = Rpc(load_acl(config["acl"]), config["method_s"], config["max_batch"], log)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(config["certificate"], config["key"])
        if config["client_ca"] is not None:
            # Not CERT_OPTIONAL, which takes any certificate, whoever signed it.
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(cafile=config["client_ca"])

    def run(self):
        asyncio.run(self.serve())

    async def serve(self):
        config = self._config
        server = await asyncio.start_server(
            self._client, config["host"], config["port"], ssl=self._context
        )
        enabled = [name for name in ("https", "wss") if config[name]]
        enabled += ["digest"] if self._digest else []
        enabled += ["mutual TLS"] if config["client_ca"] is not None else []
        self._log("serving on port %d:" % config["port"], ", ".join(enabled))
        await server.wait_closed()

    async def _client(self, reader, writer):
        peer = name_of(writer.get_extra_info("peername"))
        connection = Connection(reader, writer, self._config["request_s"])
        self._connections += 1
        try:
            if self._connections > self._config["max_connections"]:
                self._log(peer, "refused: too many connections")
            else:
                await self._converse(connection, peer)
        except EOFError:
            pass
        except asyncio.TimeoutError:
            self._log(peer, "timed out")
        except (OSError, ValueError) as error:
            # What TLS refuses: ValueError says what is wrong with the client's certificate.
            self._log(peer, "failed:", repr(error))
        except Exception as error:
            self._log(peer, "failed:", type(error).__name__)
        finally:
            self._connections -= 1
            try:
                await connection.close()
            except OSError:
                pass

    async def _converse(self, connection, peer):
        """Requests of one connection, one after the other."""
        config = self._config
        patience = config["request_s"]  # for the handshake and the first request
        subject = None
        while True:
            await connection.fill(patience)
            if config["client_ca"] is not None and subject is None:
                subject = common_name(connection.tls.getpeercert())
            patience = config["idle_s"]
            try:
                keep_alive = await self._request(connection, peer, subject)
            except (HttpError, TooLarge) as error:
                status, headers = 431, ()
                if isinstance(error, HttpError):
                    status, headers = error.status, error.headers
                self._log(peer, status)
                await connection.write(response(status, None, headers, keep_alive=False))
                await linger(connection)
                return
            if not keep_alive:
                return

    async def _request(self, connection, peer, subject):
        """Whether the connection goes on. HttpError, TooLarge: say so, and it does not."""
        config = self._config
        head = connection.read_until(b"\r\n\r\n", config["max_head"])
        request = Request(await asyncio.wait_for(head, config["request_s"]))
        length = request.content_length()
        if length > config["max_body"]:
            raise HttpError(413)
        expects = "100-continue" in request.tokens("expect")
        try:
            is_upgrade = self._route(request)
            caller = await self._identify(request, peer, subject)
        except HttpError as error:
            if length and expects or not request.keep_alive:
                raise  # whether the body will follow cannot be known
            await asyncio.wait_for(connection.discard(length), config["request_s"])
            self._log(peer, error.status)
            await connection.write(response(error.status, None, error.headers))
            return True
        if is_upgrade:
            await self._web_socket(connection, request, caller)
            return False
        if length and expects:
            await connection.write(response(100))
        body = await asyncio.wait_for(connection.read_exactly(length), config["request_s"])
        status, answer = await self._call(request, caller, body)
        await connection.write(response(status, answer, keep_alive=request.keep_alive))
        return request.keep_alive

    def _route(self, request):
        """Whether the request asks for a web socket. HttpError if it leads nowhere."""
        config = self._config
        # A browser says which page asks; those of others must not use what it knows about us.
        origin = request.header("origin")
        if origin is not None and origin not in config["origins"]:
            if origin != "https://" + (request.header("host") or ""):
                raise HttpError(403)
        is_upgrade = "websocket" in request.tokens("upgrade")
        if not config["wss" if is_upgrade else "https"]:
            raise HttpError(404)
        if request.path != "/rpc" and (is_upgrade or not request.path.startswith("/rpc/")):
            raise HttpError(404)
        if not is_upgrade and request.method != "POST":
            raise HttpError(405, ["Allow: POST"])
        if is_upgrade:
            upgrade(request)  # the complaints, before anybody is asked for a password
        return is_upgrade

    async def _identify(self, request, peer, subject):
        """The Caller. HttpError(401) where a user is wanted and none is proven."""
        if self._digest is None:
            return Caller(subject=subject)
        authorization = request.header("authorization")
        if authorization is None:
            raise HttpError(401, ["WWW-Authenticate: " + self._digest.challenge()])
        try:
            user = self._digest.user(authorization, request.method, request.target)
        except Unauthorized as error:
            self._log(peer, "not authenticated:", error.reason)
            if not error.stale:
                # Passwords are not to be tried fast.
                await asyncio.sleep_ms(self._config["failure_ms"])
            challenge = self._digest.challenge(error.stale)
            raise HttpError(401, ["WWW-Authenticate: " + challenge]) from None
        except ValueError as error:
            self._log(peer, "bad Authorization:", error.args[0])
            raise HttpError(400) from None
        return Caller(user, subject)

    async def _call(self, request, caller, body):
        """(status, JSON or None): of a message to /rpc, or of parameters to /rpc/METHOD."""
        if request.path == "/rpc":
            answer = await self.rpc.answer(caller, body)
            if answer is None:
                return 204, None
            error = answer.get("error") if isinstance(answer, dict) else None
            forbidden = error is not None and error["code"] == FORBIDDEN
            return 403 if forbidden else 200, json.dumps(answer)
        try:
            params = parse(body) if body.strip() else None
            result = await self.rpc.call(caller, request.path[len("/rpc/") :], params)
            return 200, json.dumps(result)
        except RpcError as error:
            return STATUS.get(error.code, 500), json.dumps(error.as_json())

    async def _web_socket(self, connection, request, caller):
        config = self._config
        await connection.write(response(101, headers=upgrade(request)))
        self._log("wss opened:", shown(str(caller)))
        web_socket = WebSocket(
            connection, config["max_body"], config["request_s"], config["idle_s"]
        )
        try:
            while True:
                answer = await self.rpc.answer(caller, await web_socket.receive())
                if answer is not None:
                    await web_socket.send(json.dumps(answer))
        except Closing as closing:
            await web_socket.close(closing.code)
            if closing.code != NORMAL:
                await linger(connection)


def name_of(address):
    """An address as accept() gives it, for the log."""
    if isinstance(address, tuple):
        return "%s:%d" % address[:2]
    _, host, port = socket.sockaddr(address)[:3]  # the unix port's are bytes
    return "%s:%d" % (".".join(str(byte) for byte in host), port)


async def linger(connection):
    """Reads what still comes for a while: else it could take the answer with it."""
    try:
        await asyncio.wait_for(connection.discard(), LINGER_S)
    except (EOFError, OSError, asyncio.TimeoutError):
        pass


def common_name(certificate):
    """The common name in a certificate's subject, as getpeercert() gives it; None unless one."""
    names = []
    for rdn in certificate.get("subject", ()):
        names += [value for name, value in rdn if name == "commonName"]
    return names[0] if len(names) == 1 else None
