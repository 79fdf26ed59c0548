"""GPT's relatives against transformers: random models of odd shapes, ragged and
padded at either side, and the trained models of examples/models."""

import numpy as np
import pytest
from models import check_model, make

import transom

GPT2 = dict(vocab_size=97, n_embd=60, n_layer=2, n_head=5, n_positions=40)

# Class in transformers: task, outputs, sizes.
MODELS = {
    "GPT2Model": ("feature-extraction", ["last_hidden_state"], GPT2),
    "GPT2LMHeadModel": ("text-generation", ["logits"], GPT2),
    "GPT2ForTokenClassification": ("token-classification", ["logits"], GPT2),
    "GPT2ForQuestionAnswering": (
        "question-answering", ["start_logits", "end_logits"], GPT2,
    ),
}  # fmt: skip


def build(folder, compile_folder, name, **config):
    """A random model, its library, and the names of their outputs."""
    task, outputs, sizes = MODELS[name]
    labels = 2 if task == "question-answering" else 3
    settings = dict(num_labels=labels, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    model = make(folder, name, **{**settings, **sizes, **config})
    library = transom.load(compile_folder(folder))
    assert library.task == task
    assert list(library.outputs) == outputs
    return model, library, outputs


@pytest.mark.parametrize("name", MODELS)
def test_model(name, tmp_path, compile_folder):
    check_model(*build(tmp_path, compile_folder, name))
