"""Calls all that python-hermes 0.0.4 has, and prints what that must come to.

    python calls.py PORT
"""
import json
import sys

import pydantic
from hermes import (counter_wrapper, decrement_gauge, gauge_wrapper, hermes_gauge, increment_counter, increment_gauge,
                    observe_histogram, observe_summary, set_gauge, set_hermes_config)

from ledger import Ledger

HOST, PORT = "127.0.0.1", int(sys.argv[1])
# The package asks for any pydantic. The models that it has were written for the first.
FIRST = pydantic.VERSION.startswith("1.")
PEN, ODD = {"item": "pen"}, {"item": 'a<b>&"\\\né→😀'}
EMPTY = json.dumps({"metric_name": "shop_orders_total", "payload": {"labels": {"item": ""}}})
LONGEST = {"item": "x" * (2048 - len(EMPTY))}  # a datagram of 2,048 bytes
FR, DE = {"country": "fr"}, {"country": "de"}
led = Ledger()


def fail():
    raise KeyError("no such order")


def counters():
    for labels in (PEN, ODD, PEN, {"item": ""}, LONGEST):
        if led.done("increment_counter", increment_counter, "shop_orders_total", labels):
            led.count("shop_orders_total", labels)
    both = {"reason": "late", "item": "pen"}
    increment_counter("shop_refunds_total", labels=both)
    led.count("shop_refunds_total", both)
    increment_counter(metric_name="shop_visits_total", labels={})
    led.count("shop_visits_total", {})
    if led.done("a label that is a number", increment_counter, "shop_orders_total", {"item": 5}):
        led.count("shop_orders_total", {"item": "5"})

    @counter_wrapper("shop_orders_total", {"item": "pre"})
    def before(a, b=0):
        return a + b

    @counter_wrapper("shop_orders_total", {"item": "post"}, pre_execution=False)
    def after(a, b=0):
        return a + b

    for n in range(3):
        assert before(n, b=1) == n + 1
        led.count("shop_orders_total", {"item": "pre"})
        assert after(n, b=2) == n + 2
        led.count("shop_orders_total", {"item": "post"})
    led.done("counter_wrapper before what raises", counter_wrapper("shop_orders_total", {"item": "pre"})(fail))
    led.count("shop_orders_total", {"item": "pre"})
    led.done("counter_wrapper after what raises", counter_wrapper("shop_orders_total", {"item": "post"}, False)(fail))


def gauges():
    set_gauge("shop_open_carts", 54, FR)
    set_gauge("shop_open_carts", value="0.5", labels=DE)
    led.set("shop_open_carts", FR, 54)
    led.set("shop_open_carts", DE, 0.5)
    for labels, times in ((FR, 3), (DE, 1)):
        for _ in range(times):
            if led.done("increment_gauge", increment_gauge, "shop_open_carts", labels):
                led.move("shop_open_carts", labels, +1)
    for _ in range(2):
        if led.done("decrement_gauge", decrement_gauge, "shop_open_carts", labels=DE):
            led.move("shop_open_carts", DE, -1)
    for value in (1e21, -1e-6):
        set_gauge("shop_last_amount_euros", value, {})
        led.set("shop_last_amount_euros", {}, value)


def jobs():
    """What goes up while something is done."""
    def inside(kind, work):
        with hermes_gauge("shop_jobs", {"kind": kind}):
            work()

    def wrapped(kind, work):
        return gauge_wrapper("shop_jobs", {"kind": kind})(work)

    def up(kind):
        led.move("shop_jobs", {"kind": kind}, +1)

    def down(kind):
        led.move("shop_jobs", {"kind": kind}, -1)

    if led.done("hermes_gauge", inside, "within", int):
        up("within"), down("within")
    led.done("hermes_gauge around what raises", inside, "within, raises", fail)
    if led.raised["hermes_gauge around what raises"] == "KeyError":
        up("within, raises"), down("within, raises")
    if led.done("gauge_wrapper", lambda: wrapped("wrapped", int)()):
        up("wrapped"), down("wrapped")
    led.done("gauge_wrapper around what raises", wrapped("wrapped, raises", fail))
    if led.raised["gauge_wrapper around what raises"] == "KeyError":
        up("wrapped, raises")  # and never down


def observations():
    for value in (2**-8, 0.25, 0.25, 0.375, 6.5, 64):  # sums that are exact
        observe_histogram("shop_latency_seconds", PEN, value)
        led.observe("shop_latency_seconds", PEN, value, buckets=True)
        observe_summary("shop_parcel_bytes", labels=FR, observation=value * 1000)
        led.observe("shop_parcel_bytes", FR, value * 1000)
    observe_histogram("shop_latency_seconds", labels={"item": "ink"}, observation="2.5")
    led.observe("shop_latency_seconds", {"item": "ink"}, 2.5, buckets=True)
    observe_summary("shop_parcel_bytes", DE, -20)
    led.observe("shop_parcel_bytes", DE, -20)


def refused_by_the_client():
    led.done("labels None", increment_counter, "shop_orders_total", None)
    led.done("a value that is no number", set_gauge, "shop_open_carts", "abc", FR)
    led.done("an observation that is no number", observe_histogram, "shop_latency_seconds", PEN, "abc")
    led.done("labels that are a string", observe_summary, "shop_parcel_bytes", "fr", 1)
    led.done("70 kB", increment_counter, "shop_orders_total", {"item": "x" * 70_000})
    led.done("a port that is a string", set_hermes_config, HOST, str(PORT))
    set_hermes_config("::1", PORT)
    led.done("a host that is not IPv4", increment_counter, "shop_orders_total", PEN)
    set_hermes_config(HOST, PORT)


def refused_by_the_server():
    for metric, labels, reason in (
        ("shop_unknown_total", PEN, "unknown_metric"),
        ("shop_orders_total", {}, "labels"),
        ("shop_orders_total", {"item": "pen", "size": "l"}, "labels"),
        ("shop_open_carts", FR, "operation"),
        ("shop_orders_total", {"item": LONGEST["item"] + "x"}, "oversize"),
    ):
        increment_counter(metric, labels)
        led.reject(reason)
    set_gauge("shop_open_carts", None, FR)
    led.reject("value")
    # What JSON has no number for: bare, and with the second pydantic null.
    set_gauge("shop_open_carts", float("nan"), FR)
    led.reject("json" if FIRST else "value")
    observe_summary("shop_parcel_bytes", DE, float("inf"))
    if FIRST:
        led.reject("json")
    else:
        led.observe("shop_parcel_bytes", DE, 0)
    # The type is the name's: a counter knows no operation.
    set_gauge("shop_orders_total", 7, {"item": "set"})
    led.count("shop_orders_total", {"item": "set"})


set_hermes_config(HOST, PORT)
for part in (counters, gauges, jobs, observations, refused_by_the_client, refused_by_the_server):
    part()
led.tell()
