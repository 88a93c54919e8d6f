"""The example's methods, served. On a device this file starts at boot.

micropython main.py [CONFIGURATION]
"""

import sys

from rpc import InvalidParams
from server import Server, load_config

server = Server(load_config(sys.argv[1] if len(sys.argv) > 1 else "config.json"))

relay = {"on": False}


@server.rpc.method("Relay.Get")
def relay_get(caller):
    return relay


@server.rpc.method("Relay.Set", "on")
def relay_set(caller, on):
    if not isinstance(on, bool):
        raise InvalidParams("on is true or false")
    relay["on"] = on  # and machine.Pin(...).value(on)
    return relay


if __name__ == "__main__":
    server.run()
