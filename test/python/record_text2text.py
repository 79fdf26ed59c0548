"""Writes text2text.json: what transformers 4.57's pipelines of text to text give.

Version 5 of transformers has none of them any more, so their answers are recorded.
Run with transformers 4.57.3: python record_text2text.py
"""

import json
import pathlib
import shutil
import tempfile

import torch
import transformers

FOLDER = pathlib.Path(__file__).resolve().parent
MODEL = FOLDER.parents[1] / "examples" / "models" / "t5-g2p"

WORDS = ["hello", "tower", "o'clock", "shakespeare", "a"]
TEXTS = [f"pronounce: {word}" for word in WORDS]

#: t5-g2p knows one task. Under other names it is as good as several.
TASKS = {
    "summarization": {
        "prefix": "pronounce: ", "num_beams": 3, "length_penalty": 2.0,
        "early_stopping": True, "no_repeat_ngram_size": 3, "min_length": 5,
    },
    "translation_en_to_de": {"prefix": "translate: ", "num_beams": 2},
    "translation_en_to_sounds": {"prefix": "pronounce: ", "num_beams": 1},
}  # fmt: skip

#: Task, texts, options.
CASES = [
    ("text2text-generation", TEXTS[0], {}),
    ("text2text-generation", TEXTS, {}),
    ("text2text-generation", TEXTS, {"num_beams": 1}),
    ("text2text-generation", TEXTS, {"batch_size": 3}),
    ("text2text-generation", TEXTS, {"num_beams": 3, "num_return_sequences": 2}),
    ("text2text-generation", TEXTS[0], {"return_tensors": True}),
    ("text2text-generation", TEXTS, {"repetition_penalty": 1.5, "num_beams": 1}),
    ("text2text-generation", TEXTS[1:2], {"clean_up_tokenization_spaces": True}),
    ("text2text-generation", TEXTS[0], {"forced_eos_token_id": 1, "max_new_tokens": 3}),
    ("text2text-generation", "pronounce: hello " * 20, {"truncation": True}),
    ("summarization", WORDS, {}),
    ("summarization", WORDS[0], {"num_beams": 1, "min_length": 0}),
    ("translation_en_to_sounds", WORDS, {}),
    ("translation_en_to_de", WORDS, {}),
    ("translation", WORDS, {}),
    ("translation", WORDS[0], {"return_tensors": True}),
]


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def with_tasks(folder):
    """A copy of the model that has them."""
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    config["task_specific_params"] = TASKS
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def main():
    cases = []
    with tempfile.TemporaryDirectory() as parent:
        folder = with_tasks(pathlib.Path(parent) / "model")
        for task, texts, options in CASES:
            pipe = transformers.pipeline(task, model=str(folder), device="cpu")
            cases.append(
                {
                    "task": task,
                    "texts": texts,
                    "options": options,
                    "answer": plain(pipe(texts, **options)),
                }
            )
    text = json.dumps({"transformers": transformers.__version__, "cases": cases})
    (FOLDER / "text2text.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
