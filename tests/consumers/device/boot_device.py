"""Boots: runs a boot.py, on the unix port with the network, clock and number of a device.

    micropython -i boot_device.py PATH_OF_BOOT_PY

The REPL is on loopback only.
"""

import sys

import wss_repl


class Interface:
    """network.WLAN: a station that is connected."""

    def __init__(self, interface):
        pass

    def active(self, on):
        pass

    def connect(self, name, password):
        pass

    def isconnected(self):
        return True


class network:
    STA_IF, WLAN = 0, Interface


class ntptime:
    @staticmethod
    def settime():
        pass


class machine:
    @staticmethod
    def unique_id():
        return b"\x0a\x0b\x0c\x0d"


def start_on_loopback(**given):
    start(host="127.0.0.1", **given)


start, wss_repl.start = wss_repl.start, start_on_loopback
sys.modules.update(network=network, ntptime=ntptime, machine=machine)
with open(sys.argv[1]) as file:
    exec(file.read(), {"__name__": "boot"})
