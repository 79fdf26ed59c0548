"""Transom beside other engines, interleaved in one run on this machine.

    python bench/run.py [--threads 2,1] [--rounds 5] [--items TEXT] [--out FILE]

For each item and thread count, every engine has its turn in each round, in its
own process, after a pause in which the others fall asleep; the machine's peak is
measured in the same rounds. Reported are medians over all runs, the share of the
peak (decoding: of the read bandwidth) and the ratio to each other engine.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from engines import ENGINES  # noqa: E402
from items import ITEMS, bytes_per_step, flops, make_model  # noqa: E402


def processor():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return "unknown processor"


class Worker:
    def __init__(self, engine, threads, root):
        self.engine, self.threads = engine, threads
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py", engine, str(threads), root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip

    def ask(self, *request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            return {"failure": f"{self.engine} died: {self.process.wait()}"}
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def peak(program, threads, milliseconds=40):
    text = subprocess.run(
        [program, str(threads), str(milliseconds)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return json.loads(text)


def measure(item, workers, program, rounds, seconds):
    """{engine: times}, errors, failures and the peaks seen beside."""
    times, errors, failures, peaks = {w.engine: [] for w in workers}, {}, {}, []
    for _ in range(rounds):
        peaks.append(peak(program, workers[0].threads))
        for worker in workers:
            if worker.engine in failures:
                continue
            time.sleep(0.05)
            reply = worker.ask("run", item, seconds)
            if "failure" in reply:
                failures[worker.engine] = reply["failure"]
                continue
            times[worker.engine] += reply["ms"]
            if "error" in reply:
                errors[worker.engine] = reply["error"]
    return times, errors, failures, peaks


def report(item, threads, times, errors, failures, peaks):
    limit = max(p["f32_gflops"] for p in peaks)
    row = {
        "item": item, "threads": threads, "peak_gflops": limit,
        "read_gbs": max(p["read_gbs"] for p in peaks), "engines": {},
    }  # fmt: skip
    for engine, samples in times.items():
        if engine in failures:
            row["engines"][engine] = {"failure": failures[engine]}
            continue
        ms = statistics.median(samples)
        rate = flops(item) / ms / 1e6
        row["engines"][engine] = {
            "ms": round(ms, 3), "runs": len(samples), "gflops": round(rate, 1),
            "share_of_peak": round(rate / limit, 3), "error": errors.get(engine),
        }  # fmt: skip
        if ITEMS[item].new:
            read = bytes_per_step(item) / ms / 1e6
            row["engines"][engine]["share_of_read"] = round(read / row["read_gbs"], 3)
    ours = row["engines"].get("transom", {}).get("ms")
    print(f"{item:20} {threads} thread{'s' if threads > 1 else ' '}", end="")
    for engine, result in row["engines"].items():
        if "failure" in result:
            print(f"  {engine}: {result['failure'][:60]}", end="")
            continue
        ratio = f" {result['ms'] / ours:4.2f}x" if ours and engine != "transom" else ""
        share, of = result["share_of_peak"], "f32 peak"
        if "share_of_read" in result:
            share, of = result["share_of_read"], "read"
        print(
            f"  {engine} {result['ms']:8.2f} ms, {100 * share:3.0f} % of {of}{ratio}",
            end="",
        )
    print(flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    build = HERE.parent / "build"
    parser.add_argument("--root", type=pathlib.Path, default=build / "bench")
    parser.add_argument(
        "--peak", type=pathlib.Path, default=build / "bin" / "bench-peak"
    )
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--threads", default="2,1")
    parser.add_argument("--items", default="", help="only items that hold this text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="a turn's length")
    parser.add_argument("--out", type=pathlib.Path, help="JSON of all figures")
    options = parser.parse_args()

    items = [item for item in ITEMS if options.items in item]
    models = sorted({ITEMS[item].model for item in items})
    for model in models:
        folder = options.root / "models" / model
        if not (folder / "model.safetensors").exists():
            print(f"# making {model} with random weights", flush=True)
            make_model(model, folder)
    print(f"# {processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}")
    rows = []
    for threads in map(int, options.threads.split(",")):
        limit = peak(options.peak, threads, 150)
        print(
            f"# {threads} thread{'s' if threads > 1 else ''}: f32 peak "
            f"{limit['f32_gflops']:.0f} GFLOP/s ({limit['unit']}), "
            f"read {limit['read_gbs']:.1f} GB/s",
            flush=True,
        )
        workers = [
            Worker(engine, threads, options.root)
            for engine in options.engines.split(",")
        ]
        # torch first: its first answers are the others' reference.
        for worker in sorted(workers, key=lambda w: w.engine != "torch"):
            for model in models:
                reply = worker.ask("prepare", model)
                if "failure" in reply:
                    print(f"# {worker.engine}: {reply['failure']}", flush=True)
            if worker.engine == "torch":
                for item in items:
                    worker.ask("run", item, 0)
        for item in items:
            found = measure(
                item, workers, options.peak, options.rounds, options.seconds
            )
            rows.append(report(item, threads, *found))
        for worker in workers:
            worker.close()
    if options.out:
        document = {
            "processor": processor(), "date": time.strftime("%Y-%m-%d"), "rows": rows,
        }  # fmt: skip
        options.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
