"""What calls of python-hermes must come to, by what their documentation says."""
import json
import sys

BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]


class Ledger:
    def __init__(self):
        self.series = {}  # (name, labels) to value
        self.rejected = {}  # reason to datagrams that were sent, and must not count
        self.raised = {}  # what was called to what it raised
        self.accepted = 0

    def count(self, name, labels):
        self.accepted += 1
        self._add(name, labels, 1)

    def move(self, name, labels, by):
        self.accepted += 1
        self._add(name, labels, by)

    def set(self, name, labels, value):
        self.accepted += 1
        self._add(name, labels, 0)
        self.series[name, _key(labels)] = value

    def observe(self, name, labels, value, buckets=False):
        self.accepted += 1
        self._add(name + "_count", labels, 1)
        self._add(name + "_sum", labels, value)
        for bound in BOUNDS if buckets else []:
            self._add(name + "_bucket", {**labels, "le": f"{bound:g}"}, value <= bound)
        if buckets:
            self._add(name + "_bucket", {**labels, "le": "+Inf"}, 1)

    def reject(self, reason):
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def done(self, what, call, *args, **more):
        """Calls, and tells whether nothing was raised."""
        try:
            call(*args, **more)
        except Exception as e:
            self.raised[what] = type(e).__name__
            return False
        return True

    def _add(self, name, labels, by):
        key = name, _key(labels)
        self.series[key] = self.series.get(key, 0) + by

    def tell(self):
        series = [{"name": name, "labels": dict(labels), "value": value} for (name, labels), value in self.series.items()]
        json.dump({"series": series, "accepted": self.accepted, "rejected": self.rejected, "raised": self.raised}, sys.stdout)


def _key(labels):
    return tuple(sorted(labels.items()))
