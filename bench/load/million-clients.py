"""A load process of the scenario `million`: opens connections that subscribe to one channel each and then stay silent.

In Python, for a socket here takes 150 bytes of this process, and one of Node.js several thousand: with a million of them
that is the difference between fitting into the machine and not. Standard library alone, Python 3.8 or later, Linux.

Arguments: port; how many; the number of the first; how many channels; addresses to connect from, separated by commas:
each connection takes the next one. Commands, a line each on standard input: `open` begins, `stop` opens no more; its end
ends the process. Reports are lines of JSON, the first once it listens to commands.
"""

import json
import os
import select
import socket
import sys
import time
from array import array

port, count, first, channels = map(int, sys.argv[1:5])
addresses = sys.argv[5].split(",")
slots = count + 64  # descriptors are dense: the highest one is little above the count

AT_ONCE = 100  # handshakes under way; sixteen load processes have 30 for each of the gateway's 52 workers
REFUSALS_IN_A_ROW_MAX = 1000
REPORT_SECONDS = 0.25
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the port is chosen at connect(), once for each address of the other side
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SHAKING, SUBSCRIBING, OPEN, REACHED = range(4)

sockets = [None] * slots  # [descriptor]
states = bytearray(slots)  # [descriptor]
numbers = array("I", bytes(4 * slots))  # [descriptor]
again = []  # numbers of connections that were refused
told = {"open": 0, "refused": 0, "reached": 0, "wrong": 0, "lost": 0, "fault": ""}
begun = 0
under_way = 0
refused_in_a_row = 0
is_opening = False
poller = select.epoll()


def channel_of(number):
    return b"bench.%d" % (number % channels)


def client_frame(text):
    """Text, final, masked with a zero key (RFC 6455, section 5.2); below 126 bytes."""
    return b"\x81" + bytes([0x80 | len(text)]) + b"\0\0\0\0" + text


def begin():
    """Connects, which on a loopback is over at once; where an accept queue is full, waiting is what helps.

    Addresses of its own for the client, not for the server: the kernel takes a port by a hash over them all, and with
    several addresses of the server it so happens that some workers get a quarter more connections than others.
    """
    global begun, under_way
    number = again.pop() if again else first + begun
    if number == first + begun:
        begun += 1
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.bind((addresses[number % len(addresses)], 0))
    connection.connect(("127.0.0.1", port))
    connection.send(HANDSHAKE)
    descriptor = connection.fileno()
    sockets[descriptor] = connection
    states[descriptor] = SHAKING
    numbers[descriptor] = number
    poller.register(descriptor, select.EPOLLIN)
    under_way += 1


def heard(descriptor):
    global under_way, refused_in_a_row
    try:
        data = sockets[descriptor].recv(4096)
    except OSError:
        data = b""
    state = states[descriptor]
    if state == SHAKING and data.startswith(b"HTTP/1.1 101"):
        channel = channel_of(numbers[descriptor])
        states[descriptor] = SUBSCRIBING
        sockets[descriptor].send(client_frame(b'{"action":"subscribe","data":{"channel":"%s"}}' % channel))
    elif state < OPEN and (state == SHAKING or not data):  # a full worker: another port of ours leads to another one
        again.append(numbers[descriptor])
        close(descriptor)
        under_way -= 1
        refused_in_a_row += 1
        told["refused"] += 1
        if refused_in_a_row > REFUSALS_IN_A_ROW_MAX:
            fail("the gateway refuses every handshake: " + (data.split(b"\r\n")[0].decode() or "closed"))
    elif state == SUBSCRIBING and b'"action":"subscribe"' in data:
        states[descriptor] = OPEN
        under_way -= 1
        refused_in_a_row = 0
        told["open"] += 1
    elif not data:
        close(descriptor)
        told["lost"] += 1
    elif b'"action":"message"' in data:
        message_heard(descriptor, data)


def message_heard(descriptor, data):
    """Right is one message a connection, on its own channel."""
    own = b'"channel":"%s"' % channel_of(numbers[descriptor])
    if states[descriptor] == REACHED or data.count(b'"action":"message"') != 1 or own not in data:
        told["wrong"] += 1
    else:
        states[descriptor] = REACHED
        told["reached"] += 1


def close(descriptor):
    sockets[descriptor].close()
    sockets[descriptor] = None


def fail(reason):
    global is_opening
    is_opening = False
    told["fault"] = reason


def obey():
    global is_opening
    line = os.read(0, 4096)
    if not line:
        os._exit(0)  # the kernel closes what is open faster than an interpreter that ends in order
    is_opening = line == b"open\n"


def report():
    os.write(1, json.dumps(told).encode() + b"\n")
    return dict(told)


poller.register(0, select.EPOLLIN)
last, reported_at = report(), time.monotonic()
while True:
    while is_opening and under_way < AT_ONCE and (again or begun < count):
        try:
            begin()
        except OSError as error:
            fail(f"cannot connect: {error}")
    for descriptor, _ in poller.poll(REPORT_SECONDS, 512):
        if descriptor == 0:
            obey()
        else:
            heard(descriptor)
    is_complete = told["open"] == (told["reached"] or count)
    if told != last and (is_complete or time.monotonic() - reported_at > REPORT_SECONDS):
        last, reported_at = report(), time.monotonic()
