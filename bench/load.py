"""A forward beside busy processes: does the thread pool stand it?

    python bench/load.py LIBRARY [--length 128] [--batch 1]

Measures a forward alone and beside one busy loop a core. With as many others
as threads, the fair share of each is half of the machine: a forward should take
about twice its time alone, and at most twice that.
"""

import argparse
import multiprocessing
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import numpy as np  # noqa: E402

import transom  # noqa: E402


def busy():
    while True:
        pass


def median(library, ids, seconds=3.0):
    library(input_ids=ids)
    samples, begin = [], time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        library(input_ids=ids)
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples), sorted(samples)[int(0.95 * (len(samples) - 1))]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    library = transom.load(options.library, threads=cores)
    ids = np.ones((options.batch, options.length), np.int64)
    alone, alone95 = median(library, ids)
    loops = [multiprocessing.Process(target=busy, daemon=True) for _ in range(cores)]
    for loop in loops:
        loop.start()
    time.sleep(0.5)
    beside, beside95 = median(library, ids, 6.0)
    for loop in loops:
        loop.kill()
    print(f"alone            {alone:8.2f} ms, 95th percentile {alone95:8.2f} ms")
    print(
        f"{cores} busy loops     {beside:8.2f} ms, 95th percentile {beside95:8.2f} ms"
    )
    print(f"times the fair share (2x alone): {beside / alone / 2:.2f}")


if __name__ == "__main__":
    main()
