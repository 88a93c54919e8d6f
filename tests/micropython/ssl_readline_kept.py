# readline() keeps what an exception interrupts, also where the next one finds no memory for a line that long.

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

LINE = bytes(48 + i % 70 for i in range(300))
client, server, client_end, server_end = connected()


def interrupt(what):
    if what == "read" and not server_end.rx:
        raise KeyError("interrupted")


client.write(LINE)
server_end.hook = interrupt
try:
    server.readline()
except KeyError as er:
    print(er)
server_end.hook = None

# Memory in pieces of some 100 bytes is all there is.
hold = [None] * (gc.mem_free() // 100)
n = 0
try:
    while True:
        hold[n] = bytearray(96)
        n += 1
except MemoryError:
    pass
for i in range(0, n, 2):
    hold[i] = None
gc.collect()
error = None
try:
    server.readline()
except (MemoryError, OSError) as er:
    error = er
hold = None
gc.collect()
print(type(error) is MemoryError or error.errno == 12, server.pending())

client.write(b"the end\n")
print(server.readline() == LINE + b"the end\n")

# Of no length it is none, and waits for none.
client.write(b"left")
print(server.readline(0), server.read(4))
