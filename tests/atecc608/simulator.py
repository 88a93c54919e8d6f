#!/usr/bin/env python3
"""An ATECC608 on I2C, as its data sheet has it, in a process of its own: it has a P-256 key that no other
process has.

    simulator.py [--open-config] [--open-data] [--speed N] [--crc-errors N] [--garbled N] [--watchdog MS]

It listens on a port of 127.0.0.1, which it prints, and then the public key in slot 0 as PEM. A client
is a bus: it sends (kind, address, length) and, for a write, the bytes; the answer is whether
that was acknowledged, and for a read the bytes.

Slot 0: a private key that signs. 1: one that does not. 2: one for ECDH only. 3: one with none
in it yet. 8: data, no key.
"""

import argparse
import hashlib
import os
import socketserver
import struct
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

ADDRESS = 0x60
SERIAL = bytes.fromhex("0123a1b2c3d4e5f6ee")
AFTER_WAKE = b"\x11"
SUCCESS, PARSE_ERROR, EXECUTION_ERROR, CRC_ERROR = b"\x00", b"\x03", b"\x0f", b"\xff"
SIGNS, ECDH, PRIVATE, P256, OTHER = 1, 4, 1, 4 << 2, 7 << 2
# What a command takes, in milliseconds.
TIMES = {0x02: 1, 0x16: 2, 0x1B: 10, 0x30: 1, 0x40: 60, 0x41: 50, 0x43: 45}


def crc(data):
    value = 0
    for byte in data:
        for i in range(8):
            feedback = (byte >> i & 1) ^ (value >> 15)
            value = (value << 1) & 0xFFFF
            value ^= 0x8005 if feedback else 0
    return struct.pack("<H", value)


def coordinates(key):
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


class Chip:
    def __init__(self, arguments):
        self.arguments = arguments
        self.lock = threading.Lock()
        self.awake = self.idle = False
        self.awake_since = self.ready_at = 0
        self.answer = b""
        self.temp_key = None
        self.crc_errors = arguments.crc_errors
        self.garbled = arguments.garbled
        self.keys = {slot: ec.generate_private_key(ec.SECP256R1()) for slot in (0, 1, 2)}
        self.slots = {0: (SIGNS | ECDH, PRIVATE | P256), 1: (0, PRIVATE | P256), 2: (ECDH, PRIVATE | P256)}
        self.slots[3] = SIGNS, PRIVATE | P256

    def config(self):
        zone = bytearray(128)
        zone[:4], zone[4:8], zone[8:13] = SERIAL[:4], b"\0\0\x60\x02", SERIAL[4:]
        zone[16] = ADDRESS << 1
        for slot in range(16):
            slot_config, key_config = self.slots.get(slot, (0, OTHER))
            struct.pack_into("<H", zone, 20 + 2 * slot, slot_config)
            struct.pack_into("<H", zone, 96 + 2 * slot, key_config)
        zone[86] = 0x55 if self.arguments.open_data else 0
        zone[87] = 0x55 if self.arguments.open_config else 0
        return bytes(zone)

    def look_at_watchdog(self):
        if self.awake and time.monotonic() - self.awake_since > self.arguments.watchdog / 1000:
            self.fall_asleep()

    def fall_asleep(self):
        self.awake = False
        self.temp_key = None
        self.answer = b""

    def reply(self, data):
        packet = bytes((len(data) + 3,)) + data
        self.answer = packet + crc(packet)

    def write(self, address, data):
        with self.lock:
            self.look_at_watchdog()
            if address == 0:
                if not self.awake:
                    self.awake = True
                    self.awake_since = time.monotonic()
                    self.ready_at = self.awake_since + 0.001
                    self.reply(AFTER_WAKE)
                return False
            now = time.monotonic()
            if address != ADDRESS or not self.awake or now < self.ready_at:
                return False
            if data[:1] == b"\x01":
                self.fall_asleep()
            elif data[:1] == b"\x02":
                self.awake = False
                self.answer = b""
            elif data[:1] == b"\x03":
                self.execute(data[1:])
            return True

    def read(self, address, length):
        with self.lock:
            self.look_at_watchdog()
            if address != ADDRESS or not self.awake or time.monotonic() < self.ready_at or not self.answer:
                return None
            answer = self.answer[:length]
            if self.crc_errors > 0 and len(answer) > 4:
                self.crc_errors -= 1
                answer = bytes((answer[0], answer[1] ^ 0x10)) + answer[2:]
            return answer + b"\xff" * (length - len(answer))

    def execute(self, packet):
        # A bit of what a signature needs, Nonce and Sign, changes on the line.
        if self.garbled > 0 and packet[1] in (0x16, 0x41):
            self.garbled -= 1
            packet = packet[:-1] + bytes((packet[-1] ^ 1,))
        if len(packet) < 7 or packet[0] != len(packet) or crc(packet[:-2]) != packet[-2:]:
            self.reply(CRC_ERROR)
            return
        command, mode, parameter = packet[1], packet[2], packet[3] | packet[4] << 8
        self.ready_at = time.monotonic() + TIMES.get(command, 1) / 1000 / self.arguments.speed
        self.reply(self.perform(command, mode, parameter, packet[5:-2]))

    def perform(self, command, mode, parameter, data):
        arguments = self.arguments
        slot_config, key_config = self.slots.get(parameter & 15, (0, OTHER))
        if command == 0x30:
            return b"\0\0\x60\x02"
        if command == 0x02:
            if mode != 0x80 or parameter > 0x18 or parameter & 7:
                return PARSE_ERROR
            return self.config()[(parameter >> 3) * 32 :][:32]
        if command == 0x1B:
            # Before it is locked it is always the same.
            return b"\xff\xff\0\0" * 8 if arguments.open_config else os.urandom(32)
        if command == 0x16:
            if mode != 3 or len(data) != 32:
                return PARSE_ERROR
            self.temp_key = data
            return SUCCESS
        if command in (0x40, 0x41, 0x43) and (parameter > 15 or arguments.open_config):
            return EXECUTION_ERROR
        key = self.keys.get(parameter)
        if command == 0x40:
            if not key_config & PRIVATE or mode not in (0, 4):
                return EXECUTION_ERROR if mode in (0, 4) else PARSE_ERROR
            if mode == 4:
                if parameter in (1, 2):
                    return EXECUTION_ERROR
                key = self.keys[parameter] = ec.generate_private_key(ec.SECP256R1())
            return coordinates(key.public_key()) if key else EXECUTION_ERROR
        if command == 0x41:
            if mode != 0x80:
                return PARSE_ERROR
            if key is None or self.temp_key is None or arguments.open_data or not slot_config & SIGNS:
                return EXECUTION_ERROR
            signature = key.sign(self.temp_key, ec.ECDSA(Prehashed(hashes.SHA256())))
            self.temp_key = None
            r, s = decode_dss_signature(signature)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if command == 0x43:
            if mode != 0x0C or len(data) != 64:
                return PARSE_ERROR
            if key is None or not slot_config & ECDH:
                return EXECUTION_ERROR
            try:
                x, y = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
                other = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            except ValueError:
                return b"\x05"
            return key.exchange(ec.ECDH(), other)
        return PARSE_ERROR


class Bus(socketserver.StreamRequestHandler):
    def handle(self):
        chip = self.server.chip
        while head := self.rfile.read(4):
            kind, address, length = struct.unpack(">cBH", head)
            if kind == b"W":
                self.wfile.write(bytes((chip.write(address, self.rfile.read(length)),)))
                continue
            data = chip.read(address, length)
            self.wfile.write(b"\0" if data is None else b"\1" + data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--open-config", action="store_true")
    parser.add_argument("--open-data", action="store_true")
    parser.add_argument("--speed", type=float, default=1)
    parser.add_argument("--crc-errors", type=int, default=0)
    parser.add_argument("--garbled", type=int, default=0)
    parser.add_argument("--watchdog", type=float, default=1300)
    parser.add_argument("--masked-key", help="a file for the key, masked, for who looks for it elsewhere")
    chip = Chip(parser.parse_args())
    scalar = chip.keys[0].private_numbers().private_value.to_bytes(32, "big")
    with Server(("127.0.0.1", 0), Bus) as server:
        server.chip = chip
        if chip.arguments.masked_key:
            # Whoever looks for it in another process gets it masked, so that it is not found by itself.
            mask = hashlib.sha256(b"mask").digest()
            with open(chip.arguments.masked_key, "wb") as file:
                file.write(bytes(a ^ b for a, b in zip(scalar, mask, strict=True)))
        print("port", server.server_address[1], flush=True)
        pem = chip.keys[0].public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        print(pem.decode() + "ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
