"""Texts between Start, Delimiter and Extract, as GPT-1 is fine-tuned."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

import transom
from conftest import MODELS

START, DELIMITER, EXTRACT = 2, 1, 3  # <pad> stands in for a delimiter.
FRAME = {
    "start_token": "_start_",
    "delimiter_token": "<pad>",
    "extract_token": "_classify_",
}
TOKENIZER = Tokenizer.from_file(str(MODELS / "gpt1-speaker" / "tokenizer.json"))
ONE, TWO = "my lord", "o romeo, romeo"


class Recorder:
    """A classifier whose logits depend on every token and on its place."""

    def __init__(self, labels):
        self.path = self.assets = MODELS / "gpt1-speaker"
        self.name = "gpt1-speaker"
        self.task = "text-classification"
        self.config = {}
        self.labels = {i: f"L{i}" for i in range(labels)}
        self.inputs = {"input_ids": {}}
        self.outputs = {"logits": {"dims": ["sequences", labels]}}
        self.max_positions = 16
        self.rows = []

    def __call__(self, input_ids, sequence_offsets, outputs):
        ends = sequence_offsets.tolist()
        rows = [input_ids[a:b].tolist() for a, b in zip(ends, ends[1:])]
        self.rows += rows
        return {"logits": np.stack([self.logits(row) for row in rows])}

    def logits(self, row):
        places = np.arange(len(row))[:, None] + np.arange(len(self.labels))
        return np.cos(np.array(row)[:, None] * (1 + places)).sum(0).astype(np.float32)


def ids(text):
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def framed(*texts):
    row = [START]
    for i, text in enumerate(texts):
        row += [DELIMITER] * (i > 0) + ids(text)
    return [*row, EXTRACT]


def test_texts_and_pairs():
    library = Recorder(3)
    classify = transom.pipeline("text-classification", library, **FRAME)
    classify([ONE, {"text": ONE, "text_pair": TWO}])
    assert library.rows == [framed(ONE), framed(ONE, TWO)]
    # The tokenizer's own frame is that of texts.
    library.rows.clear()
    transom.pipeline("text-classification", library)(ONE)
    assert library.rows == [framed(ONE)]


def test_entailment():
    library = Recorder(3)
    entails = transom.pipeline("entailment", library, top_k=None, **FRAME)
    item = {"premise": ONE, "hypothesis": TWO}
    answer = entails(item)
    assert library.rows == [framed(ONE, TWO)]
    logits = library.logits(framed(ONE, TWO))
    want = np.exp(logits) / np.exp(logits).sum()
    got = {a["label"]: a["score"] for a in answer}
    np.testing.assert_allclose([got[f"L{i}"] for i in range(3)], want, rtol=1e-5)
    for wrong in (ONE, {"text": ONE, "text_pair": TWO}, {"premise": ONE}):
        with pytest.raises(ValueError, match="premise"):
            entails(wrong)


def test_similarity_sums_both_orders():
    library = Recorder(2)
    similar = transom.pipeline("text-similarity", library, **FRAME)
    options = {"top_k": None, "function_to_apply": "none"}
    one = similar({"text": ONE, "text_pair": TWO}, **options)
    assert library.rows == [framed(ONE, TWO), framed(TWO, ONE)]
    want = sum(map(library.logits, library.rows))
    got = {answer["label"]: answer["score"] for answer in one}
    np.testing.assert_allclose([got["L0"], got["L1"]], want, rtol=1e-6)
    assert similar({"text": TWO, "text_pair": ONE}, **options) == one
    with pytest.raises(ValueError, match="expects a pair"):
        similar(ONE)


def test_choices_have_a_logit_each():
    library = Recorder(1)
    choose = transom.pipeline("multiple-choice", library, top_k=None, **FRAME)
    answer = choose({"text": ONE, "choices": [TWO, ONE, "o"]})
    rows = [framed(ONE, choice) for choice in (TWO, ONE, "o")]
    assert library.rows == rows
    logits = np.array([library.logits(row)[0] for row in rows])
    best = np.argsort(-logits).tolist()
    assert [a["index"] for a in answer] == best
    want = (np.exp(logits) / np.exp(logits).sum())[best]
    np.testing.assert_allclose([a["score"] for a in answer], want, rtol=1e-5)
    with pytest.raises(ValueError, match="one logit for each choice"):
        transom.pipeline("multiple-choice", Recorder(2), **FRAME)


def test_choices_of_double_heads(tmp_path, compiled):
    """The second head reads the token behind each choice."""
    folder = MODELS / "gpt1-speaker"
    config = transformers.OpenAIGPTConfig.from_pretrained(folder)
    torch.manual_seed(0)
    model = transformers.OpenAIGPTDoubleHeadsModel(config).eval()
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    library = compiled(tmp_path, None)
    choose = transom.pipeline("multiple-choice", library, top_k=None, **FRAME)
    choices = [TWO, ONE, "o"]
    logits = []
    for choice in choices:
        with torch.no_grad():
            logits.append(model(torch.tensor([framed(ONE, choice)])).mc_logits)
    want = torch.cat(logits).softmax(0).tolist()
    answers = choose({"text": ONE, "choices": choices})
    assert len(answers) == 3
    for answer in answers:
        assert answer["score"] == pytest.approx(want[answer["index"]], abs=1e-5)
    write = transom.pipeline("text-generation", library, max_new_tokens=3)
    assert write(ONE, do_sample=False)[0]["generated_text"].startswith(ONE)


def test_truncation_keeps_the_frame():
    library = Recorder(2)
    classify = transom.pipeline("text-classification", library, **FRAME)
    classify({"text": ONE * 9, "text_pair": TWO}, truncation=True)
    (row,) = library.rows
    assert len(row) == 16
    assert row[0] == START and row[-1] == EXTRACT and row.count(DELIMITER) == 1


@pytest.mark.parametrize(
    "frame, text",
    [
        ({"start_token": "_start_"}, "expects both"),
        ({"delimiter_token": "<pad>"}, "expects both"),
        ({"start_token": "_begin_", "extract_token": "_classify_"}, "'_begin_'"),
    ],
)
def test_refuses(frame, text):
    with pytest.raises(ValueError, match=text):
        transom.pipeline("text-classification", Recorder(2), **frame)


def test_pairs_need_a_delimiter():
    frame = {**FRAME, "delimiter_token": None}
    classify = transom.pipeline("text-classification", Recorder(2), **frame)
    with pytest.raises(ValueError, match="delimiter_token"):
        classify({"text": ONE, "text_pair": TWO})
