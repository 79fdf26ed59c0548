"""Transom as one engine of a peer harness: measures one item, prints JSON.

    python bench/engine.py MODEL_FOLDER TASK DTYPE THREADS REFERENCE.npz

The harness gives a Hugging Face folder, the name of its work item, and the npz of
the item's inputs and expected outputs. The last line printed is an object with
ms (median of at least 7 runs), max_abs_err, rss_mb, load_ms and the sizes. The
compiled library is kept beside the reference, in a folder of its own.
"""

import time

START = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import numpy as np  # noqa: E402

import transom  # noqa: E402
from engines.seq2seq import encoder_alone  # noqa: E402


def peak_memory():
    with open("/proc/self/status") as lines:
        return next(int(s.split()[1]) for s in lines if s.startswith("VmHWM")) / 1024


def timed(run, runs=7, seconds=2.0):
    run()
    samples, begin = [], time.perf_counter()
    while len(samples) < runs or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        samples.append((time.perf_counter() - start) * 1e3)
        if len(samples) >= 400 or time.perf_counter() - begin > 5 * seconds:
            break
    return samples


def tokens_agree(got, want):
    """How many tokens are the reference's before the first that is not."""
    return int(np.cumprod(got[:, : want.shape[1]] == want, axis=1).sum(1).min())


def encode(library, reference):
    """Last hidden state; padded positions don't count."""
    ids, mask = reference["input_ids"], reference["attention_mask"]
    inputs = dict(input_ids=ids, outputs=["last_hidden_state"])
    if not mask.all():
        inputs["attention_mask"] = mask

    def run():
        return library(**inputs)["last_hidden_state"]

    def check(got):
        error = np.abs(got - reference["hidden"])[mask.astype(bool)].max()
        return {"max_abs_err": float(error)}

    return run, check, lambda: timed(run)


def decode(library, reference):
    """Greedy tokens after a prompt, a step's time. The reference's tokens are
    forced for the logits of the last step."""
    ids, tokens = reference["input_ids"], reference["tokens"]
    new = tokens.shape[1]

    def generate(count):
        start = time.perf_counter()
        made = library.generate(
            ids, max_new_tokens=count, do_sample=False, eos_token_id=None
        )
        return made[:, ids.shape[1] :], (time.perf_counter() - start) * 1e3

    def check(got):
        with library.sequences() as sequences:
            rows = [sequences.add() for _ in ids]
            first = sequences.step(dict(zip(rows, ids)))["logits"]
            last = sequences.step(dict(zip(rows, tokens)))["logits"]
        errors = [first - reference["logits_first"], last - reference["logits_last"]]
        return {
            "max_abs_err": max(float(np.abs(error).max()) for error in errors),
            "tokens_agree": tokens_agree(got, tokens),
        }

    def samples():
        return [(generate(new + 1)[1] - generate(1)[1]) / new for _ in range(7)]

    return lambda: generate(new)[0], check, samples


def prefill(library, reference):
    """The logits after each prompt."""
    ids = reference["input_ids"]
    last = np.arange(1, len(ids) + 1) * ids.shape[1] - 1

    def run():
        return library(input_ids=ids, output_positions=last, outputs=["logits"])[
            "logits"
        ]

    def check(got):
        return {"max_abs_err": float(np.abs(got - reference["logits"]).max())}

    return run, check, lambda: timed(run)


def write(library, reference):
    """All of greedy tokens for a source, the end forbidden. The reference's tokens
    are forced for the first and the last logits."""
    ids, tokens = reference["input_ids"], reference["tokens"]
    new = tokens.shape[1]

    def run():
        return library.generate(
            ids, min_new_tokens=new, max_new_tokens=new, do_sample=False
        )[:, 1:]

    def check(got):
        start = np.full((len(tokens), 1), library.config["decoder_start_token_id"])
        forced = np.concatenate([start, tokens[:, :-1]], axis=1)
        result = {"tokens_agree": tokens_agree(got, tokens), "max_abs_err": 0.0}
        for name, column in (("logits_first", 0), ("logits_last", new - 1)):
            logits = library(
                input_ids=ids, decoder_input_ids=forced, outputs=["logits"],
                output_positions=[(row, column) for row in range(len(ids))],
            )["logits"]  # fmt: skip
            error = np.delete(
                np.abs(logits - reference[name]), library.config["eos_token_id"], axis=1
            )
            result["max_abs_err"] = max(result["max_abs_err"], float(error.max()))
        return result

    return run, check, lambda: timed(run)


#: What an npz holds tells the kind of item; later families add theirs.
KINDS = {"hidden": encode, "tokens": decode, "logits": prefill}
ENCODER_DECODER_KINDS = {"hidden": encode, "tokens": write}


def main():
    folder, task, dtype, threads, path = sys.argv[1:]
    reference = dict(np.load(path))
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    has_both = config.get("is_encoder_decoder", False)
    kinds = ENCODER_DECODER_KINDS if has_both else KINDS
    kind = next((k for name, k in kinds.items() if name in reference), None)
    if kind is None:
        sys.exit(f"{task}: no item of this kind yet; supported: {', '.join(kinds)}")
    of_encoder = has_both and kind is encode
    name = folder.name + ("-encoder" if of_encoder else "")
    cache = pathlib.Path(path).resolve().parent / "transom" / f"{name}-{dtype}"
    cache.mkdir(parents=True, exist_ok=True)
    library, side = cache / "libmodel.so", cache / "compile.json"
    excluded = 0.0
    if not library.exists():
        begin = time.perf_counter()
        model = encoder_alone(folder, cache / "model") if of_encoder else folder
        transom.compile(model, library, dtype=dtype)
        excluded = time.perf_counter() - begin
        side.write_text(json.dumps({"compile_s": excluded}))
    begin = time.perf_counter()
    loaded = transom.load(library, threads=int(threads))
    result = {"model_load_ms": (time.perf_counter() - begin) * 1e3}
    run, check, samples = kind(loaded, reference)
    first = run()
    result["load_ms"] = (time.perf_counter() - START - excluded) * 1e3
    run()
    result["rss_mb"] = peak_memory()
    result.update(check(first))
    result["ms"] = statistics.median(samples())
    result["runtime_mb"] = os.path.getsize(library) / 2**20
    result["model_mb"] = os.path.getsize(cache / "model.weights") / 2**20
    print(json.dumps({**result, **json.loads(side.read_text())}))


if __name__ == "__main__":
    main()
