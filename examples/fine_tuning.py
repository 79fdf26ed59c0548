"""Fine-tunes a small GPT-1 on the four kinds of tasks of its paper (Radford et al.
2018, section 3.3), compiles what comes out, and asks the libraries.

    python examples/fine_tuning.py FOLDER [--steps 60]

    classification   Start text Extract: who says this?
    entailment       Start text Delimiter text Extract: does the second text go on
                     where the first ends?
    similarity       both orders, their logits summed: are these of one speaker?
    multiple choice  one logit for each choice: which text goes on?

The texts are examples/data/speeches-heldout.jsonl; of each five speeches one is held
out. A minute of one core teaches which of three texts goes on, and little else: the
point is that library and torch see the same tokens and agree on every answer, which
is printed, too. Needs torch and transformers (scripts/setup.sh test); running the
libraries needs neither.
"""

import argparse
import json
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

import numpy as np  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import transom  # noqa: E402

BASE = ROOT / "examples" / "models" / "gpt1-speaker"
TASKS = ("text-classification", "entailment", "text-similarity", "multiple-choice")
START, DELIMITER, EXTRACT = "_start_", "_delimiter_", "_classify_"


def read_speeches():
    path = ROOT / "examples" / "data" / "speeches-heldout.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def halves(text):
    """The first words of a text, and those that follow."""
    words = text.split()
    middle = min(len(words) // 2, 20)
    return " ".join(words[:middle]), " ".join(words[middle : 2 * middle])


def items_of(task, rng):
    """(item as the pipeline takes it, number of the right answer) of a task."""
    speeches = [s for s in read_speeches() if len(s["text"].split()) >= 8]
    if task == "text-classification":
        common = {}
        for speech in speeches:
            common.setdefault(speech["speaker"], []).append(speech["text"])
        names = sorted(common, key=lambda name: -len(common[name]))[:3]
        items = [(halves(t)[0], i) for i, n in enumerate(names) for t in common[n]]
        return items, names
    items = []
    for i, speech in enumerate(speeches):
        first, second = halves(speech["text"])
        drawn = rng.integers(len(speeches), size=2)
        others = [halves(speeches[j]["text"])[1] for j in drawn]
        if task == "entailment":
            false = bool(rng.integers(2))
            hypothesis = others[0] if false else second
            items.append(({"premise": first, "hypothesis": hypothesis}, int(false)))
        elif task == "text-similarity":
            same = [s for s in speeches[:i] if s["speaker"] == speech["speaker"]]
            false = not same or bool(rng.integers(2))
            other = others[0] if false else halves(same[-1]["text"])[0]
            items.append(({"text": first, "text_pair": other}, int(false)))
        else:
            place = int(rng.integers(3))
            choices = [*others[:place], second, *others[place:]]
            items.append(({"text": first, "choices": choices}, place))
    labels = {
        "entailment": ["goes on", "does not"],
        "text-similarity": ["same", "other"],
        "multiple-choice": ["goes on"],
    }
    return items, labels[task]


def sequences_of(task, item):
    """The texts and pairs that the model sees for an item."""
    if task == "text-classification":
        return [(item,)]
    if task == "entailment":
        return [(item["premise"], item["hypothesis"])]
    if task == "text-similarity":
        pair = (item["text"], item["text_pair"])
        return [pair, pair[::-1]]
    return [(item["text"], choice) for choice in item["choices"]]


def ids_of(tokenizer, texts):
    """Start text Delimiter text Extract."""
    frame = (START, DELIMITER, EXTRACT)
    start, delimiter, extract = map(tokenizer.token_to_id, frame)
    ids = [start]
    for i, text in enumerate(texts):
        ids += [delimiter] * (i > 0)
        ids += tokenizer.encode(text, add_special_tokens=False).ids
    return [*ids, extract]


def scores_of(task, model, tokenizer, items):
    """Logits of a batch of items, one row an item."""
    parts = [sequences_of(task, item) for item in items]
    rows = [ids_of(tokenizer, texts) for part in parts for texts in part]
    pad, longest = model.config.pad_token_id, max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    logits = model(input_ids=ids, attention_mask=(ids != pad).long()).logits
    logits = logits.view(len(items), len(parts[0]), -1)
    if task == "multiple-choice":
        return logits[:, :, 0]
    return logits.sum(1)  # Of both orders, if there are two.


def train(task, folder, steps, seed=0):
    """Writes a fine-tuned model to `folder`; returns it and the held-out items."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    items, labels = items_of(task, rng)
    held_out = items[::5]
    known = [item for i, item in enumerate(items) if i % 5]
    tokenizer = tokenizers.Tokenizer.from_file(str(BASE / "tokenizer.json"))
    tokenizer.add_special_tokens([DELIMITER])
    model = transformers.OpenAIGPTForSequenceClassification.from_pretrained(
        BASE, num_labels=len(labels), id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        problem_type=None, ignore_mismatched_sizes=True, dtype=torch.float32,
    )  # fmt: skip
    model.resize_token_embeddings(tokenizer.get_vocab_size())
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    for _ in range(steps):
        batch = [known[i] for i in rng.integers(len(known), size=16)]
        scores = scores_of(task, model, tokenizer, [item for item, _ in batch])
        answers = torch.tensor([answer for _, answer in batch])
        loss = torch.nn.functional.cross_entropy(scores, answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    shutil.copy(BASE / "tokenizer_config.json", folder)
    return model, tokenizer, held_out


def ask(task, library, items):
    """The number of the answer that the library gives for each item."""
    pipe = transom.pipeline(
        task, library, start_token=START, delimiter_token=DELIMITER,
        extract_token=EXTRACT,
    )  # fmt: skip
    answers = pipe(items)
    if task == "multiple-choice":
        return [answer["index"] for answer in answers]
    numbers = {label: i for i, label in library.labels.items()}
    return [numbers[answer["label"]] for answer in answers]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    # That the score of another task is drawn anew is what is wanted.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for task in TASKS:
        folder = options.folder / task
        folder.mkdir(parents=True, exist_ok=True)
        model, tokenizer, held_out = train(task, folder, options.steps)
        items, truth = zip(*held_out)
        library = transom.load(
            transom.compile(folder, folder / "libtuned.so", task="text-classification")
        )
        said = ask(task, library, list(items))
        with torch.no_grad():
            scores = scores_of(task, model, tokenizer, items)
        result = {
            "task": task,
            "held_out": len(items),
            "accuracy": float(np.mean(np.array(said) == truth)),
            "agrees_with_torch": float(np.mean(scores.argmax(-1).numpy() == said)),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
