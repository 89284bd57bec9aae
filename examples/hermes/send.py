"""Takes orders, and counts them with Python's standard library alone.

    python3 send.py 100

HERMES_PORT names another port than Hermes' own.
"""
import json
import os
import socket
import sys

# For a unix socket: AF_UNIX instead of AF_INET, and its path as the address.
SOCKET = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ADDRESS = ("127.0.0.1", int(os.environ.get("HERMES_PORT", "7789")))
SOCKET.setblocking(False)


def send(metric_name, **payload):
    try:
        SOCKET.sendto(json.dumps({"metric_name": metric_name, "payload": payload}).encode(), ADDRESS)
    except OSError:
        pass  # a count is lost rather than an order


for n in range(int(sys.argv[1])):
    item, amount = {"item": "pen" if n % 3 else "ink"}, n % 60 + 0.5
    send("shop_orders_total", labels=item)
    send("shop_order_amount_euros", labels=item, observation=amount)
    send("shop_last_order_euros", labels={}, operation="set", value=amount)
