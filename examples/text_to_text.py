"""What a model that writes text answers, beside what is right."""

from held_out import batches, tokenizer_of


def read_rows(path):
    """[text, right answers...] of each line."""
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            rows.append(line.rstrip("\n").split("\t"))
            if len(rows[-1]) < 2:
                raise SystemExit(
                    f"{path}:{number}: expects a text, a tab and an answer, "
                    f"got {line.rstrip()!r}"
                )
    return rows


def edits_between(said, right):
    """The fewest insertions, deletions and replacements of units."""
    row = list(range(len(right) + 1))
    for i, unit in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            last, row[j] = (
                row[j],
                min(last + (unit != other), row[j] + 1, row[j - 1] + 1),
            )
    return row[-1]


def score(said, rows, ignore=""):
    """Of what a model said of each row: the share that is the first answer, and
    any of them, and the edits for each unit of the first answers."""

    def matches(answers, ignore=""):
        without = str.maketrans("", "", ignore)
        right = (
            text.translate(without) in [a.translate(without) for a in row[1:answers]]
            for text, row in zip(said, rows)
        )
        return sum(right) / len(rows)

    edits = sum(edits_between(s.split(), r[1].split()) for s, r in zip(said, rows))
    scores = {
        "exact_match": matches(2),
        "any_match": matches(None),
        "unit_error_rate": edits / sum(len(row[1].split()) for row in rows),
        "texts": len(rows),
    }
    if ignore:
        scores["any_match_ignoring"] = matches(None, ignore)
    return scores


def text_to_text(library, path, rng, prefix="", num_beams=1, ignore=""):
    rows = read_rows(path)
    tokenizer = tokenizer_of(library)
    said = []
    for part in batches(rows, 64):
        encodings = tokenizer.encode_batch([prefix + text for text, *_ in part])
        made = library.generate([e.ids for e in encodings], num_beams=num_beams)
        said += tokenizer.decode_batch([list(ids) for ids in made])
    return score(said, rows, ignore)
