# Runs on the emulated board: both ends of a connection, with the board's own clock and entropy.
import link
import machine
import pki
import ssl

machine.RTC().datetime((2026, 11, 1, 0, 12, 0, 0, 0))
client, server, _, _ = link.connected(link.client_context(pki.ca_der))
print(ssl.P256_BACKEND, client.version(), client.write(b"hello"), server.read(5))
