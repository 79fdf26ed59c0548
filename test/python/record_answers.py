"""Writes answers.json: what transformers 4.57's question-answering gives.

Version 5 of transformers has no such pipeline any more, so its answers are
recorded. Run with transformers 4.57.3: python record_answers.py
"""

import json
import pathlib

import transformers

FOLDER = pathlib.Path(__file__).resolve().parent
MODEL = FOLDER.parents[1] / "examples" / "models" / "bert-who"

SHORT = (
    "Bianca : If you affect him, sister, here I swear I'll plead for you myself, "
    "but you shall have him."
)
LONG = " ".join(
    f"{name} : I will go to {place} and tell the king what {name} has seen there."
    for name in ("Antonio", "Lucentio", "First Citizen", "Menenius")
    for place in ("Rome", "Padua", "Verona")
)
OPTIONS = [
    {},
    {"top_k": 3},
    {"top_k": 5, "max_answer_len": 2},
    {"top_k": 3, "align_to_words": False},
    {"top_k": 4, "handle_impossible_answer": True},
    {"top_k": 3, "max_seq_len": 40, "doc_stride": 8},
]


def main():
    pipe = transformers.pipeline("question-answering", model=str(MODEL), device="cpu")
    cases = [
        {
            "question": "who speaks?",
            "context": context,
            "options": options,
            "answer": pipe(question="who speaks?", context=context, **options),
        }
        for context in (SHORT, LONG)
        for options in OPTIONS
    ]
    text = json.dumps({"transformers": transformers.__version__, "cases": cases})
    (FOLDER / "answers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
