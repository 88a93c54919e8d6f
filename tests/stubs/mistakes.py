# Each line that ends in "wrong" is one the checker must complain about, and it must of no other.

import socket
import ssl
import tls

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = "required"  # wrong
context.verify_mode = ssl.CERT_REQUIRED
context.verify_callback = lambda cert: 0  # wrong
context.verify_callback = lambda cert, depth: 0
context.set_ciphers("TLS-PSK-WITH-AES-128-CCM-8")  # wrong
context.set_ciphers(["TLS-PSK-WITH-AES-128-CCM-8"])
context.set_ecdh_curve("x25519")
context.load_cert_chain("cert.pem", "key.pem", lambda: b"password")
context.load_cert_chain("cert.pem", "key.pem", 1)  # wrong

class Key:
    def sign(self, digest: bytes) -> bytes:
        return digest

context.load_cert_chain("cert.pem", Key())
context.load_cert_chain("cert.pem", object())  # wrong
context.load_verify_locations(cadata=b"", capath=b"/etc")  # wrong
context.server_psk_keys = {b"device": b"key"}
context.server_psk_keys = [b"device"]  # wrong
context.dtls_timeout = 1000  # wrong
context.security_level = 0  # wrong
tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).listen(socket.socket(), backlog="4")  # wrong
tls.wrap_socket  # wrong
ssl.SSLSocket(socket.socket())  # wrong

with context.wrap_socket(socket.socket(), server_hostname="localhost") as connection:
    connection.cipher()[0]  # wrong
    certificate = connection.getpeercert()
    if certificate:
        certificate["subject"][0][0][0] + ""
        certificate["subjekt"]  # wrong
    connection.write(1)  # wrong
    connection.write(b"hello")
    connection.read(5).decode()
    connection.psk_identity = b""  # wrong
    connection.session = b""  # wrong

client, address = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER).listen(socket.socket()).accept()
client.read(1500)
