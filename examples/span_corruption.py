"""T5's pre-training objective (Raffel et al. 2020, sections 3.1.4 and 3.3.4).

Spans of the text are replaced by one sentinel each. The model is to write what
stood there:

    source  Thank you <extra_id_0> me to your party <extra_id_1> week . </s>
    target  <extra_id_0> for inviting <extra_id_1> last <extra_id_2> </s>
"""

import numpy as np
from held_out import batches, ids_of, tokenizer_of

DENSITY, MEAN_SPAN = 0.15, 3.0


def sentinels_of(tokenizer):
    """Ids of <extra_id_0>, <extra_id_1>, ..., as many as there are."""
    ids = []
    while (token := tokenizer.token_to_id(f"<extra_id_{len(ids)}>")) is not None:
        ids.append(token)
    return ids


def parts_of(count, parts, rng):
    """Lengths of `parts` parts of `count`, each 1 at least, all divisions alike."""
    cuts = 1 + np.sort(rng.choice(count - 1, parts - 1, replace=False))
    return np.diff([0, *cuts, count])


def draw_spans(length, rng):
    """(begin, end) of the spans to drop of `length` >= 2 tokens: 15 % of them,
    in spans of 3 on average that do not touch. As in T5's own code the counts
    are rounded and not drawn, and a span ends the text."""
    dropped = min(max(round(length * DENSITY), 1), length - 1)
    count = min(max(round(dropped / MEAN_SPAN), 1), length - dropped)
    kept = parts_of(length - dropped, count, rng)
    lost = parts_of(dropped, count, rng)
    ends = np.cumsum(kept + lost)
    return list(zip((ends - lost).tolist(), ends.tolist()))


def corrupt(ids, spans, sentinels, eos):
    """Source and target of a text whose `spans` are dropped."""
    if len(spans) >= len(sentinels):
        raise ValueError(
            f"{len(spans)} spans need {len(spans) + 1} sentinels, "
            f"the tokenizer has {len(sentinels)}; take a shorter length"
        )
    source, target, kept = [], [], 0
    for sentinel, (begin, end) in zip(sentinels, spans):
        source += [*ids[kept:begin], sentinel]
        target += [sentinel, *ids[begin:end]]
        kept = end
    source += [*ids[kept:], eos]
    target += [sentinels[len(spans)], eos]
    return source, target


def nats_of(library, pairs, start):
    """Negative log-likelihood of each token of the pairs' targets, one array a
    pair. The decoder reads the target shifted right, `start` first."""
    logits = library(
        input_ids=[source for source, _ in pairs],
        decoder_input_ids=[[start, *target[:-1]] for _, target in pairs],
        outputs=["logits"],
    )["logits"]
    return [
        nats(np.asarray(rows)[: len(target)], target)
        for rows, (_, target) in zip(logits, pairs)
    ]


def nats(logits, target):
    logits = logits.astype(np.float64)
    highest = logits.max(-1)
    total = np.log(np.exp(logits - highest[:, None]).sum(-1)) + highest
    return total - logits[np.arange(len(target)), target]


def span_corruption(library, path, rng, length=512):
    if length < 2:
        raise SystemExit(f"--length: expects 2 or more, got {length}")
    tokenizer = tokenizer_of(library)
    sentinels = sentinels_of(tokenizer)
    if not sentinels:
        raise SystemExit(f"{library.assets}/tokenizer.json: has no token <extra_id_0>")
    ids = ids_of(library, path).tolist()
    texts = [part for part in batches(ids, length) if len(part) > 1]
    eos, start = (
        library.config[name] for name in ("eos_token_id", "decoder_start_token_id")
    )
    pairs = [
        corrupt(text, draw_spans(len(text), rng), sentinels, eos) for text in texts
    ]
    nats = [n for part in batches(pairs, 8) for n in nats_of(library, part, start)]
    return {
        "nats_per_token": float(np.concatenate(nats).mean()),
        "tokens": sum(map(len, nats)),
        "texts": len(texts),
    }
