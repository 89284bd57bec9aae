"""Calls all that python-hermes 0.0.1 has, and prints what that must come to. Its
gauges have a value and no operation.

    python oldcalls.py PORT
"""
import sys

from hermes import push_counter, push_gauge
from hermes.hermes import set_hermes_config

from ledger import Ledger

HOST, PORT = "127.0.0.1", int(sys.argv[1])
PEN, FR = {"item": "pen"}, {"country": "fr"}
led = Ledger()

set_hermes_config(HOST, PORT)
for labels in (PEN, PEN, {"item": "é→😀"}):
    push_counter("shop_orders_total", labels)
    led.count("shop_orders_total", labels)
push_counter(metric_name="shop_visits_total", labels={})
led.count("shop_visits_total", {})
for value in (65.5, -3, 0.25):
    push_gauge("shop_open_carts", value, FR)
    led.set("shop_open_carts", FR, value)
push_gauge("shop_last_amount_euros", value=0, labels={})
led.set("shop_last_amount_euros", {}, 0)

led.done("a value that is no number", push_gauge, "shop_open_carts", "abc", FR)
led.done("value None", push_gauge, "shop_open_carts", None, FR)
led.done("labels None", push_counter, "shop_orders_total", None)
led.done("a port that is a string", set_hermes_config, HOST, str(PORT))
push_gauge("shop_open_carts", float("nan"), FR)
led.reject("json")
push_counter("shop_orders_total", {})
led.reject("labels")
led.tell()
