"""Questions, next sentences, choices and similarity."""

import json
import pathlib

import numpy as np
import pytest
import torch
import transformers

import transom
from conftest import MODELS
from test_pipelines import equal

RECORDED = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())


@pytest.fixture(scope="module")
def answers(compiled):
    return transom.pipeline(
        "question-answering", compiled(MODELS / "bert-who", "question-answering")
    )


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda c: str(c["options"]))
def test_question_answering(case, answers):
    item = {"question": case["question"], "context": case["context"]}
    equal(answers(item, **case["options"]), case["answer"])
    equal(answers(**item, **case["options"]), case["answer"])
    equal(answers([item, item], **case["options"]), [case["answer"]] * 2)


@pytest.mark.parametrize(
    "item", [{"question": "who?"}, {"question": "", "context": "a"}, "who?"]
)
def test_question_answering_refuses(item, answers):
    with pytest.raises(ValueError, match="context"):
        answers(item)


def test_question_answering_refuses_options(answers):
    with pytest.raises(ValueError, match="top_k"):
        answers(question="who?", context="i", top_k=0)
    with pytest.raises(ValueError, match="doc_stride"):
        answers(question="who?", context="i", max_seq_len=20, doc_stride=30)
    with pytest.raises(ValueError, match="2 texts"):
        answers(question=["who?", "what?"], context=["i"])


def test_question_answering_leaves_room(answers):
    """Whatever a question leaves to the context; the tokenizer panics at none."""
    context = "i will go to the king, said the lord of york. " * 4
    want = answers(question="who?", context=context, max_seq_len=40)
    assert want["answer"]
    question = "who will go to the king " * 2 + "?"
    count = len(answers.tokenizer.encode([question], add_special_tokens=False)[0].ids)
    for room in (1, 2, 5):
        got = answers(question=question, context=context, max_seq_len=count + 3 + room)
        assert set(got) == set(want)
    with pytest.raises(ValueError, match=f"^question: expects at most {count - 1} tok"):
        answers(question=question, context=context, max_seq_len=count + 3)
    with pytest.raises(ValueError, match="^doc_stride: expects less than the 5 tokens"):
        answers(question=question, context=context, max_seq_len=count + 8, doc_stride=5)
    # Items of one call, each with a stride of its own, answer as alone.
    items = [{"question": q, "context": context} for q in ("who?", question, "what?")]
    together = answers(items, max_seq_len=count + 8)
    assert together == [answers(item, max_seq_len=count + 8) for item in items]


def test_next_sentence_prediction(compiled):
    folder = MODELS / "bert-shakespeare"
    library = compiled(folder, "pretraining")
    model = transformers.BertForPreTraining.from_pretrained(folder).eval()
    pair = ("my lord of york", "i will go to the king.")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = model(**tokenizer(*pair, return_tensors="pt"))
    want = logits.seq_relationship_logits[0].softmax(-1).tolist()
    pipe = transom.pipeline("next-sentence-prediction", library)
    item = {"text": pair[0], "text_pair": pair[1]}
    scores = {answer["label"]: answer["score"] for answer in pipe(item, top_k=None)}
    assert scores["IsNext"] == pytest.approx(want[0], abs=1e-5)
    assert scores["NotNext"] == pytest.approx(want[1], abs=1e-5)
    with pytest.raises(ValueError, match="pair"):
        pipe(pair[0])


def test_multiple_choice(tmp_path, compiled):
    config = transformers.BertConfig.from_pretrained(MODELS / "bert-shakespeare")
    torch.manual_seed(0)
    model = transformers.BertForMultipleChoice(config).eval()
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((MODELS / "bert-speaker" / name).read_bytes())
    library = compiled(tmp_path, "multiple-choice")
    item = {"text": "i will go", "choices": ["to the king", "home, my good lord", "o"]}
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    pairs = tokenizer(
        [item["text"]] * 3, item["choices"], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**{k: v[None] for k, v in pairs.items()}).logits
    want = logits[0].softmax(-1).tolist()
    pipe = transom.pipeline("multiple-choice", library)
    ranked = pipe(item, top_k=None)
    assert [answer["score"] for answer in ranked] == sorted(
        (answer["score"] for answer in ranked), reverse=True
    )
    for answer in ranked:
        assert answer["choice"] == item["choices"][answer["index"]]
        assert answer["score"] == pytest.approx(want[answer["index"]], abs=1e-5)
    assert pipe([item, item], batch_size=2) == [ranked[0], ranked[0]]
    with pytest.raises(ValueError, match="choices"):
        pipe({"text": "a", "choices": []})


@pytest.fixture(scope="module")
def encoder_library(tmp_path_factory):
    output = tmp_path_factory.mktemp("lib") / "libencoder.so"
    return transom.load(
        transom.compile(MODELS / "bert-shakespeare", output, task="feature-extraction")
    )


SENTENCES = ["my lord", "i will go to the king, my good lord", "o"]


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "mean_sqrt_len_tokens"])
def test_pooling(pooling, encoder_library):
    """A batch pools to bitwise what each sentence alone does, and to what the
    tokens' vectors say."""
    pipe = transom.pipeline("feature-extraction", encoder_library)
    vectors = pipe(SENTENCES, pooling=pooling)
    for sentence, vector, tokens in zip(SENTENCES, vectors, pipe(SENTENCES)):
        np.testing.assert_array_equal(pipe(sentence, pooling=pooling), vector)
        want = {
            "cls": tokens[0],
            "mean": tokens.mean(0),
            "max": tokens.max(0),
            "mean_sqrt_len_tokens": tokens.sum(0) / np.sqrt(len(tokens)),
        }[pooling]
        np.testing.assert_allclose(vector, want, atol=1e-5)
    assert pipe([], pooling=pooling).shape == (0, 128)


def test_similarity_and_encoder(encoder_library):
    encoder = transom.SentenceEncoder(encoder_library)
    vectors = encoder.encode(SENTENCES, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    pipe = transom.pipeline("sentence-similarity", encoder_library)
    scores = pipe({"source_sentence": SENTENCES[0], "sentences": SENTENCES[1:]})
    np.testing.assert_allclose(scores, vectors[1:] @ vectors[0], atol=1e-5)
    np.testing.assert_allclose(
        encoder.similarity(vectors[:1], vectors[1:])[0], scores, atol=1e-5
    )


@pytest.mark.parametrize("normalize", [False, True])
def test_cls_pooling_of_a_random_model(normalize, tmp_path, compiled):
    """As bge models have it: the first token's vector, scaled to length 1."""
    torch.manual_seed(0)
    model = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=2048,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=40,
        )  # fmt: skip
    ).eval()
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((MODELS / "bert-speaker" / name).read_bytes())
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalize
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "",
         "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(
        json.dumps(
            {"word_embedding_dimension": 24, "pooling_mode_cls_token": True,
             "pooling_mode_mean_tokens": False}
        )
    )  # fmt: skip
    library = compiled(tmp_path, "feature-extraction")
    texts = ["i will go to the king", "o", "my good lord of gloucester, rise!"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for got in (
        transom.pipeline("feature-extraction", library)(texts),
        transom.SentenceEncoder(library).encode(texts),
    ):
        for text, vector in zip(texts, got):
            with torch.no_grad():
                hidden = model(**tokenizer(text, return_tensors="pt"))[0]
            want = hidden[0, 0].numpy()
            if normalize:
                want = want / np.linalg.norm(want)
            np.testing.assert_allclose(vector, want, atol=1e-5)
