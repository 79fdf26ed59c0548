"""Writes small models for tests, BERT's or others', whole or damaged, without
torch.

    make_model.py FOLDER [option...]

    --like KIND          a relative of BERT: roberta, distilbert, electra (half
                         as wide in its embeddings); a decoder: openai-gpt,
                         gpt2, llama (whose two heads share a key head); or t5,
                         an encoder whose heads are 6 wide
    --set KEY=JSON       a key of config.json (JSON: null, 3, "gelu", ...)
    --unset KEY          leaves the key out
    --prefix bert.       before every tensor's name
    --dtype F16          how tensors are stored: F32 (default), F16, BF16, F64
    --no-pooler
    --old-names          LayerNorm.gamma and LayerNorm.beta
    --shards N           N files and an index
    --drop TENSOR        leaves the tensor out
    --add TENSOR=DTYPE:SHAPE   one more: position_ids=I64:1x4
    --shape TENSOR=SHAPE       stores it in another shape: 3x4

The model, unless --set says otherwise: 2 layers, 8 wide, 2 heads, 16 (GPT: 32)
in the feed-forward layers, 32 words, 16 positions. Values are the same in every
run.
"""

import argparse
import json
import pathlib
import struct

import numpy as np

SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "U8": 1}

CONFIG = {
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "hidden_size": 8,
    "intermediate_size": 16,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 32,
}


# BERT's names, and what others call them, in this order.
DISTILBERT = {
    "encoder.layer": "transformer.layer",
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
DISTILBERT_KEYS = {
    "hidden_size": "dim", "intermediate_size": "hidden_dim",
    "num_attention_heads": "n_heads", "num_hidden_layers": "n_layers",
    "hidden_act": "activation", "layer_norm_eps": None, "type_vocab_size": None,
}  # fmt: skip


def as_relative(kind, config, tensors):
    """A BERT's configuration and shapes as those of a relative."""
    config = dict(config)
    if kind == "roberta":
        config.update(architectures=["RobertaModel"], pad_token_id=1)
        return config, tensors
    if kind == "electra":
        width = config["hidden_size"] // 2
        config.update(architectures=["ElectraModel"], embedding_size=width)
        narrow = {
            name: shape[:-1] + (width,) if name.startswith("embeddings.") else shape
            for name, shape in tensors.items()
            if "pooler" not in name
        }
        wide = {"weight": (2 * width, width), "bias": (2 * width,)}
        narrow.update({f"embeddings_project.{n}": s for n, s in wide.items()})
        return config, narrow
    assert kind == "distilbert", f"no such relative: {kind}"
    renamed = {DISTILBERT_KEYS.get(key, key): value for key, value in config.items()}
    del renamed[None]
    renamed["architectures"] = ["DistilBertModel"]
    result = {}
    for name, shape in tensors.items():
        if "pooler" in name or "token_type" in name:
            continue
        for ours, theirs in DISTILBERT.items():
            name = name.replace(ours, theirs)
        result[name] = shape
    return renamed, result


def shapes(config, pooler=True):
    """The tensors of a BertModel and their shapes."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    result = {}

    def linear(name, rows, columns):
        result[f"{name}.weight"] = (rows, columns)
        result[f"{name}.bias"] = (rows,)

    def norm(name):
        result[f"{name}.weight"] = result[f"{name}.bias"] = (width,)

    for table, key in (
        ("word", "vocab_size"),
        ("token_type", "type_vocab_size"),
        ("position", "max_position_embeddings"),
    ):
        result[f"embeddings.{table}_embeddings.weight"] = (config[key], width)
    norm("embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", width, width)
        linear(f"{layer}.attention.output.dense", width, width)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, width)
        linear(f"{layer}.output.dense", width, inner)
        norm(f"{layer}.output.LayerNorm")
    if pooler:
        linear("pooler.dense", width, width)
    return result


GPT_CONFIG = {
    "n_embd": 8, "n_head": 2, "n_layer": 2, "n_positions": 16, "vocab_size": 32,
}  # fmt: skip
T5_CONFIG = {
    "architectures": ["T5EncoderModel"],
    "d_ff": 16,
    "d_kv": 6,
    "d_model": 8,
    "feed_forward_proj": "relu",
    "num_decoder_layers": 1,
    "num_heads": 2,
    "num_layers": 2,
    "relative_attention_max_distance": 12,
    "relative_attention_num_buckets": 8,
    "vocab_size": 32,
}


def t5_shapes(config):
    """The tensors of a T5Model, or of a T5EncoderModel, and their shapes."""
    width, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    result = {"shared.weight": (config["vocab_size"], width)}
    gated = config["feed_forward_proj"].startswith("gated-")
    buckets = (config["relative_attention_num_buckets"], config["num_heads"])

    def attention(module):
        for part in ("q", "k", "v"):
            result[f"{module}.{part}.weight"] = (inner, width)
        result[f"{module}.o.weight"] = (width, inner)

    stacks = {"encoder": config["num_layers"]}
    if not any(
        "Encoder" in name or "Token" in name for name in config["architectures"]
    ):
        stacks["decoder"] = config["num_decoder_layers"]
    for stack, layers in stacks.items():
        last = 2 if stack == "decoder" else 1
        for i in range(layers):
            block = f"{stack}.block.{i}.layer"
            attention(f"{block}.0.SelfAttention")
            if i == 0:
                name = f"{block}.0.SelfAttention.relative_attention_bias.weight"
                result[name] = buckets
            if stack == "decoder":
                attention(f"{block}.1.EncDecAttention")
            dense = f"{block}.{last}.DenseReluDense"
            for part in ("wi_0", "wi_1") if gated else ("wi",):
                result[f"{dense}.{part}.weight"] = (config["d_ff"], width)
            result[f"{dense}.wo.weight"] = (width, config["d_ff"])
            for part in range(last + 1):
                result[f"{block}.{part}.layer_norm.weight"] = (width,)
        result[f"{stack}.final_layer_norm.weight"] = (width,)
    return result


LLAMA_CONFIG = {
    "hidden_size": 8, "intermediate_size": 16, "max_position_embeddings": 16,
    "num_attention_heads": 2, "num_hidden_layers": 2, "num_key_value_heads": 1,
    "vocab_size": 32,
}  # fmt: skip
# The configuration of each, beside the architecture.
DECODERS = {"openai-gpt": GPT_CONFIG, "gpt2": GPT_CONFIG, "llama": LLAMA_CONFIG}


def llama_shapes(config):
    """The tensors of a LlamaModel without biases and their shapes."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    result = {"embed_tokens.weight": (config["vocab_size"], width)}
    for i in range(config["num_hidden_layers"]):
        layer = f"layers.{i}"
        for part, rows in (("q", width), ("k", keys), ("v", keys), ("o", width)):
            result[f"{layer}.self_attn.{part}_proj.weight"] = (rows, width)
        for part in ("gate", "up"):
            result[f"{layer}.mlp.{part}_proj.weight"] = (inner, width)
        result[f"{layer}.mlp.down_proj.weight"] = (width, inner)
        result[f"{layer}.input_layernorm.weight"] = (width,)
        result[f"{layer}.post_attention_layernorm.weight"] = (width,)
    result["norm.weight"] = (width,)
    return result


def gpt_shapes(kind, config):
    """The tensors of an OpenAIGPTModel or a GPT2Model and their shapes."""
    width = config["n_embd"]
    inner = config.get("n_inner") or 4 * width
    words, places = (
        ("wte", "wpe") if kind == "gpt2" else ("tokens_embed", "positions_embed")
    )
    result = {
        f"{words}.weight": (config["vocab_size"], width),
        f"{places}.weight": (config["n_positions"], width),
    }

    def conv(name, columns, rows):
        result[f"{name}.weight"] = (columns, rows)
        result[f"{name}.bias"] = (rows,)

    def norm(name):
        result[f"{name}.weight"] = result[f"{name}.bias"] = (width,)

    for i in range(config["n_layer"]):
        norm(f"h.{i}.ln_1")
        conv(f"h.{i}.attn.c_attn", width, 3 * width)
        conv(f"h.{i}.attn.c_proj", width, width)
        norm(f"h.{i}.ln_2")
        conv(f"h.{i}.mlp.c_fc", width, inner)
        conv(f"h.{i}.mlp.c_proj", inner, width)
    if kind == "gpt2":
        norm("ln_f")
    return result


def values(name, shape, random):
    if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
        return 1 + 0.1 * random.standard_normal(shape)
    if name.endswith(".bias"):
        return 0.1 * random.standard_normal(shape)
    return random.standard_normal(shape) / np.sqrt(shape[-1])


def store(array, dtype):
    """The bytes of float64 values in a type of safetensors."""
    if dtype == "BF16":  # The upper half of a float32, rounded to nearest even.
        bits = array.astype("<f4").view("<u4").astype(np.uint64)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return array.astype(
        {
            "F64": "<f8",
            "F32": "<f4",
            "F16": "<f2",
            "I64": "<i8",
            "I32": "<i4",
            "U8": "u1",
        }[dtype]
    ).tobytes()


def write_safetensors(path, tensors):
    """tensors: name -> (dtype, shape, bytes), in the order of the file."""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + len(data)],
        }
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def extents(text):
    return tuple(int(n) for n in text.split("x")) if text else ()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--like")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--unset", action="append", default=[])
    parser.add_argument("--prefix", default="")
    parser.add_argument("--dtype", default="F32")
    parser.add_argument("--no-pooler", action="store_true")
    parser.add_argument("--old-names", action="store_true")
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--drop", action="append", default=[])
    parser.add_argument("--add", action="append", default=[])
    parser.add_argument("--shape", action="append", default=[])
    options = parser.parse_args()

    settings = dict(item.split("=", 1) for item in options.set)
    settings = {key: json.loads(value) for key, value in settings.items()}
    configs = {**DECODERS, "t5": T5_CONFIG}
    base = {**configs.get(options.like, CONFIG), "model_type": options.like or "bert"}
    config = {**base, **settings}
    sizes = {
        key: config[key] if isinstance(config.get(key), type(default)) else default
        for key, default in base.items()
    }
    if options.like == "llama":
        tensor_shapes = llama_shapes(sizes)
    elif options.like in DECODERS:
        sizes["n_inner"] = config.get("n_inner")
        tensor_shapes = gpt_shapes(options.like, sizes)
    elif options.like == "t5":
        tensor_shapes = t5_shapes(sizes)
    else:
        tensor_shapes = shapes(sizes, not options.no_pooler)
    if options.like and options.like not in configs:
        config, tensor_shapes = as_relative(options.like, config, tensor_shapes)
        # Sizes were given under BERT's names; other keys are the relative's own.
        config.update({k: v for k, v in settings.items() if k not in DISTILBERT_KEYS})
    for key in options.unset:
        del config[key]

    random = np.random.default_rng(7)
    reshaped = dict(item.split("=") for item in options.shape)
    tensors = {}
    for name, shape in tensor_shapes.items():
        shape = extents(reshaped.get(name, "")) or shape
        data = store(values(name, shape, random), options.dtype)
        if options.old_names and "LayerNorm." in name:
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            name = name.replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[options.prefix + name] = (options.dtype, shape, data)
    for name in options.drop:
        del tensors[options.prefix + name]
    for item in options.add:
        name, _, kind = item.partition("=")
        dtype, _, shape = kind.partition(":")
        shape = extents(shape)
        size = SIZES[dtype] * int(np.prod(shape, dtype=np.int64))
        tensors[name] = (dtype, shape, bytes(size))

    options.folder.mkdir(parents=True, exist_ok=True)
    with open(options.folder / "config.json", "w") as file:
        json.dump(config, file, indent=2)
    if not options.shards:
        write_safetensors(options.folder / "model.safetensors", tensors)
        return
    files, names = {}, list(tensors)
    for i in range(options.shards):
        part = names[i :: options.shards]
        file = f"model-{i + 1:05}-of-{options.shards:05}.safetensors"
        write_safetensors(options.folder / file, {n: tensors[n] for n in part})
        files.update(dict.fromkeys(part, file))
    with open(options.folder / "model.safetensors.index.json", "w") as file:
        json.dump({"metadata": {}, "weight_map": files}, file, indent=2)


if __name__ == "__main__":
    main()
