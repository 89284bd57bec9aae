"""Sends tasks, waits for their results, and says how many of each were done, and
by how many processes.

    python send.py 200
"""
import sys

from tasks import invoice, remind

n = int(sys.argv[1])
results = {
    "invoice": [invoice.delay(i % 40 + 0.5) for i in range(n)],
    "remind": [remind.delay() for _ in range(n // 2)],
}
processes = set()
for task, sent in results.items():
    processes.update(result.get(timeout=120, interval=0.01) for result in sent)
    print(f"{task}={len(sent)}")
print(f"processes={len(processes)}")
