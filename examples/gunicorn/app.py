"""A shop that knows nothing of promfold: stock client_python, one Prometheus
metric of each kind, and a gauge in each of the modes people use.

    GET /order?item=pen&amount=12.5&pieces=3
"""
import os
import time
from urllib.parse import parse_qs

from prometheus_client import Counter, Gauge, Histogram, Summary

ORDERS = Counter("shop_orders", "Orders taken.")
ORDERS_BY_ITEM = Counter("shop_orders_by_item", "Orders taken, by item.", ["item"])
AMOUNT = Histogram("shop_order_amount_euros", "What an order came to.", buckets=(5, 10, 20, 50))
PIECES = Summary("shop_order_pieces", "Pieces in an order.")

WORKER_ORDERS = Gauge("shop_worker_orders", "Orders taken by each worker, dead ones included.", multiprocess_mode="all")
WORKER_STARTED = Gauge("shop_worker_start_time_seconds", "When each living worker took its first order.",
                       multiprocess_mode="liveall")
WORKERS = Gauge("shop_workers", "Living workers that have taken an order.", multiprocess_mode="livesum")
LAST_AMOUNT = Gauge("shop_last_order_amount_euros", "What the last order came to.", multiprocess_mode="mostrecent")
LARGEST_AMOUNT = Gauge("shop_largest_order_amount_euros", "What the largest order came to.", multiprocess_mode="max")

started = False
largest = 0.0


def take(item, amount, pieces):
    global started, largest
    time.sleep(0.005)  # what the work takes
    ORDERS.inc()
    ORDERS_BY_ITEM.labels(item).inc()
    AMOUNT.observe(amount)
    PIECES.observe(pieces)
    WORKER_ORDERS.inc()
    if not started:
        started = True
        WORKERS.set(1)
        WORKER_STARTED.set_to_current_time()
    LAST_AMOUNT.set(amount)
    largest = max(largest, amount)
    LARGEST_AMOUNT.set(largest)


def app(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))]
    if environ["PATH_INFO"] != "/order":
        start_response("404 Not Found", headers)
        return [b"try /order?item=pen&amount=12.5&pieces=3\n"]
    try:
        query = parse_qs(environ["QUERY_STRING"])
        order = query["item"][0], float(query["amount"][0]), int(query["pieces"][0])
    except (KeyError, ValueError):
        start_response("400 Bad Request", headers)
        return [b"an order has an item, an amount and pieces\n"]
    take(*order)
    start_response("200 OK", headers)
    return [b"thank you\n"]
