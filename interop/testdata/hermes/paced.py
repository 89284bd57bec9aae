"""Makes as many calls as each line of standard input says, and prints at the end
what all of them must come to.

    python paced.py PORT
"""
import sys

from hermes import increment_counter, increment_gauge, observe_histogram, observe_summary, set_hermes_config

from ledger import Ledger

set_hermes_config("127.0.0.1", int(sys.argv[1]))
led = Ledger()
made = 0
for line in sys.stdin:
    for made in range(made + 1, made + int(line) + 1):
        item, country, amount = {"item": f"item{made % 7}"}, {"country": f"c{made % 3}"}, made % 64 / 8
        if made % 4 == 0:
            increment_counter("shop_orders_total", item)
            led.count("shop_orders_total", item)
        elif made % 4 == 1:
            observe_histogram("shop_latency_seconds", item, amount)
            led.observe("shop_latency_seconds", item, amount, buckets=True)
        elif made % 4 == 2:
            increment_gauge("shop_open_carts", country)
            led.move("shop_open_carts", country, +1)
        else:
            observe_summary("shop_parcel_bytes", country, amount)
            led.observe("shop_parcel_bytes", country, amount)
led.tell()
