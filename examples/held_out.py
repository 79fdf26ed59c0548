"""Reading held-out text, for the tasks of evaluate.py."""

import json
import pathlib

import numpy as np
from tokenizers import Tokenizer


def read_speeches(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tokenizer_of(library):
    tokenizer = Tokenizer.from_file(str(library.assets / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if library.max_positions is not None:
        tokenizer.enable_truncation(library.max_positions)
    return tokenizer


def batches(items, size=32):
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def ids_of(library, path, names=False):
    """Ids of all the text of a file."""
    if pathlib.Path(path).suffix == ".jsonl":
        speeches = read_speeches(path)
        heads = [f"{s['speaker']}:\n" if names else "" for s in speeches]
        text = "\n\n".join(h + s["text"] for h, s in zip(heads, speeches)) + "\n"
    else:
        text = pathlib.Path(path).read_text("utf-8")
    tokenizer = Tokenizer.from_file(str(library.assets / "tokenizer.json"))
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids)
