"""One engine on one thread count: answers requests on stdin with JSON lines.

prepare MODEL          exports or compiles; replies {"seconds": s}
run ITEM SECONDS       runs the item for about that long; replies
                       {"ms": [one a run], "error": against the reference}
"""

import json
import os
import pathlib
import sys
import time

engine_name, threads, root = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
# Before any library reads them.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(threads)
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402

from engines import cache_folder, engine_of  # noqa: E402
from items import ITEMS, kind_of  # noqa: E402

loaded = {}
seen = set()
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # What libraries print must not meet the replies.


def prepare(model):
    start = time.perf_counter()
    engine = engine_of(engine_name, kind_of(model))
    if engine is None:
        return {"failure": f"{engine_name} is not set up for {model}"}
    engine.prepare(root / "models" / model, cache_folder(root, engine_name, model))
    return {"seconds": time.perf_counter() - start}


def run(item, seconds):
    model = ITEMS[item].model
    if model not in loaded:
        engine = engine_of(engine_name, kind_of(model))
        if engine is None:
            return {"failure": "not set up for this model"}
        loaded[model] = engine(
            root / "models" / model, cache_folder(root, engine_name, model), threads
        )
    reply = {}
    if item not in seen:
        seen.add(item)
        got, _ = loaded[model].measure(item)
        reference = root / "reference" / (item.replace(" ", "-") + ".npy")
        if reference.exists():
            reply["error"] = loaded[model].error(item, got, np.load(reference))
        else:
            reference.parent.mkdir(exist_ok=True)
            np.save(reference, got)
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        times.append(loaded[model].measure(item)[1])
    return {**reply, "ms": times}


for line in sys.stdin:
    try:
        command, *arguments = json.loads(line)
        reply = {"prepare": prepare, "run": run}[command](*arguments)
    except Exception as failure:
        reply = {"failure": f"{type(failure).__name__}: {failure}"}
    print(json.dumps(reply), file=replies, flush=True)
