"""Threads: one reads what comes, the other writes, on the same connection.

    micropython threads.py HOST PORT CAFILE
"""

import _thread
import socket
import ssl
import sys
import time

# Boards have numbers of their own, unix has no name for its.
TCP_NODELAY = getattr(socket, "TCP_NODELAY", 1)

lines = []
done = _thread.allocate_lock()


def reader(tls):
    try:
        while True:
            line = tls.readline()
            if not line:
                break
            lines.append(line)
            print("came:", line.decode().strip())
    except OSError as error:
        # The other thread has closed: EBADF.
        print("reader ends:", repr(error))
    finally:
        done.release()


def main(host, port, cafile):
    context = ssl.create_default_context(cafile=cafile)
    sock = socket.socket()
    try:
        sock.connect(socket.getaddrinfo(host, int(port), socket.AF_INET)[0][-1])
        # A line does not wait until the one before is confirmed.
        sock.setsockopt(6, TCP_NODELAY, 1)
        tls = context.wrap_socket(sock, server_hostname=host)
    except:
        sock.close()
        raise
    with tls:
        done.acquire()
        _thread.start_new_thread(reader, (tls,))
        for i in range(3):
            tls.write(f"line {i}\n")
        while len(lines) < 3:
            time.sleep_ms(10)
    # The connection is closed now: that ends the read in which the other thread waits.
    done.acquire()


if __name__ == "__main__":
    main(*sys.argv[1:])
