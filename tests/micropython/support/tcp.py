"""The two ends of a test over TCP: sockets, and contexts whose certificates fit."""

import socket

import link
import pki
from link import HOST, server_context

PORT = 8000


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


def client_context():
    return link.client_context(pki.ca_der)
