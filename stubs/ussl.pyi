"""`ssl` under its old name. `wrap_socket(cert_reqs=CERT_OPTIONAL)` of a client verifies here."""

from ssl import *
