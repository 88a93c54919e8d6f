"""The native module. `ssl.SSLContext` differs in three things: docs/ssl.md has the table."""

from typing import Final

from ssl import _SSLContext

HAS_HIBERNATION: Final[bool]
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

class SSLContext(_SSLContext):
    """A client's begins with `CERT_REQUIRED`. A `str` without PEM in it is DER, not a path."""
