"""Random models of transformers, and compiled libraries compared with them."""

import json

import numpy as np
import torch
import transformers

import transom
from conftest import rms_error, spread

# Error over rms: five times what random models of BERT and GPT have, 8e-6. The
# logits of one head (XLM-RoBERTa, question answering) are small: 2e-5.
TOLERANCE = 4e-5
# T5 does not scale its scores, so that the softmax of a random model is steep
# and errors of scores count for more: 8e-5 are measured.
T5_TOLERANCE = 1e-4


def make(folder, name, seed=0, **config):
    """Writes a random model of the class `name` and returns it."""
    cls = getattr(transformers, name)
    torch.manual_seed(seed)
    model = cls(cls.config_class(**config)).eval()
    spread(model, seed + 1)
    model.save_pretrained(folder)
    return model


def reference(model, outputs, **inputs):
    result = model(**{k: torch.as_tensor(np.asarray(v)) for k, v in inputs.items()})
    return {name: result[name].numpy() for name in outputs}


def random_inputs(model, lengths, seed=0):
    """Rows of ids, none of which is the padding's, and of token types."""
    rng = np.random.default_rng(seed)
    config = model.config
    rows = [rng.integers(5, config.vocab_size, n) for n in lengths]
    inputs = {"input_ids": rows}
    if getattr(config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = [
            rng.integers(0, config.type_vocab_size, n) for n in lengths
        ]
    return inputs


def pad(rows, value, left=False):
    longest = max(map(len, rows))
    result = np.full((len(rows), longest), value, np.int64)
    for row, values in zip(result, rows):
        if left:
            row[longest - len(values) :] = values
        else:
            row[: len(values)] = values
    return result


def check(got, want, mask, tolerance=TOLERANCE):
    """`got` is zeros where there are no tokens, and `want` elsewhere."""
    assert list(got) == list(want)
    for name in want:
        assert got[name].shape == want[name].shape
        assert got[name].dtype == np.float32
        if want[name].shape[:2] == mask.shape:
            assert (got[name][mask == 0] == 0).all()
            assert rms_error(got[name][mask == 1], want[name][mask == 1]) <= tolerance
        else:
            assert rms_error(got[name], want[name]) <= tolerance


def check_choices(model, library):
    """[batch, choices, length] and nested lists."""
    lengths = [7, 1, 13, 12, 2, 2]
    inputs = random_inputs(model, lengths)
    flat = {
        name: pad(rows, model.config.pad_token_id if name == "input_ids" else 0)
        for name, rows in inputs.items()
    }
    flat["attention_mask"] = pad([np.ones(n) for n in lengths], 0)
    padded = {name: rows.reshape(2, 3, -1) for name, rows in flat.items()}
    want = reference(model, ["logits"], **padded)["logits"]
    got = library(**padded)["logits"]
    assert got.shape == want.shape == (2, 3)
    assert rms_error(got, want) <= TOLERANCE
    nested = {name: [rows[:3], rows[3:]] for name, rows in inputs.items()}
    np.testing.assert_array_equal(library(**nested)["logits"], got)
    # As many choices as each example has.
    uneven = {name: [rows[:1], rows[1:]] for name, rows in inputs.items()}
    first, second = library(**uneven)["logits"]
    np.testing.assert_array_equal(np.concatenate([first, second]), got.reshape(-1))


def check_model(model, library, outputs, tolerance=TOLERANCE):
    """Padded on both sides, ragged, and one sequence alone."""
    if library.task == "multiple-choice":
        check_choices(model, library)
        return
    lengths = [7, 1, 13, 12]
    inputs = random_inputs(model, lengths)
    padding = model.config.pad_token_id
    for left in (False, True):
        padded = {
            name: pad(rows, padding if name == "input_ids" else 0, left)
            for name, rows in inputs.items()
        }
        padded["attention_mask"] = pad([np.ones(n) for n in lengths], 0, left)
        want = reference(model, outputs, **padded)
        check(library(**padded), want, padded["attention_mask"], tolerance)

    together = library(**inputs)
    for i, n in enumerate(lengths):
        alone = {name: [rows[i]] for name, rows in inputs.items()}
        want = reference(model, outputs, **alone)
        got = library(**alone)
        check(got, want, np.ones((1, n)), tolerance)
        for name in outputs:
            np.testing.assert_array_equal(together[name][i], got[name][0])


def check_default_tokens(model, folder, compile_folder):
    """A library has the ids of the configuration's class if neither config.json nor
    generation_config.json names any."""
    (folder / "generation_config.json").unlink()
    path = folder / "config.json"
    config = json.loads(path.read_text())
    named = {k: v for k, v in config.items() if not k.endswith("token_id")}
    path.write_text(json.dumps(named))
    own = type(model).config_class.from_pretrained(folder)
    want = transformers.GenerationConfig.from_model_config(own)
    library = transom.load(compile_folder(folder))
    got = library.metadata.get("generation_config", {})
    for kind in ("bos", "eos", "pad", "decoder_start", "forced_bos", "forced_eos"):
        key = f"{kind}_token_id"
        assert got.get(key) == getattr(want, key), key
