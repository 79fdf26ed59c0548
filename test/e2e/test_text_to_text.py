"""Scores of models that write text (examples/evaluate.py): what they answer, and
the loss of T5's pre-training objective."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

import transom
from conftest import ROOT
from models import make

sys.path.insert(0, str(ROOT / "examples"))

import span_corruption as spans  # noqa: E402
from text_to_text import edits_between, read_rows, score  # noqa: E402

DATA, MODELS = ROOT / "examples" / "data", ROOT / "examples" / "models"


def evaluate(*arguments):
    program = [sys.executable, ROOT / "examples" / "evaluate.py"]
    result = subprocess.run([*program, *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_edits():
    assert edits_between("K AE1 T".split(), "K AE1 T".split()) == 0
    assert edits_between("K AE1".split(), "K AE1 T".split()) == 1
    assert edits_between("S K AE1 T".split(), "K AE0 T".split()) == 2
    assert edits_between([], "K AE1 T".split()) == 3
    assert edits_between("A B C D".split(), "B A D C".split()) == 3


def test_scores():
    rows = [["cat", "K AE1 T"], ["us", "AH1 S", "Y UW2 EH1 S"], ["a", "AH0"]]
    got = score(["K AE0 T", "Y UW2 EH1 S", "AH0"], rows, ignore="012")
    assert got == {
        "exact_match": 1 / 3, "any_match": 2 / 3, "any_match_ignoring": 1.0,
        "unit_error_rate": (1 + 3) / 6, "texts": 3,
    }  # fmt: skip


def test_rows_without_an_answer(tmp_path):
    (tmp_path / "rows.tsv").write_text("cat\tK AE1 T\nus\n")
    with pytest.raises(SystemExit, match=r"rows.tsv:2: .*, got 'us'"):
        read_rows(tmp_path / "rows.tsv")


@pytest.mark.parametrize("length", [2, 3, 6, 7, 10, 50, 100, 512])
def test_spans(length):
    """15 % of the tokens, in spans of 3 on average that do not touch."""
    rng = np.random.default_rng(length)
    seen = set()
    for _ in range(200):
        drawn = spans.draw_spans(length, rng)
        lost = sum(end - begin for begin, end in drawn)
        assert lost == max(1, round(0.15 * length))
        assert len(drawn) == max(1, round(lost / 3))
        ends = [0, *(end for _, end in drawn)]
        assert all(begin > before for (begin, _), before in zip(drawn, ends))
        assert all(begin < end for begin, end in drawn)
        assert ends[-1] == length
        seen.update(drawn)
    if length >= 100:
        sizes = {end - begin for begin, end in seen}
        assert {1, 2, 3, 4, 5, 6} <= sizes, "spans have unequal lengths"
    again = spans.draw_spans(length, np.random.default_rng(7))
    assert again == spans.draw_spans(length, np.random.default_rng(7))


def test_parts_are_drawn_alike():
    rng = np.random.default_rng(0)
    drawn = [tuple(spans.parts_of(5, 3, rng).tolist()) for _ in range(6000)]
    ways = [(a, b, 5 - a - b) for a in (1, 2, 3) for b in range(1, 5 - a)]
    assert set(drawn) == set(ways)
    # Each 1000 times; the standard deviation is 29.
    assert all(abs(drawn.count(way) - 1000) < 150 for way in ways)


def restored(source, target, sentinels):
    """The text of which source and target hold a part each."""
    spoken, text, last = {}, [], None
    for token in target[:-1]:
        if token in sentinels:
            last = token
            spoken[last] = []
        else:
            spoken[last].append(token)
    for token in source[:-1]:
        text += spoken[token] if token in sentinels else [token]
    return text


@pytest.mark.parametrize("length", [2, 9, 64, 500])
def test_halves_hold_the_text(length):
    sentinels, eos = list(range(999, 899, -1)), 1
    rng = np.random.default_rng(length)
    text = rng.integers(2, 899, length).tolist()
    drawn = spans.draw_spans(length, rng)
    source, target = spans.corrupt(text, drawn, sentinels, eos)
    assert source[-1] == target[-1] == eos
    inside = [[t for t in half if t in sentinels] for half in (source, target)]
    # In order, each once; one more ends the target.
    assert inside[0] == sentinels[: len(drawn)]
    assert inside[1] == sentinels[: len(drawn) + 1]
    assert target[0] == sentinels[0] and target[-2] == sentinels[len(drawn)]
    assert len(source) + len(target) == length + 2 * len(drawn) + 3
    assert restored(source, target, sentinels) == text


def test_the_example_of_the_paper():
    words = "Thank you for inviting me to your party last week .".split()
    source, target = spans.corrupt(words, [(2, 4), (8, 9)], ["X", "Y", "Z"], "</s>")
    assert " ".join(source) == "Thank you X me to your party Y week . </s>"
    assert " ".join(target) == "X for inviting Y last Z </s>"


def test_too_few_sentinels():
    with pytest.raises(
        ValueError, match="2 spans need 3 sentinels, the tokenizer has 2"
    ):
        spans.corrupt(list(range(9)), [(1, 2), (3, 4)], [97, 98], 1)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    """A random T5 whose tokenizer has sentinels: (model, library, tokenizer)."""
    folder = tmp_path_factory.mktemp("sentinels")
    tokenizer = Tokenizer.from_file(str(MODELS / "gpt2-shakespeare" / "tokenizer.json"))
    tokenizer.add_special_tokens([f"<extra_id_{i}>" for i in range(20)])
    model = make(
        folder, "T5ForConditionalGeneration", vocab_size=tokenizer.get_vocab_size(),
        d_model=60, d_kv=12, d_ff=72, num_layers=2, num_heads=3, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    tokenizer.save(str(folder / "tokenizer.json"))
    library = folder / "libmodel.so"
    transom.compile(folder, library)
    return model, library, tokenizer


def test_span_corruption(speaker, tmp_path):
    """The loss of texts of one length and a shorter one is transformers'."""
    model, library, tokenizer = speaker
    text = (DATA / "speeches-heldout.jsonl").read_text("utf-8")[:3000]
    (tmp_path / "text.txt").write_text(text, "utf-8")
    got = evaluate(
        "span-corruption", library, tmp_path / "text.txt", "--length=100", "--seed=3"
    )
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    rng, sentinels = np.random.default_rng(3), spans.sentinels_of(tokenizer)
    assert len(sentinels) == 20
    nats, tokens, texts = 0.0, 0, 0
    for begin in range(0, len(ids), 100):
        part = ids[begin : begin + 100]
        drawn = spans.draw_spans(len(part), rng)
        source, target = spans.corrupt(part, drawn, sentinels, eos=1)
        loss = model(
            input_ids=torch.tensor([source]), labels=torch.tensor([target])
        ).loss.item()
        nats, tokens, texts = nats + loss * len(target), tokens + len(target), texts + 1
    assert got["texts"] == texts > 8 and len(ids) % 100
    assert got["tokens"] == tokens
    assert got["nats_per_token"] == pytest.approx(nats / tokens, rel=1e-5)


def test_loss_of_targets_of_one_length(speaker):
    """And of sources of one length, whichever form the batch then has."""
    model, library, _ = speaker
    loaded = transom.load(library)
    rng = np.random.default_rng(0)
    for sources, targets in [((9, 9), (4, 4)), ((9, 9), (4, 6)), ((9, 7), (4, 4))]:
        pairs = [
            (rng.integers(2, 90, s).tolist(), rng.integers(2, 90, t).tolist())
            for s, t in zip(sources, targets)
        ]
        for (source, target), nats in zip(pairs, spans.nats_of(loaded, pairs, 0)):
            loss = model(
                input_ids=torch.tensor([source]), labels=torch.tensor([target])
            ).loss.item()
            assert len(nats) == len(target)
            assert nats.mean() == pytest.approx(loss, rel=1e-5)


def test_a_tokenizer_without_sentinels(tmp_path, compile_folder):
    library = compile_folder(MODELS / "t5-g2p")
    program = [sys.executable, ROOT / "examples" / "evaluate.py", "span-corruption"]
    result = subprocess.run(
        [*program, library, DATA / "g2p-heldout.tsv"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "tokenizer.json: has no token <extra_id_0>" in result.stderr


@pytest.mark.parametrize("beams", [1, 4])
def test_text_to_text(beams, compile_folder):
    """The model's answers score as those that transformers gives."""
    folder, data = MODELS / "t5-g2p", DATA / "g2p-heldout.tsv"
    got = evaluate(
        "text-to-text", compile_folder(folder), data,
        "--prefix=pronounce: ", f"--num-beams={beams}", "--ignore=012",
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=0)
    rows = read_rows(data)
    encodings = tokenizer.encode_batch(["pronounce: " + text for text, *_ in rows])
    ids, mask = (
        torch.tensor([getattr(e, name) for e in encodings])
        for name in ("ids", "attention_mask")
    )
    made = model.generate(ids, attention_mask=mask, num_beams=beams)
    want = score(tokenizer.decode_batch(made.tolist()), rows, "012")
    assert got == want
    # The recorded scores are of ten times as many words.
    recorded = json.loads((folder / "scores.json").read_text())
    assert got["exact_match"] == pytest.approx(recorded["greedy_exact_match"], abs=0.1)
    assert got["unit_error_rate"] == pytest.approx(
        recorded["phoneme_error_rate"], abs=0.03
    )
