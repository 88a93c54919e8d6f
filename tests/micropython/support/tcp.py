"""The two ends of a test over TCP: sockets, and contexts whose certificates fit."""

import socket
import ssl

import pki

PORT = 8000
HOST = "micropython.local"


def listen():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo("0.0.0.0", PORT)[0][-1])
    s.listen(5)
    return s


def connect(ip):
    s = socket.socket()
    s.connect(socket.getaddrinfo(ip, PORT)[0][-1])
    return s


def server_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
    return ctx


def client_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(pki.ca_der)
    return ctx
