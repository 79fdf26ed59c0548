"""Scores a compiled model on held-out text: pre-training and fine-tuning tasks.

    python examples/evaluate.py pretraining   LIB speeches-heldout.jsonl
    python examples/evaluate.py classify      LIB speaker-heldout.tsv
    python examples/evaluate.py capitals      LIB speeches-heldout.jsonl
    python examples/evaluate.py who-speaks    LIB speeches-heldout.jsonl
    python examples/evaluate.py perplexity    LIB speeches-heldout.jsonl
    python examples/evaluate.py text-to-text  LIB g2p-heldout.tsv --prefix "pronounce: "
    python examples/evaluate.py span-corruption LIB speeches-heldout.jsonl

pretraining draws sentence pairs and masks as BERT does (Devlin et al. 2018,
appendix A): B follows A in half of the pairs; 15 % of the tokens are chosen, of
which 80 % become [MASK], 10 % a random token, 10 % stay. It prints the masked
tokens' accuracy and loss, and the accuracy of "B follows A".

perplexity is that of a model that generates text, over windows as long as the
model can see, the first token of each for context alone. `--overlap=N`: windows
overlap by N tokens, which are scored once, so that others have at least N before
them. `--names`: above each speech stands its speaker. `--last=N`: of the text the
last N tokens are scored. A file that does not end in .jsonl is plain text.

text-to-text asks the model to write, and counts exact matches, and the edits that
it takes to right what it wrote, by units that spaces divide (phonemes, words), over
the units of what is right. `--prefix`: before each text stands the task's.
`--num-beams=N`: beams, in place of the likeliest token each time. `--ignore=TEXT`:
matches are counted without these characters, too.

span-corruption is the loss of T5's pre-training objective (Raffel et al. 2020): 15 %
of the tokens are dropped, in spans of 3 on average, and the model is to write them.
`--length=N`: tokens of a piece of text.

A line of speeches-heldout.jsonl is {"speaker": ..., "text": ...}, one of
speaker-heldout.tsv a label, a tab, a text, one of g2p-heldout.tsv a text and all
answers that are right, the first of which is expected, with tabs between them.
Prints one line of JSON.
"""

import argparse
import json
import math
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import numpy as np  # noqa: E402
from held_out import batches, ids_of, read_speeches, tokenizer_of  # noqa: E402
from span_corruption import span_corruption  # noqa: E402
from text_to_text import text_to_text  # noqa: E402

import transom  # noqa: E402

CHOSEN, MASKED, RANDOM = 0.15, 0.8, 0.1


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def mask_tokens(encoding, vocabulary, mask_id, rng):
    """BERT's recipe on one sequence: (ids, chosen places, what stood there)."""
    ids = np.array(encoding.ids)
    special = np.array(encoding.special_tokens_mask, bool)
    chosen = np.flatnonzero(~special & (rng.random(len(ids)) < CHOSEN))
    truth = ids[chosen].copy()
    fate = rng.random(len(chosen))
    ids[chosen[fate < MASKED]] = mask_id
    swapped = chosen[(fate >= MASKED) & (fate < MASKED + RANDOM)]
    ids[swapped] = rng.integers(0, vocabulary, len(swapped))
    return ids, chosen, truth


def pretraining(library, path, rng):
    speeches = [speech["text"] for speech in read_speeches(path)]
    tokenizer = tokenizer_of(library)
    pairs, follows = [], []
    for _ in range(2):
        for i in range(len(speeches)):
            # The last speech has no successor.
            is_next = i + 1 < len(speeches) and rng.random() < 0.5
            other = i + 1 if is_next else int(rng.integers(len(speeches)))
            pairs.append((speeches[i], speeches[other]))
            follows.append(is_next)
    mask_id = tokenizer.token_to_id("[MASK]")
    vocabulary = library.config["vocab_size"]
    right = scored = next_right = 0
    loss = 0.0
    for part in batches(list(zip(pairs, follows))):
        encodings = tokenizer.encode_batch([pair for pair, _ in part])
        masked = [mask_tokens(e, vocabulary, mask_id, rng) for e in encodings]
        # One sequence at least is longer: unequal lists are never padded.
        results = library(
            input_ids=[ids for ids, _, _ in masked],
            token_type_ids=[e.type_ids for e in encodings],
        )
        for logits, (_, chosen, truth) in zip(results["prediction_logits"], masked):
            scores = log_softmax(np.asarray(logits)[chosen].astype(np.float64))
            loss -= scores[np.arange(len(truth)), truth].sum()
            right += int((scores.argmax(-1) == truth).sum())
            scored += len(truth)
        # Class 0 says that B follows A.
        said = results["seq_relationship_logits"].argmax(-1) == 0
        next_right += int((said == np.array([f for _, f in part])).sum())
    return {
        "mlm_accuracy": right / scored,
        "mlm_loss": loss / scored,
        "masked_tokens": scored,
        "nsp_accuracy": next_right / len(pairs),
        "nsp_pairs": len(pairs),
    }


def windows_of(count, length, overlap, first):
    """Of `count` tokens, (begin, scored from, end) of windows of at most `length`
    tokens, which score each token from `first` on once. Only a window's first
    token has no context."""
    begin, scored = max(0, first - max(overlap, 1)), max(first, 1)
    while scored < count:
        end = min(begin + length, count)
        yield begin, scored, end
        # Without overlap the next window's first token is context alone.
        begin, scored = end - overlap, end + (overlap == 0)


def perplexity(library, path, rng, overlap=0, names=False, last=None):
    ids = ids_of(library, path, names)
    length = library.max_positions
    if not 0 <= overlap < length:
        raise SystemExit(f"--overlap: expects less than {length}, got {overlap}")
    first = 0 if last is None else max(0, len(ids) - last)
    nats, scored = 0.0, 0
    for part in batches(list(windows_of(len(ids), length, overlap, first))):
        rows = [ids[begin:end] for begin, _, end in part]
        # The logits at a token say what comes next.
        at = [list(range(f - b - 1, e - b - 1)) for b, f, e in part]
        logits = library(input_ids=rows, output_positions=at)["logits"]
        for (_, start, end), scores in zip(part, logits):
            scores = log_softmax(np.asarray(scores).astype(np.float64))
            nats -= scores[np.arange(end - start), ids[start:end]].sum()
            scored += end - start
    return {
        "nats_per_token": nats / scored,
        "perplexity": math.exp(nats / scored),
        "tokens": scored,
    }


def classify(library, path, rng):
    with open(path, encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t", 1) for line in lines]
    answers = transom.pipeline("text-classification", library)(
        [text for _, text in rows], truncation=True
    )
    labels = [answer["label"] for answer in answers]
    right = sum(label == truth for label, (truth, _) in zip(labels, rows))
    return {"accuracy": right / len(rows), "texts": len(rows)}


def words_of(text):
    """(first character, word, counts) of each word. First words of lines and of
    sentences are capitals anyway and don't count."""
    begins = True
    for match in re.finditer(r"[A-Za-z']+|[.!?:;\n]|\S", text):
        token = match.group()
        if token in ".!?:;\n":
            begins = begins or token in ".!?\n"
        elif token[0].isalpha():
            yield match.start(), token, not begins
            begins = False


def lines_within(text, tokenizer, most):
    """The text in chunks of whole lines, each of at most `most` tokens."""
    chunk = ""
    for line in text.splitlines(keepends=True):
        if chunk and len(tokenizer.encode(chunk + line).ids) > most:
            yield chunk
            chunk = ""
        chunk += line
    if chunk:
        yield chunk


def capitals(library, path, rng):
    tokenizer = tokenizer_of(library)
    most = library.max_positions - 1
    chunks = [
        chunk
        for speech in read_speeches(path)
        for chunk in lines_within(speech["text"], tokenizer, most)
    ]
    true_capital = said_capital = both = right = words = 0
    for part in batches(chunks):
        encodings = tokenizer.encode_batch([chunk.lower() for chunk in part])
        logits = library(input_ids=[e.ids for e in encodings])["logits"]
        for chunk, encoding, rows in zip(part, encodings, logits):
            said = np.asarray(rows).argmax(-1) == 1
            for begin, word, counts in words_of(chunk):
                token = encoding.char_to_token(begin)
                if not counts or token is None:
                    continue
                truth = word[0].isupper()
                words += 1
                right += int(said[token] == truth)
                true_capital += truth
                said_capital += int(said[token])
                both += int(said[token] and truth)
    precision, recall = both / max(said_capital, 1), both / max(true_capital, 1)
    return {
        "accuracy": right / words,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "words": words,
    }


def who_speaks(library, path, rng):
    speeches = read_speeches(path)
    questions = []
    for before, speech in zip(speeches, speeches[1:]):
        kept = int(rng.integers(26))
        words = before["text"].split()[-kept:] if kept else []
        name = speech["speaker"].title()
        lead = " ".join(words) + " " if words else ""
        context = f"{lead}{name} : {' '.join(speech['text'].split())}"
        questions.append(
            (dict(question="who speaks?", context=context), len(lead), len(lead + name))
        )
    # Contexts longer than the model takes would be asked part by part.
    tokenizer = tokenizer_of(library)
    tokenizer.no_truncation()
    most = library.max_positions
    questions = [
        q
        for q in questions
        if len(tokenizer.encode("who speaks?", q[0]["context"]).ids) <= most
    ]
    answers = transom.pipeline("question-answering", library)(
        [question for question, _, _ in questions], max_seq_len=most
    )
    right = sum(
        (answer["start"], answer["end"]) == (begin, end)
        for answer, (_, begin, end) in zip(answers, questions)
    )
    return {"exact_span": right / len(questions), "questions": len(questions)}


TASKS = {
    "pretraining": pretraining,
    "classify": classify,
    "capitals": capitals,
    "who-speaks": who_speaks,
    "perplexity": perplexity,
    "text-to-text": text_to_text,
    "span-corruption": span_corruption,
}

#: The options of each task, and how the command line reads it.
OPTIONS = {
    "perplexity": {
        "overlap": dict(type=int, metavar="N"),
        "names": dict(action="store_true", default=None),
        "last": dict(type=int, metavar="N"),
    },
    "text-to-text": {
        "prefix": dict(metavar="TEXT"),
        "num_beams": dict(type=int, metavar="N"),
        "ignore": dict(metavar="TEXT"),
    },
    "span-corruption": {"length": dict(type=int, metavar="N")},
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("library")
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    for task, own in OPTIONS.items():
        group = parser.add_argument_group(task)
        for name, how in own.items():
            flag = "--" + name.replace("_", "-")
            group.add_argument(flag, **how)
    options = parser.parse_args()
    library = transom.load(options.library)
    rng = np.random.default_rng(options.seed)
    given = {
        name: getattr(options, name)
        for own in OPTIONS.values()
        for name in own
        if getattr(options, name) is not None
    }
    for name in given:
        if name not in OPTIONS.get(options.task, {}):
            parser.error(f"{options.task}: no --{name.replace('_', '-')}")
    scores = TASKS[options.task](library, options.data, rng, **given)
    assert all(math.isfinite(score) for score in scores.values())
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
