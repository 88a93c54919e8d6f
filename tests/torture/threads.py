"""Threads on connections that share their contexts: one reads, one writes, one asks and hibernates,
and now and then one closes, at any moment. For MicroPython:

    threads.py SECONDS SEED

What is written arrives, in order and once, or the connection was closed. Each connection has a
seed of its own, which a failure prints: `threads.py 0 SEED` repeats that one. The last line is
`ok`, with how many there were.
"""

import random
import select
import sys
import time

sys.path.append(sys.argv[0].rsplit("/", 2)[0] + "/micropython/support")

from blocking import link, start
from link import client_context, server_context
from sockets import loopback

PATTERN = bytes((i * 7 + i // 251) & 0xFF for i in range(7001))
LONG = memoryview(PATTERN * 4)
contexts = client_context(), server_context()


def write(sock, total, longest):
    done = 0
    while done < total:
        n = min(1 + done * 31 % longest, total - done)
        at = done % len(PATTERN)
        assert sock.write(LONG[at : at + n]) == n
        done += n
    return done


def read(sock, total, longest):
    buf = bytearray(longest)
    done = 0
    while done < total:
        n = min(1 + done * 17 % longest, total - done)
        if done % 3 == 0:
            came = sock.recv(n)
        elif done % 3 == 1:
            came = sock.read(n)
        else:
            came = buf[: sock.readinto(buf, n)]
        at = done % len(PATTERN)
        assert LONG[at : at + len(came)] == came, "other bytes at %d" % done
        if not came:
            break
        done += len(came)
    return done


def ask(sock, times):
    poller = select.poll()
    poller.register(sock, select.POLLIN | select.POLLOUT)
    for i in range(times):
        poller.poll(0)
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        assert sock.pending() >= 0
        if i % 4 == 3:
            sock.hibernate()
        time.sleep_ms(i % 3)
    return times


def close(sock, after):
    time.sleep_us(after)
    sock.close()


def connection(seed):
    """What went wrong, in words."""
    random.seed(seed)
    # A close_notify must fit: nobody reads what the last close sends.
    ends = link(random.randint(64, 6000)) if random.randint(0, 1) else loopback(20500)
    join = start(lambda: contexts[1].wrap_socket(ends[1], server_side=True))
    socks = contexts[0].wrap_socket(ends[0]), join()
    if not hasattr(socks[1], "version"):
        return ["no handshake: %r" % socks[1]]
    totals = random.randint(0, 60000), random.randint(0, 60000)
    longest = random.choice((1, 50, 5000, 7000))
    if longest == 1:
        totals = totals[0] // 200, totals[1] // 200
    closers = [i for i in (0, 1) if random.randint(0, 3) == 0]
    joins = [start(close, socks[i], random.randint(0, 20000)) for i in closers]
    for i in (0, 1):
        joins.append(start(write, socks[i], totals[i], longest))
        joins.append(start(read, socks[i], totals[1 - i], random.choice((10, 100, 5000, 7000))))
        joins.append(start(ask, socks[i], random.randint(0, 30)))
    results = [join() for join in joins]
    for sock in socks:
        sock.close()
    wrong = []
    for i, result in enumerate(results[len(closers) :]):
        expected = (totals[i // 3], totals[1 - i // 3], None)[i % 3]
        if isinstance(result, int):
            fine = closers or expected is None or result == expected
        else:
            fine = closers and isinstance(result, OSError) and result.errno > 0
        if not fine:
            wrong.append("%s of end %d: %r" % (("write", "read", "ask")[i % 3], i // 3, result))
    return wrong


def main():
    seconds, seed = int(sys.argv[1]), int(sys.argv[2])
    begin = time.time()
    count = 0
    while True:
        wrong = connection(seed + count)
        if wrong:
            print("FAIL seed", seed + count, "; ".join(wrong))
            sys.exit(1)
        count += 1
        if time.time() - begin >= seconds:
            break
    print("ok", count)


main()
