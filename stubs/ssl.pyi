"""TLS and DTLS, as docs/ssl.md and docs/dtls.md describe them.

`X | Any` stands for "X, or None where the transport does not block": a program with blocking
sockets need not ask for None each time.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, NoReturn, Protocol, TypedDict, overload, type_check_only

from typing_extensions import Buffer, Self, TypeAlias

HAS_ALPN: Final[bool]
HAS_HIBERNATION: Final[bool]
HAS_PSK: Final[bool]
HAS_SNI: Final[bool]
HAS_TLSv1_2: Final[bool]
HAS_TLSv1_3: Final[bool]
MBEDTLS_VERSION: Final[str]
P256_BACKEND: Final[str]
RECORD_BUFFERS: Final[bool]

PROTOCOL_TLS_CLIENT: Final = 0
PROTOCOL_TLS_SERVER: Final = 1
PROTOCOL_DTLS_CLIENT: Final = 2
PROTOCOL_DTLS_SERVER: Final = 3

CERT_NONE: Final = 0
CERT_OPTIONAL: Final = 1
CERT_REQUIRED: Final = 2

OP_ALL: Final[int]
OP_NO_SSLv2: Final[int]
OP_NO_SSLv3: Final[int]
OP_NO_TLSv1: Final[int]
OP_NO_TLSv1_1: Final[int]
OP_NO_TLSv1_2: Final[int]
OP_NO_TLSv1_3: Final[int]
OP_NO_COMPRESSION: Final[int]
OP_NO_RENEGOTIATION: Final[int]
VERIFY_DEFAULT: Final[int]
VERIFY_CRL_CHECK_LEAF: Final[int]
VERIFY_CRL_CHECK_CHAIN: Final[int]
OP_NO_TICKET: Final[int]

SSL_ERROR_WANT_READ: Final = 2
SSL_ERROR_WANT_WRITE: Final = 3

SSLError = OSError

class SSLCertVerificationError(ValueError):
    """The peer's certificate is refused. The OSError of a failed connection has these attributes, too."""

    @property
    def alert(self) -> int | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def hint(self) -> str | None: ...

CertificateError = SSLCertVerificationError

class SSLSession:
    """A client's session, for its next connection. Not in a firmware that cannot resume."""

    def __init__(self, saved: Buffer, /) -> None: ...
    @property
    def id(self) -> bytes: ...
    @property
    def time(self) -> int: ...
    @property
    def timeout(self) -> int: ...
    @property
    def ticket_lifetime_hint(self) -> int: ...
    @property
    def has_ticket(self) -> bool: ...
    def serialize(self) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class SSLWantReadError(OSError):
    """do_handshake() on a transport that does not block: call again when it can be read."""

class SSLWantWriteError(OSError):
    """do_handshake() on a transport that does not block: call again when it can be written."""

class SSLWantSignError(OSError):
    """A key that is an object has no signature yet: call again. Such an object may raise it."""

class TLSVersion:
    """Numbers, not members of an enumeration."""

    MINIMUM_SUPPORTED: Final[int]
    SSLv3: Final[int]
    TLSv1: Final[int]
    TLSv1_1: Final[int]
    TLSv1_2: Final[int]
    TLSv1_3: Final[int]
    MAXIMUM_SUPPORTED: Final[int]

class Purpose:
    SERVER_AUTH: Final[str]
    CLIENT_AUTH: Final[str]

_Data: TypeAlias = str | Buffer
_Password: TypeAlias = _Data | Callable[[], _Data]
_Name: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]

@type_check_only
class _Stream(Protocol):
    """What can be wrapped: any stream, of the system or written in Python."""

    def read(self, n: int, /) -> bytes | Any: ...
    def write(self, buf: Any, /) -> int | Any: ...

@type_check_only
class _Counter(Protocol):
    def next(self) -> int: ...
    def advance(self, n: int, /) -> Any: ...

@type_check_only
class _EcKey(Protocol):
    """A key that signs: DER, or r and s; NotImplemented: not yet. It may have `public_key`."""

    def sign(self, digest: bytes, /) -> Any: ...

@type_check_only
class _RsaKey(Protocol):
    """The same with RSA: `padding` is "PKCS1v15" or "PSS"."""

    def sign(self, digest: bytes, padding: str, hash: str, /) -> Any: ...

key_providers: Final[dict[str, Callable[[str], _EcKey | _RsaKey | Buffer]]]

@type_check_only
class _Keys(Protocol):
    """A server's keys: a dict, or any object with this method."""

    def get(self, identity: bytes, /) -> _Data | None: ...

@type_check_only
class _PeerCertificate(TypedDict, total=False):
    subject: _Name
    issuer: _Name
    version: int
    serialNumber: str
    notBefore: str
    notAfter: str
    subjectAltName: tuple[tuple[str, str | _Name], ...]
    OCSP: tuple[str, ...]
    caIssuers: tuple[str, ...]
    crlDistributionPoints: tuple[str, ...]

@type_check_only
class _StoreStats(TypedDict):
    x509: int
    x509_ca: int
    crl: int
    x509_unreadable: int

@type_check_only
class _SessionStats(TypedDict):
    number: int
    connect: int
    connect_good: int
    connect_renegotiate: int
    accept: int
    accept_good: int
    accept_renegotiate: int
    hits: int
    misses: int
    timeouts: int
    cache_full: int

@type_check_only
class _VerifyPaths:
    """A named tuple."""

    cafile: str | None
    capath: str | None
    openssl_cafile_env: str
    openssl_cafile: str | None
    openssl_capath_env: str
    openssl_capath: str | None

class SSLSocket:
    """A connection. Made by wrap_socket() or accept() only."""

    # A type, to compare with and to annotate; neither made nor subclassed.
    def __init__(self, never: NoReturn, /) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def read(self, n: int = -1, /) -> bytes | Any: ...
    def readinto(self, buf: Buffer, n: int = ..., /) -> int | Any: ...
    def readline(self, n: int = -1, /) -> bytes | Any: ...
    def write(self, buf: _Data, offset: int = ..., length: int = ..., /) -> int | Any: ...
    def recv(self, n: int, flags: int = ..., /) -> bytes | Any: ...
    def recv_into(self, buf: Buffer, n: int = ..., /) -> int | Any: ...
    def send(self, buf: _Data, offset: int = ..., length: int = ..., /) -> int | Any: ...
    def sendall(self, buf: _Data, offset: int = ..., length: int = ..., /) -> None: ...
    def makefile(self, mode: str = ..., buffering: int = ..., /) -> Self: ...
    def ioctl(self, request: int, arg: int, /) -> int: ...
    def close(self) -> None: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def do_handshake(self) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def unwrap(self) -> Any: ...
    def hibernate(self) -> bool: ...
    def export(self, *, key: Buffer | None, counter: _Counter | None = None) -> bytes: ...
    @property
    def hibernating(self) -> bool: ...
    def cipher(self) -> tuple[str, str] | None: ...
    def version(self) -> str | None: ...
    def shared_ciphers(self) -> list[tuple[str, str, int]] | None: ...
    def selected_alpn_protocol(self) -> str | None: ...
    def pending(self) -> int: ...
    @overload
    def getpeercert(self, binary_form: Literal[False] = False) -> _PeerCertificate | None: ...
    @overload
    def getpeercert(self, binary_form: Literal[True]) -> bytes | None: ...
    @property
    def context(self) -> _SSLContext | None: ...
    @property
    def session(self) -> SSLSession | None: ...
    @session.setter
    def session(self, value: SSLSession) -> None: ...
    @property
    def session_reused(self) -> bool | None: ...
    @property
    def server_hostname(self) -> str | None: ...
    @property
    def server_side(self) -> bool: ...
    @property
    def close_notify_received(self) -> bool: ...
    @property
    def memory(self) -> tuple[int, int]:
        """(now, peak). Only in a firmware that is built with MPSSL_MEMORY=1."""

    # Pre-shared keys.
    @property
    def psk_identity(self) -> bytes | None: ...
    @property
    def psk_identity_hint(self) -> bytes | None: ...

    # DTLS.
    @property
    def bad_records(self) -> int: ...
    @property
    def connection_id(self) -> tuple[bytes, bytes] | None: ...

    # The transport's, if it has them.
    def fileno(self) -> int: ...
    def getpeername(self) -> Any: ...
    def getsockname(self) -> Any: ...
    def setsockopt(self, level: int, option: int, value: Any, /) -> None: ...
    def gettimeout(self) -> float | None: ...

@type_check_only
class DTLSListener:
    """Many clients on one UDP socket. Made by SSLContext.listen() only."""

    def __init__(self, never: NoReturn, /) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def accept(self) -> tuple[SSLSocket, Any] | Any: ...
    def restore(
        self, state: Buffer, *, key: Buffer | None, counter: _Counter | None = None
    ) -> tuple[SSLSocket, Any]: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def close(self) -> None: ...
    @property
    def dropped(self) -> int: ...

@type_check_only
class _SSLContext:
    """What the contexts of `ssl` and `tls` have in common."""

    verify_mode: int
    verify_flags: int
    check_hostname: bool
    verify_callback: Callable[[memoryview, int], int] | None
    check_own_signature: bool
    ecdsa_sign_callback: Callable[[bytearray, bytearray], Buffer | None] | None
    sni_callback: Callable[[SSLSocket, Any, Any], int | None] | None
    keylog_filename: str | None
    @property
    def pinned_pubkeys(self) -> tuple[bytes, ...] | None: ...
    @pinned_pubkeys.setter
    def pinned_pubkeys(
        self, value: Buffer | list[Buffer] | tuple[Buffer, ...] | None, /
    ) -> None: ...
    max_fragment_length: int | None
    keep_peer_cert: bool
    minimum_version: int
    maximum_version: int
    options: int
    num_tickets: int
    session_cache: int
    hibernate_after: int | None

    psk_identity: _Data | None
    psk_key: _Data | None
    server_psk_keys: _Keys | None

    dtls_timeout: tuple[int, int]
    dtls_mtu: int
    dtls_cid: int | None
    dtls_cid_required: bool

    def __init__(self, protocol: int) -> None: ...
    @property
    def memory(self) -> tuple[int, int]:
        """(now, peak). Only in a firmware that is built with MPSSL_MEMORY=1."""

    def load_cert_chain(
        self,
        certfile: _Data,
        keyfile: _Data | _EcKey | _RsaKey | None = None,
        password: _Password | None = None,
    ) -> None: ...
    def load_verify_locations(
        self, cafile: _Data | None = None, cadata: _Data | None = None, *, capath: str | None = None
    ) -> None: ...
    def load_default_certs(self, purpose: str = ..., /) -> None: ...
    def set_default_verify_paths(self) -> None: ...
    def cert_store_stats(self) -> _StoreStats: ...
    def session_stats(self) -> _SessionStats: ...
    def get_ciphers(self) -> list[str]: ...
    def set_ciphers(self, names: list[str] | tuple[str, ...], /) -> None: ...
    def set_ciphersuites(self, names: str | list[str] | tuple[str, ...], /) -> None: ...
    def set_alpn_protocols(self, protocols: list[str] | tuple[str, ...], /) -> None: ...
    def set_ecdh_curve(self, curves: str | list[str] | tuple[str, ...], /) -> None: ...
    def set_psk_client_callback(
        self, callback: Callable[[Any], tuple[_Data | None, _Data]] | None
    ) -> None: ...
    def set_psk_server_callback(
        self, callback: Callable[[Any], _Data | None] | None, identity_hint: _Data | None = None
    ) -> None: ...
    def wrap_socket(
        self,
        sock: _Stream,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        server_hostname: str | None = None,
        client_id: _Data | None = None,
        *,
        assert_hostname: str | None = None,
        session: SSLSession | None = None,
    ) -> SSLSocket: ...
    def restore(
        self, sock: _Stream, state: Buffer, *, key: Buffer | None, counter: _Counter | None = None
    ) -> SSLSocket: ...
    def listen(
        self, sock: Any, *, backlog: int = 4, bufsize: int = 2048, clients: int = ...
    ) -> DTLSListener: ...

class SSLContext(_SSLContext):
    """A client's begins with `CERT_NONE`. A `str` without PEM in it is the path of a file."""

    @property
    def _context(self) -> Self: ...

def create_default_context(
    purpose: str = ...,
    *,
    cafile: _Data | None = None,
    cadata: _Data | None = None,
    capath: str | None = None,
) -> SSLContext: ...
def get_default_verify_paths() -> _VerifyPaths:
    """Only on unix."""

def wrap_socket(
    sock: _Stream,
    server_side: bool = False,
    key: _Data | None = None,
    cert: _Data | None = None,
    cert_reqs: int = 0,
    cadata: _Data | None = None,
    server_hostname: str | None = None,
    do_handshake: bool = True,
    *,
    keyfile: _Data | None = None,
    certfile: _Data | None = None,
    ca_certs: _Data | None = None,
    do_handshake_on_connect: bool = True,
    ssl_version: Any = None,
    psk_ident: _Data | None = None,
    psk_key: _Data | None = None,
) -> SSLSocket: ...
