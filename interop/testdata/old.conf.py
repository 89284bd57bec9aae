# The example's configuration for client_python 0.16, which has no gauges of mode
# mostrecent: they are made of mode max here, before the application makes its own.
import prometheus_client

workers = 4
max_requests = 50
max_requests_jitter = 10


class OldGauge(prometheus_client.Gauge):
    def __init__(self, *args, multiprocess_mode="all", **kwargs):
        if multiprocess_mode == "mostrecent":
            multiprocess_mode = "max"
        super().__init__(*args, multiprocess_mode=multiprocess_mode, **kwargs)


prometheus_client.Gauge = OldGauge
