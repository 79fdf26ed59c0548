"""The files of sentence-transformers, as its version 6.2 reads them."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import transom
from conftest import MODELS
from transom.pipelines import _pooling
from transom.pipelines._sentence_model import SentenceModel

WIDTH = 128
TEXTS = ["my lord", "I will go to the King", "o"]


@pytest.fixture(scope="module")
def library(compiled):
    return compiled(MODELS / "bert-shakespeare", "feature-extraction")


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def make(tmp_path):
    """make(module, ..., file={...}) -> a folder; a module is its kind, or that and its
    configuration."""

    def build(*modules, **files):
        for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            shutil.copy(MODELS / "bert-shakespeare" / name, tmp_path)
        entries = [{"path": "", "type": "sentence_transformers.models.Transformer"}]
        for i, module in enumerate(modules):
            kind, config = (module, None) if isinstance(module, str) else module
            place = f"step{i}_{kind}"
            if config is not None:
                write(tmp_path / place / "config.json", config)
            kind = f"sentence_transformers.models.{kind}"
            entries.append({"path": place, "type": kind})
        write(tmp_path / "modules.json", entries)
        for name, value in files.items():
            write(tmp_path / f"{name}.json", value)
        return tmp_path

    return build


def encoder(library, folder, **options):
    return transom.SentenceEncoder(library, tokenizer=folder, **options)


def tokens(library, folder, texts, prompt=""):
    plain = encoder(library, folder)
    return plain.encode(texts, output_value="token_embeddings", prompt=prompt)


def equal(got, want):
    np.testing.assert_allclose(got, np.asarray(want), rtol=1e-6, atol=5e-6)


def test_modules_in_their_order(library, make):
    torch.manual_seed(0)
    linear = torch.nn.Linear(2 * WIDTH, 24)
    second = torch.nn.Linear(24, 8, bias=False)
    beside = torch.nn.Linear(24, 8, bias=False)
    dense = {"in_features": 2 * WIDTH, "out_features": 24, "bias": True}
    dense["activation_function"] = "torch.nn.modules.activation.Tanh"
    last = {"in_features": 24, "out_features": 8, "bias": False, "use_residual": True}
    last["activation_function"] = "torch.nn.modules.linear.Identity"
    folder = make(
        (
            "Pooling",
            {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True},
        ),
        ("Dense", dense),
        "Normalize",
        "Dropout",
        ("Dense", last),
    )
    state = {f"linear.{name}": tensor for name, tensor in linear.state_dict().items()}
    save_file(state, str(folder / "step1_Dense" / "model.safetensors"))
    state = {"linear.weight": second.weight.data, "residual.weight": beside.weight.data}
    torch.save(state, folder / "step4_Dense" / "pytorch_model.bin")
    rows = [torch.from_numpy(x) for x in tokens(library, folder, TEXTS)]
    pooled = torch.stack([torch.cat([x.max(0)[0], x.mean(0)]) for x in rows])
    with torch.no_grad():
        middle = torch.nn.functional.normalize(torch.tanh(linear(pooled)))
        want = second(middle) + beside(middle)
    ours = encoder(library, folder)
    got = ours.encode(TEXTS)
    equal(got, want)
    assert ours.get_sentence_embedding_dimension() == 8
    # A sentence's bits do not depend on the others.
    assert (ours.encode(TEXTS[1]) == got[1]).all()
    assert ours.encode([]).shape == (0, 8)


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64"])
def test_types_of_weights(kind, library, make):
    config = {"in_features": WIDTH, "out_features": 4, "bias": False}
    folder = make(("Pooling", {"pooling_mode": "cls"}), ("Dense", config))
    weight = torch.randn(4, WIDTH).to(getattr(torch, kind))
    save_file({"linear.weight": weight}, str(folder / "step1_Dense/model.safetensors"))
    rows = tokens(library, folder, TEXTS)
    want = torch.tanh(torch.tensor(np.stack([x[0] for x in rows])) @ weight.float().T)
    equal(encoder(library, folder).encode(TEXTS), want)


@pytest.mark.parametrize(
    "name", ["GELU", "Identity", "ReLU", "SiLU", "Sigmoid", "Tanh"]
)
def test_activations(name, library, make):
    config = {"in_features": WIDTH, "out_features": 4, "bias": False}
    config["activation_function"] = f"torch.nn.modules.activation.{name}"
    folder = make(("Pooling", {"pooling_mode": "mean"}), ("Dense", config))
    weight = torch.randn(4, WIDTH)
    save_file({"linear.weight": weight}, str(folder / "step1_Dense/model.safetensors"))
    rows = tokens(library, folder, TEXTS)
    mean = torch.tensor(np.stack([x.mean(0) for x in rows]))
    equal(
        encoder(library, folder).encode(TEXTS),
        getattr(torch.nn, name)()(mean @ weight.T),
    )


@pytest.mark.parametrize("mode", list(_pooling.POOLING))
def test_prompt_is_not_pooled(mode, library, make):
    """The prompt's tokens are those that it has alone, but for the last [SEP]."""
    prompt = "speak of love: "
    config = {"pooling_mode": mode, "include_prompt": False}
    folder = make(("Pooling", config))
    ours = encoder(library, folder, prompts={"query": prompt})
    (alone,) = tokens(library, folder, [prompt])
    skip = len(alone) - 1
    rows = [x[skip:] for x in tokens(library, folder, TEXTS, prompt)]
    weights = [np.arange(skip + 1, skip + 1 + len(x))[:, None] for x in rows]
    want = {
        "cls": [x[0] for x in rows],
        "max": [x.max(0) for x in rows],
        "mean": [x.mean(0) for x in rows],
        "mean_sqrt_len_tokens": [x.sum(0) / np.sqrt(len(x)) for x in rows],
        "weightedmean": [(x * w).sum(0) / w.sum() for x, w in zip(rows, weights)],
        "lasttoken": [x[-1] for x in rows],
    }[mode]
    equal(ours.encode(TEXTS, prompt_name="query"), want)
    # Without a prompt all tokens are pooled.
    included = make(("Pooling", {"pooling_mode": mode}))
    equal(ours.encode(TEXTS), encoder(library, included).encode(TEXTS))


def test_cut_then_normalized(library, make):
    pooled = encoder(library, make(("Pooling", {"pooling_mode": "mean"}))).encode(TEXTS)
    folder = make(
        ("Pooling", {"pooling_mode": "mean"}),
        config_sentence_transformers={"truncate_dim": 16},
    )
    ours = encoder(library, folder)
    assert ours.get_sentence_embedding_dimension() == 16
    cut = pooled[:, :16]
    equal(ours.encode(TEXTS), cut)
    want = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    equal(ours.encode(TEXTS, normalize_embeddings=True), want)
    equal(ours.encode(TEXTS, truncate_dim=5), pooled[:, :5])
    equal(encoder(library, folder, truncate_dim=200).encode(TEXTS), pooled)


def test_similarities(library, make):
    a, b = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    wanted = {
        "cosine": torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).T,
        "dot": x @ y.T,
        "euclidean": -torch.cdist(x, y),
        "manhattan": -torch.cdist(x, y, p=1.0),
    }
    for name, want in wanted.items():
        stored = {"similarity_fn_name": name}
        folder = make(("Pooling", {}), config_sentence_transformers=stored)
        ours = encoder(library, folder)
        assert ours.similarity_fn_name == name
        equal(ours.similarity(a, b), want)
        # An argument takes precedence.
        other = encoder(library, folder, similarity_fn_name="dot")
        equal(other.similarity(a, b), wanted["dot"])
    (folder / "config_sentence_transformers.json").unlink()
    assert encoder(library, folder).similarity_fn_name == "cosine"
    with pytest.raises(ValueError, match="similarity_fn_name: expects cosine, "):
        encoder(library, folder, similarity_fn_name="near")


@pytest.mark.parametrize(
    "name", "bert roberta distilbert camembert albert xlm-roberta xlnet".split()
)
def test_max_seq_length_in_any_file(name, library, make):
    file = {f"sentence_{name}_config": {"max_seq_length": 5, "do_lower_case": True}}
    folder = make(("Pooling", {}), **file)
    ours = encoder(library, folder)
    assert ours.max_seq_length == 5
    assert [len(x) for x in tokens(library, folder, TEXTS)] == [4, 5, 3]
    file = {f"sentence_{name}_config": {"max_seq_length": 10**6}}
    assert encoder(library, make(("Pooling", {}), **file)).max_seq_length == 128
    kwargs = {f"sentence_{name}_config": {"processor_kwargs": {"model_max_length": 7}}}
    assert encoder(library, make(("Pooling", {}), **kwargs)).max_seq_length == 7


def test_lower_case(library, make):
    cased = {"do_lower_case": False}
    folder = make(("Pooling", {}), tokenizer_config=cased | {"mask_token": "[MASK]"})
    ids = encoder(library, folder)._pipeline.tokenizer.encode(["My [MASK]"])[0].ids
    lower = make(("Pooling", {}), sentence_bert_config={"do_lower_case": True})
    write(lower / "tokenizer_config.json", cased | {"mask_token": "[MASK]"})
    mine = encoder(library, lower)._pipeline.tokenizer
    # Special tokens stay what they are.
    assert mine.encode(["My [MASK]"])[0].ids == mine.encode(["my [MASK]"])[0].ids != ids
    assert (
        mine.encode(["My [MASK]"])[0].ids[-2] == ids[-2] == mine.token_id("mask_token")
    )


POOL = ("Pooling", {"pooling_mode": "mean"})
DENSE = {"in_features": WIDTH, "out_features": 4, "bias": False}


@pytest.mark.parametrize(
    "modules, files, error, message",
    [
        (["Pooling"], {}, FileNotFoundError, "step0_Pooling/config.json: no such file"),
        ([POOL, "LayerNorm"], {}, ValueError, 'modules.json: "type" is "sentence_tr'),
        (["CNN", POOL], {}, ValueError, 'modules.json: "type" is .*CNN'),
        (["LSTM", POOL], {}, ValueError, 'modules.json: "type" is .*LSTM'),
        (["WeightedLayerPooling"], {}, ValueError, 'modules.json: "type" is .*Weigh'),
        (["CLIPModel"], {}, ValueError, 'modules.json: "type" is .*CLIPModel'),
        ([POOL, POOL], {}, ValueError, 'modules.json: "type" is .*Pooling'),
        (["Normalize", POOL], {}, ValueError, 'modules.json: "type" is .*Normalize'),
        ([], {}, ValueError, "modules.json: expects a module .* Pooling, got none"),
        ([("Pooling", {"pooling_mode": "most"})], {}, ValueError, "step0_Pooling/config"
         '.json: "pooling_mode" is "most"; supported: cls, max'),
        ([("Pooling", {"include_prompt": 0})], {}, ValueError, '"include_prompt" is 0'),
        ([POOL, "Dense"], {}, FileNotFoundError, "step1_Dense/config.json: no such"),
        ([POOL, ("Dense", DENSE)], {}, FileNotFoundError, "model.safetensors: no such "
         "file, and no pytorch_model.bin"),
        ([POOL, ("Dense", DENSE | {"activation_function": "mine.Act"})], {}, ValueError,
         'step1_Dense/config.json: "activation_function" is "mine.Act"; supported: to'),
        ([POOL, ("Dense", DENSE | {"module_input_name": "token_embeddings"})], {},
         ValueError, '"module_input_name" is "token_embeddings"; supported: "sentence'),
        ([POOL], {"config_sentence_transformers": {"similarity_fn_name": "near"}},
         ValueError, '"similarity_fn_name" is "near"; supported: cosine, dot'),
        ([POOL], {"config_sentence_transformers": {"truncate_dim": 0}}, ValueError,
         '"truncate_dim" is 0; supported: a number from 1 on'),
        ([POOL], {"config_sentence_transformers": {"default_prompt_name": "q"}},
         ValueError, '"default_prompt_name" is "q"; supported: no name'),
        ([POOL], {"sentence_xlnet_config": {"max_seq_length": "x"}}, ValueError,
         'sentence_xlnet_config.json: "max_seq_length" is "x"; supported: a number'),
        ([POOL], {"sentence_bert_config": {"tokenizer_args": {"unk_token": "x"}}},
         ValueError, '"tokenizer_args" is {"unk_token": "x"}; supported: '),
        ([POOL], {"modules": [{"type": "a.Transformer", "path": "../up"}]}, ValueError,
         'modules.json: "path" is "../up"; supported: a folder of the model'),
    ],
)  # fmt: skip
def test_refuses_before_compiling(modules, files, error, message, make, tmp_path):
    folder = make(*modules, **files)
    with pytest.raises(error, match=f"^{re.escape(str(folder))}/.*{message}"):
        SentenceModel.read(folder)
    with pytest.raises(transom.CompileError, match=f"^{re.escape(str(folder))}/"):
        transom.compile(folder, tmp_path / "libno.so", task="feature-extraction")
    assert not list(tmp_path.glob("libno*"))


def test_weights_that_do_not_fit(library, make):
    folder = make(POOL, ("Dense", DENSE))
    path = folder / "step1_Dense" / "model.safetensors"
    save_file({"linear.weight": torch.zeros(4, 3)}, str(path))
    with pytest.raises(ValueError, match=r'"linear.weight" of shape \(4, 128\), got'):
        SentenceModel.read(folder)
    whole = path.read_bytes()
    for data in (b"", whole[:4], whole[:30], whole[:-1], b"\xff" * 40):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: "):
            SentenceModel.read(folder)
    save_file({"linear.weight": torch.zeros(4, 3)}, str(path))
    write(folder / "step1_Dense" / "config.json", DENSE | {"in_features": 3})
    with pytest.raises(
        ValueError, match="Dense: expects vectors of 3 numbers, got 128"
    ):
        encoder(library, folder)


def test_tokenizer_that_cannot_be_followed_is_a_warning(make, tmp_path):
    folder = make(POOL, tokenizer_config={"tokenizer_class": "BertJapaneseTokenizer"})
    shutil.copy(MODELS / "bert-shakespeare" / "model.safetensors", folder)
    with pytest.warns(transom.CompileWarning, match='"tokenizer_class" is "BertJapan'):
        transom.compile(folder, tmp_path / "libyes.so", task="feature-extraction")
    (folder / "tokenizer.json").write_text("{\n,")
    with pytest.raises(
        transom.CompileError, match="tokenizer.json: line 2, column 1: "
    ):
        transom.compile(folder, tmp_path / "libno.so", task="feature-extraction")
