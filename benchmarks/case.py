"""One measured piece of work, in this process; `measure.py` starts one for each case and turn.

A case, a function of a topic, gets ready (imports, connections) and returns what is measured, whose
answer has to equal that of the cases beside it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module


def _cpu() -> float:
    """CPU seconds of this process and of those it started and waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def main() -> None:
    """Run one case and print what it took: `case.py TOPIC NAME SOURCE`."""
    topic, name, source = sys.argv[1:]
    work = getattr(import_module(f"topics.{topic}"), name)(source)
    before, start = _cpu(), time.perf_counter()
    answer = work()
    wall, cpu = time.perf_counter() - start, _cpu() - before
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "rss": rss, "answer": answer}))


if __name__ == "__main__":
    main()
