"""Load over plain sockets from a process of its own: ``python -m benchmarks.lookup_load HOST PORT SECONDS`` + targets.

Standard input has one request target a line (``/api/v1/assignments?…``); the environment's ``BENCH_KEY`` is the bearer.
Prints one JSON object: requests, seconds, median and p99 in milliseconds, and how many answers were not 200.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence

CONNECTIONS = 8


def main() -> int:
    """Ask over eight kept-alive connections, each with the next target as soon as it has its answer."""
    host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    targets = sys.stdin.read().split("\n")
    header = f"HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {os.environ['BENCH_KEY']}\r\n\r\n"
    requests = [f"GET {target} {header}".encode() for target in targets if target]
    times: list[list[float]] = [[] for _ in range(CONNECTIONS)]
    refused = [0] * CONNECTIONS
    until = time.perf_counter() + seconds

    def ask(number: int) -> None:
        with socket.create_connection((host, port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            place = number * len(requests) // CONNECTIONS
            while time.perf_counter() < until:
                start = time.perf_counter()
                connection.sendall(requests[place % len(requests)])
                refused[number] += not _answered(connection)
                times[number].append(time.perf_counter() - start)
                place += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    every = sorted(second for one in times for second in one)
    print(json.dumps({
        "requests": len(every), "seconds": took, "median_ms": _quantile(every, 0.5), "p99_ms": _quantile(every, 0.99),
        "refused": sum(refused),
    }))  # fmt: skip
    return 0


def _answered(connection: socket.socket) -> bool:
    """Read one whole answer; whether its status is 200."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += _some(connection)
    return head.startswith(b"HTTP/1.1 200")


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    if not received:
        raise ConnectionError("the server closed the connection")
    return received


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


if __name__ == "__main__":
    sys.exit(main())
