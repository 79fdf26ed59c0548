"""Every pipeline gives what transformers' pipeline gives."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers

import transom
from conftest import MODELS
from standin import StandIn


def equal(got, want, tolerance=1e-5):
    """The same structure, words and places; scores within the tolerance."""
    if isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            equal(got[key], want[key], tolerance)
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for one, other in zip(got, want):
            equal(one, other, tolerance)
    elif isinstance(want, (float, np.floating)):
        assert isinstance(got, float)
        assert got == pytest.approx(float(want), abs=tolerance)
    else:
        assert type(got) is type(want)
        assert got == want


@pytest.fixture(scope="module")
def make(compiled):
    """make(task, model, **options) -> (transom's pipeline, transformers')"""
    cache = {}

    def build(task, name, **options):
        if (task, name) not in cache:
            cache[task, name] = (
                compiled(MODELS / name, task),
                transformers.pipeline(task, model=str(MODELS / name), device="cpu"),
            )
        library, reference = cache[task, name]
        return transom.pipeline(task, library, **options), reference

    return build


MASKED = [
    "My [MASK], I will go to the king.",
    "O [MASK], wherefore art thou?",
    "to be, or [MASK] to be",
]


def test_fill_mask(make):
    ours, theirs = make("fill-mask", "bert-shakespeare")
    equal(ours(MASKED[0]), theirs(MASKED[0]))
    equal(ours(MASKED), theirs(MASKED))
    # transformers gives a list of one text that text's answer.
    equal(ours(MASKED[:1]), theirs(MASKED[:1]))
    equal(ours(MASKED, top_k=3), theirs(MASKED, top_k=3))
    # Of 2,048 scores many differ by less than float32 resolves: any order will do.
    whole = ours(MASKED, top_k=2048), theirs(MASKED, top_k=2048)
    for got, want in zip(*whole):
        scores = [answer["score"] for answer in got]
        assert scores == sorted(scores, reverse=True)
        by_token = [sorted(x, key=lambda answer: answer["token"]) for x in (got, want)]
        equal(*by_token)


def test_fill_several_masks(make):
    ours, theirs = make("fill-mask", "bert-shakespeare")
    text = "My [MASK], I [MASK] go to the [MASK]."
    equal(ours(text, top_k=2), theirs(text, top_k=2))
    equal(ours([text, MASKED[0]]), theirs([text, MASKED[0]]))


def test_fill_mask_targets(make):
    ours, theirs = make("fill-mask", "bert-shakespeare")
    equal(
        ours(MASKED[0], targets=["lord", "father"]),
        theirs(MASKED[0], targets=["lord", "father"]),
    )
    equal(ours(MASKED[0], targets="king"), theirs(MASKED[0], targets="king"))
    with pytest.warns(UserWarning, match="'Fatherless' is not a token"):
        got = ours(MASKED[0], targets=["Fatherless", "lord"])
    equal(got, theirs(MASKED[0], targets=["Fatherless", "lord"]))
    refused = pytest.raises(ValueError, match="targets")
    with pytest.warns(UserWarning, match="left out"), refused:
        ours(MASKED[0], targets=[""])


def test_fill_mask_truncation(make):
    ours, theirs = make("fill-mask", "bert-shakespeare")
    text = MASKED[0] + " the king" * 200
    options = {"tokenizer_kwargs": {"truncation": True}}
    equal(ours(text, **options), theirs(text, **options))


def test_fill_mask_asks_for_positions():
    plain = transom.pipeline(
        "fill-mask", StandIn(MODELS / "bert-shakespeare", "fill-mask")
    )
    library = StandIn(MODELS / "bert-shakespeare", "fill-mask", positions=True)
    texts = [*MASKED, "My [MASK], I [MASK] go"]
    equal(transom.pipeline("fill-mask", library)(texts), plain(texts))


def test_fill_mask_of_pretraining(make, compiled):
    library = compiled(MODELS / "bert-shakespeare", "pretraining")
    _, theirs = make("fill-mask", "bert-shakespeare")
    equal(transom.pipeline("fill-mask", library)(MASKED), theirs(MASKED))


@pytest.mark.parametrize(
    "item, text", [("no mask", r"\[MASK\]"), ("", r"\[MASK\]"), (3, "text")]
)
def test_fill_mask_refuses(item, text, make):
    ours, _ = make("fill-mask", "bert-shakespeare")
    with pytest.raises(ValueError, match=text):
        ours(item)


LINES = [
    "There was a time when all the body's members Rebell'd against the belly",
    "But, soft! what light through yonder window breaks?",
    "Now is the winter of our discontent",
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top_k": 1},
        {"top_k": 2},
        {"top_k": None},
        {"function_to_apply": "sigmoid", "top_k": None},
        {"function_to_apply": "none", "top_k": 3},
        {"function_to_apply": "softmax"},
    ],
)
def test_text_classification(options, make):
    ours, theirs = make("text-classification", "bert-speaker")
    pair = {"text": LINES[0], "text_pair": LINES[1]}
    for item in (LINES[0], LINES, LINES[:1], pair, [pair, {"text": LINES[2]}]):
        equal(ours(item, **options), theirs(item, **options))


def test_defaults_are_given_when_a_pipeline_is_made(make):
    ours, _ = make("text-classification", "bert-speaker", top_k=2)
    theirs = transformers.pipeline(
        "text-classification", model=str(MODELS / "bert-speaker"), top_k=2
    )
    equal(ours(LINES), theirs(LINES))
    equal(ours(LINES, top_k=3), theirs(LINES, top_k=3))
    equal(ours(LINES[0]), theirs(LINES[0]))


def test_text_classification_truncation(make):
    ours, theirs = make("text-classification", "bert-speaker")
    text = LINES[0] * 20
    for options in (
        {"truncation": True},
        {"truncation": True, "max_length": 20},
        {"truncation": "longest_first", "max_length": 9, "padding": True},
    ):
        equal(ours(text, **options), theirs(text, **options))
    pair = {"text": LINES[0], "text_pair": LINES[1]}
    for side in ("only_first", "only_second", "longest_first"):
        options = {"truncation": side, "max_length": 30}
        equal(ours(pair, **options), theirs(pair, **options))


@pytest.mark.parametrize(
    "problem, labels",
    [
        ("regression", 1),
        (None, 1),
        ("multi_label_classification", 3),
        ("single_label_classification", 3),
        (None, 3),
    ],
)
def test_function_follows_the_problem_type(problem, labels, tmp_path, compiled):
    config = transformers.BertConfig(
        vocab_size=2048, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, num_labels=labels, problem_type=problem,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((MODELS / "bert-speaker" / name).read_bytes())
    ours = transom.pipeline(
        "text-classification", compiled(tmp_path, "text-classification")
    )
    theirs = transformers.pipeline("text-classification", model=str(tmp_path))
    equal(ours(LINES), theirs(LINES))
    equal(ours(LINES, top_k=None), theirs(LINES, top_k=None))


def test_text_classification_by_a_decoder(tmp_path, compiled):
    folder = MODELS / "t5-g2p"
    config = transformers.T5Config.from_pretrained(
        folder, num_labels=3, dtype="float32"
    )
    transformers.T5ForSequenceClassification(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    ours = transom.pipeline("text-classification", compiled(tmp_path, None), top_k=None)
    theirs = transformers.pipeline(
        "text-classification", model=str(tmp_path), top_k=None
    )
    equal(ours(LINES), theirs(LINES))


@pytest.mark.parametrize("item", [3, ["a", "b"], {"text": 1}, {"a": "b"}, None, {}])
def test_text_classification_refuses(item, make):
    ours, _ = make("text-classification", "bert-speaker")
    with pytest.raises(ValueError, match="expects a text"):
        ours([item])


CASES = [
    "my lord of gloucester, i will go to rome with thee and warwick.",
    "what say you to this, sir john falstaff and mistress ford of windsor?",
    "i am antonio",
    "zyxgy ⛵ wanders to verona",
]


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("ignored", [["O"], [], ["CAP"]])
def test_token_classification(strategy, ignored, make):
    ours, theirs = make("token-classification", "bert-truecase")
    options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
    equal(ours(CASES[0], **options), theirs(CASES[0], **options))
    equal(ours(CASES, **options), theirs(CASES, **options))


@pytest.mark.parametrize("stride", [0, 5, 40])
@pytest.mark.parametrize("strategy", ["simple", "first", "max"])
def test_token_classification_stride(stride, strategy, make):
    ours, theirs = make("token-classification", "bert-truecase")
    text = " ".join(CASES[:3]) * 12
    options = {"stride": stride, "aggregation_strategy": strategy}
    equal(ours(text, **options), theirs(text, **options))
    equal(ours([text, CASES[0]], **options), theirs([text, CASES[0]], **options))


def test_token_classification_cuts_what_is_too_long(make):
    ours, theirs = make("token-classification", "bert-truecase")
    text = " ".join(CASES[:3]) * 12
    equal(ours(text), theirs(text))


def test_token_classification_of_words(make):
    ours, theirs = make("token-classification", "bert-truecase")
    words = CASES[0].split()
    for strategy in ("none", "average"):
        for delimiter in (" ", "--"):
            options = {
                "is_split_into_words": True,
                "delimiter": delimiter,
                "aggregation_strategy": strategy,
            }
            equal(ours(words, **options), theirs(words, **options))
            batch = [words, CASES[1].split()]
            equal(ours(batch, **options), theirs(batch, **options))


def tagged(labels):
    """Entities of the given labels, one a token."""
    return [
        {"entity": label, "score": 0.5 + i / 100, "index": i, "word": f"w{i}",
         "start": 3 * i, "end": 3 * i + 2}
        for i, label in enumerate(labels)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "labels",
    ["B-A I-A B-A", "B-A I-B I-B O", "A A B", "I-A B-A I-A", "O O B-X-Y I-X-Y", ""],
)
def test_entities_form_as_in_transformers(labels, make):
    ours, theirs = make("token-classification", "bert-truecase")
    entities = tagged(labels.split())
    equal(ours.groups(entities), theirs.group_entities(entities))


@pytest.mark.parametrize(
    "options, text",
    [
        ({"aggregation_strategy": "most"}, "aggregation_strategy"),
        ({"stride": 3}, "aggregation_strategy"),
        ({"stride": 128, "aggregation_strategy": "first"}, "stride"),
    ],
)
def test_token_classification_refuses(options, text, make):
    ours, _ = make("token-classification", "bert-truecase")
    with pytest.raises(ValueError, match=text):
        ours(CASES[0], **options)


def test_batches_hold_batch_size_sequences():
    library = StandIn(MODELS / "bert-speaker", "text-classification")
    pipe = transom.pipeline("text-classification", library, batch_size=4)
    whole = pipe(LINES * 3)
    assert library.calls == [4, 4, 1]
    assert pipe(LINES * 3, batch_size=1) == whole
    assert pipe([]) == []
    with pytest.raises(ValueError, match="batch_size"):
        pipe(LINES, batch_size=0)


def test_an_iterator_is_read_as_it_is_consumed():
    library = StandIn(MODELS / "bert-speaker", "text-classification")
    pipe = transom.pipeline("text-classification", library, batch_size=1)
    read = []

    def lines():
        for line in LINES:
            read.append(line)
            yield line

    answers = pipe(lines())
    assert read == []
    assert next(answers) == pipe(LINES)[0]
    assert read == LINES[:1]
    assert list(answers) == pipe(LINES)[1:]


def test_unknown_task_and_argument(make):
    with pytest.raises(ValueError, match="fill-mask.*'poetry'"):
        transom.pipeline("poetry", "libx.so")
    ours, _ = make("fill-mask", "bert-shakespeare")
    with pytest.raises(TypeError, match="verse"):
        ours(MASKED, verse=2)
    with pytest.raises(TypeError, match="verse"):
        make("fill-mask", "bert-shakespeare", verse=2)


def test_library_for_another_task():
    library = StandIn(MODELS / "bert-speaker", "text-classification")
    with pytest.raises(ValueError, match="text-classification.*--task=fill-mask"):
        transom.pipeline("fill-mask", library)


def test_truncation_knows_where_positions_begin(tmp_path, compiled):
    """RoBERTa's begin behind its padding's, so that fewer are left to tokens."""
    config = transformers.RobertaConfig(
        vocab_size=2048, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=20, pad_token_id=1,
        type_vocab_size=1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.RobertaForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODELS / "bert-shakespeare" / name, tmp_path)
    path = tmp_path / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.pop("model_max_length", None)
    path.write_text(json.dumps(settings))
    library = compiled(tmp_path, "text-classification")
    assert library.max_positions == 18
    text = "i will go to the king, said the lord of york. " * 4
    pipe = transom.pipeline("text-classification", library)
    answers = pipe(text, truncation=True, top_k=None)
    got = {answer["label"]: answer["score"] for answer in answers}
    encoding = pipe.tokenizer.encode([text], max_length=18)[0]
    with torch.no_grad():
        logits = model(torch.tensor([encoding.ids])).logits[0]
    for i, score in enumerate(logits.softmax(-1).tolist()):
        assert got[f"LABEL_{i}"] == pytest.approx(score, abs=1e-5)
    with pytest.raises(ValueError, match="exceeds the maximum 18"):
        pipe(text)
