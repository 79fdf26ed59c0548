"""Every head of every encoder against transformers: random models of odd
shapes, ragged and padded, and the trained models of examples/models."""

import json
import subprocess

import numpy as np
import pytest
import torch
import transformers

import transom
from conftest import ROOT, rms_error
from models import check, check_model, make, reference

MODELS = ROOT / "examples" / "models"

# Class in transformers: task, outputs, by transformers' names.
BERT = {
    "BertForMaskedLM": ("fill-mask", ["logits"]),
    "BertForPreTraining": (
        "pretraining",
        ["prediction_logits", "seq_relationship_logits"],
    ),
    "BertForNextSentencePrediction": ("next-sentence-prediction", ["logits"]),
    "BertForSequenceClassification": ("text-classification", ["logits"]),
    "BertForTokenClassification": ("token-classification", ["logits"]),
    "BertForQuestionAnswering": ("question-answering", ["start_logits", "end_logits"]),
    "BertForMultipleChoice": ("multiple-choice", ["logits"]),
}
BERT_SIZES = dict(
    vocab_size=97, hidden_size=60, num_hidden_layers=2, num_attention_heads=5,
    intermediate_size=111, max_position_embeddings=40, type_vocab_size=3,
)  # fmt: skip

COMMON = {
    "ForMaskedLM": ("fill-mask", ["logits"]),
    "ForSequenceClassification": ("text-classification", ["logits"]),
    "ForTokenClassification": ("token-classification", ["logits"]),
    "ForQuestionAnswering": ("question-answering", ["start_logits", "end_logits"]),
    "ForMultipleChoice": ("multiple-choice", ["logits"]),
}
DISTILBERT_SIZES = dict(
    vocab_size=97, dim=60, n_layers=2, n_heads=5, hidden_dim=111,
    max_position_embeddings=40,
)  # fmt: skip
# Padding is neither the first id nor the default.
ROBERTA_SIZES = dict(BERT_SIZES, pad_token_id=3, type_vocab_size=1)

HEADS = {name: (*what, BERT_SIZES) for name, what in BERT.items()}
for family, sizes in {
    "Roberta": ROBERTA_SIZES,
    "XLMRoberta": ROBERTA_SIZES,
    "Camembert": dict(ROBERTA_SIZES, type_vocab_size=2),
    "DistilBert": DISTILBERT_SIZES,
    "Electra": dict(BERT_SIZES, embedding_size=23),
}.items():
    HEADS.update({family + name: (*what, sizes) for name, what in COMMON.items()})
HEADS["ElectraForPreTraining"] = (
    "pretraining",
    ["logits"],
    HEADS["ElectraForMaskedLM"][2],
)

# Base models, and their outputs.
ENCODERS = {
    "BertModel": (["last_hidden_state", "pooler_output"], BERT_SIZES),
    "RobertaModel": (["last_hidden_state", "pooler_output"], ROBERTA_SIZES),
    "XLMRobertaModel": (["last_hidden_state", "pooler_output"], ROBERTA_SIZES),
    "CamembertModel": (["last_hidden_state", "pooler_output"], ROBERTA_SIZES),
    "DistilBertModel": (["last_hidden_state"], DISTILBERT_SIZES),
    "ElectraModel": (["last_hidden_state"], dict(BERT_SIZES, embedding_size=23)),
}


@pytest.mark.parametrize("name", HEADS)
def test_head(name, tmp_path, compile_folder):
    task, outputs, config = HEADS[name]
    # Three labels, which is neither the default nor a width that is special,
    # but an answer has two ends.
    labels = 2 if task == "question-answering" else 3
    model = make(tmp_path, name, num_labels=labels, **config)
    library = transom.load(compile_folder(tmp_path))
    assert library.task == task
    assert list(library.outputs) == outputs
    check_model(model, library, outputs)


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder(name, tmp_path, compile_folder):
    outputs, config = ENCODERS[name]
    model = make(tmp_path, name, **config)
    library = transom.load(compile_folder(tmp_path))
    assert library.task == "feature-extraction"
    assert list(library.outputs) == outputs
    check_model(model, library, outputs)


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
@pytest.mark.parametrize(
    "name", ["DistilBertForMaskedLM", "ElectraForMaskedLM", "ElectraForPreTraining"]
)
def test_activation_of_a_head(name, activation, tmp_path, compile_folder):
    """Some heads take the encoder's, some have their own."""
    _, outputs, config = HEADS[name]
    key = "activation" if "Distil" in name else "hidden_act"
    model = make(tmp_path, name, **{**config, key: activation})
    check_model(model, transom.load(compile_folder(tmp_path)), outputs)


def test_embeddings_that_are_as_wide_as_the_rest(tmp_path, compile_folder):
    """ELECTRA's large models project nothing."""
    model = make(tmp_path, "ElectraForMaskedLM", embedding_size=60, **BERT_SIZES)
    check_model(model, transom.load(compile_folder(tmp_path)), ["logits"])


def test_positions_count_what_is_not_padding(tmp_path, compile_folder):
    """RoBERTa's, whatever the mask says: holes, and padding that is attended."""
    model = make(tmp_path, "RobertaModel", **ROBERTA_SIZES)
    library = transom.load(compile_folder(tmp_path))
    ids = np.array([[9, 3, 8, 7, 3, 3, 6], [3, 3, 5, 4, 3, 20, 21]])
    mask = np.array([[1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 1, 1, 0, 1]])
    outputs = ["last_hidden_state", "pooler_output"]
    for inputs in ({"input_ids": ids}, {"input_ids": ids, "attention_mask": mask}):
        check(library(**inputs), reference(model, outputs, **inputs),
              inputs.get("attention_mask", np.ones(ids.shape)))  # fmt: skip
    places = np.array([[0, 1, 2, 3, 39, 38, 2], [5, 5, 5, 5, 6, 7, 8]])
    want = reference(model, outputs, input_ids=ids, position_ids=places)
    check(library(input_ids=ids, position_ids=places), want, np.ones(ids.shape))
    # 40 positions, four of which are not for tokens.
    assert library(input_ids=[[9] * 36])["pooler_output"].shape == (1, 60)
    with pytest.raises(ValueError, match="length 37 exceeds the maximum 36"):
        library(input_ids=[[9] * 37])


@pytest.mark.parametrize("name", HEADS)
def test_every_stage(name, tmp_path):
    """`transom verify`: passes and library against the definition."""
    make(tmp_path, name, **HEADS[name][2])
    command = [transom.compiler(), "verify", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    errors = [line.split()[1:] for line in result.stdout.splitlines()[1:]]
    assert [len(line) for line in errors] == [len(HEADS[name][1])] * 2


@pytest.mark.parametrize(
    "name",
    ["RobertaForMaskedLM", "DistilBertForMaskedLM", "ElectraForMaskedLM"],
)
def test_words_at_positions(name, tmp_path, compile_folder):
    make(tmp_path, name, **HEADS[name][2])
    library = transom.load(compile_folder(tmp_path))
    ids = [[9, 8, 7], [20, 21], [6, 5, 9, 10]]
    every = library(input_ids=ids)["logits"]
    some = library(input_ids=ids, output_positions=[[2], [], [0, 3]])["logits"]
    np.testing.assert_array_equal(some[0], every[0][[2]])
    assert len(some[1]) == 0
    np.testing.assert_array_equal(some[2], every[2][[0, 3]])


@pytest.mark.parametrize("labels", [1, 2, 5])
@pytest.mark.parametrize(
    "problem",
    ["regression", "single_label_classification", "multi_label_classification"],
)
def test_labels(labels, problem, tmp_path, compile_folder):
    if labels == 1 and problem == "single_label_classification":
        pytest.skip("transformers refuses one class")
    names = {i: f"class {i}" for i in range(labels)}
    model = make(
        tmp_path, "BertForSequenceClassification", id2label=names,
        problem_type=problem, **BERT_SIZES,
    )  # fmt: skip
    library = transom.load(compile_folder(tmp_path))
    assert library.labels == names
    assert library.config["problem_type"] == problem
    check_model(model, library, ["logits"])


@pytest.mark.parametrize(
    "name",
    [
        "BertForMaskedLM",
        "BertForPreTraining",
        "RobertaForMaskedLM",
        "DistilBertForMaskedLM",
        "ElectraForMaskedLM",
    ],
)
def test_untied_decoder(name, tmp_path, compile_folder):
    model = make(tmp_path, name, tie_word_embeddings=False, **HEADS[name][2])
    decoder, table = model.get_output_embeddings(), model.get_input_embeddings()
    assert not torch.equal(decoder.weight, table.weight)
    check_model(model, transom.load(compile_folder(tmp_path)), HEADS[name][1])


def test_decoder_that_the_configuration_calls_tied(tmp_path, compile_folder):
    """Where a checkpoint holds both, transformers believes the checkpoint."""
    make(tmp_path, "BertForMaskedLM", tie_word_embeddings=False, **BERT_SIZES)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "tie_word_embeddings": True}))
    model = transformers.BertForMaskedLM.from_pretrained(tmp_path).eval()
    check_model(model, transom.load(compile_folder(tmp_path)), ["logits"])


@pytest.mark.parametrize("name", HEADS)
def test_encoder_of_a_model_with_a_head(name, tmp_path, compile_folder):
    """--task=feature-extraction leaves the head out."""
    _, _, config = HEADS[name]
    model = make(tmp_path, name, **config)
    path = compile_folder(tmp_path, task="feature-extraction")
    outputs = ["last_hidden_state"]
    if getattr(model.base_model, "pooler", None):
        outputs.append("pooler_output")
    check_model(model.base_model, transom.load(path), outputs)


def test_two_tasks_of_one_checkpoint(tmp_path, compile_folder):
    """BertForPreTraining holds both of its heads."""
    make(tmp_path, "BertForPreTraining", **BERT_SIZES)
    for name in ("BertForMaskedLM", "BertForNextSentencePrediction"):
        model = getattr(transformers, name).from_pretrained(tmp_path).eval()
        library = transom.load(compile_folder(tmp_path, task=BERT[name][0]))
        check_model(model, library, ["logits"])


RECORDED = {
    "bert-shakespeare": {
        "prediction_logits": "logits", "seq_relationship_logits": "nsp_logits"
    },
    "bert-speaker": {"logits": "logits"},
    "bert-truecase": {"logits": "logits"},
    "bert-who": {"start_logits": "start_logits", "end_logits": "end_logits"},
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name, compile_folder):
    """The trained models, against numbers that were recorded with them."""
    library = transom.load(compile_folder(MODELS / name))
    for case in json.loads((MODELS / name / "expected.json").read_text())["cases"]:
        inputs = ("input_ids", "attention_mask", "token_type_ids")
        got = library(**{key: np.array(case[key]) for key in inputs})
        there = np.array(case["attention_mask"]) == 1
        for output, key in RECORDED[name].items():
            result, want = got[output], case[key]
            if isinstance(want, dict):  # A part of a large array.
                assert list(result.shape) == want["shape"]
                assert (result.argmax(-1) == np.array(want["argmax"]))[there].all()
                result, want = result[..., :8], want["first8"]
            want = np.array(want)
            if want.shape[:2] == there.shape:
                result, want = result[there], want[there]
            # The files round to seven digits.
            assert rms_error(result, want) <= 1e-5
