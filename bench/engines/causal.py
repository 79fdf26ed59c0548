"""Engines on causal models: the logits after a prompt, and greedy decoding.

A step's time is that of generating `new` tokens and one more, less that of
generating the first, over `new`: the same for every engine, whatever it shows of
its inside.
"""

import contextlib
import json
import pathlib
import shutil
import tempfile
import time

import numpy as np

from items import ITEMS, batch

from . import encoder
from .onnx_graph import Graph, session_of


def step_time(generate, new):
    """What `generate(count)` gives for one token more than `new`, and the
    milliseconds of a step."""
    start = time.perf_counter()
    generate(1)
    first = time.perf_counter() - start
    start = time.perf_counter()
    tokens = generate(new + 1)
    return tokens, (time.perf_counter() - start - first) / new * 1e3


@contextlib.contextmanager
def with_tokenizer(folder, special, same=False):
    """A copy of a model's folder with a tokenizer, which a converter asks for: of
    any words, as many as the model has. The first are the `special` ones, all of
    them the first if `same`."""
    from tokenizers import Tokenizer, models

    with tempfile.TemporaryDirectory() as copy:
        source = pathlib.Path(copy) / "model"
        shutil.copytree(folder, source)
        size = json.loads((source / "config.json").read_text())["vocab_size"]
        words = {f"tok{i}": i for i in range(size)}
        Tokenizer(models.WordLevel(words, unk_token="tok0")).save(
            str(source / "tokenizer.json")
        )
        kinds = {
            f"{kind}_token": f"tok{0 if same else i}" for i, kind in enumerate(special)
        }
        (source / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **kinds})
        )
        yield source


class Causal:
    def measure(self, item):
        ids, _ = batch(item)
        new = ITEMS[item].new
        if new:
            return step_time(lambda count: self.generate(ids, count), new)
        start = time.perf_counter()
        return self.prefill(ids), (time.perf_counter() - start) * 1e3

    @staticmethod
    def error(item, got, want):
        """Largest difference of logits, relative to the rms; of tokens, the
        share that comes after the first difference."""
        if ITEMS[item].new:
            agree = np.cumprod(np.asarray(got) == np.asarray(want), axis=1)
            return float(1 - agree.mean())
        rms = np.sqrt((want.astype(float) ** 2).mean())
        return float(np.abs(got - want).max() / rms)


class Transom(Causal, encoder.Compiled):
    def prefill(self, ids):
        last = np.arange(1, ids.shape[0] + 1) * ids.shape[1] - 1
        return self.library(input_ids=ids, output_positions=last, outputs=["logits"])[
            "logits"
        ]

    def generate(self, ids, new):
        # No end, so that no engine stops early.
        return self.library.generate(
            ids, max_new_tokens=new, do_sample=False, eos_token_id=None
        )[:, ids.shape[1] :]


class Torch(Causal):
    """transformers in eager mode with scaled dot-product attention."""

    @staticmethod
    def prepare(folder, cache):
        pass

    def __init__(self, folder, cache, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

    def prefill(self, ids):
        with self.torch.inference_mode():
            found = self.model(
                input_ids=self.torch.from_numpy(ids), use_cache=False, logits_to_keep=1
            )
        return found.logits[:, -1].numpy()

    def generate(self, ids, new):
        torch = self.torch
        tokens, past = torch.from_numpy(ids), None
        made = []
        with torch.inference_mode():
            for _ in range(new):
                found = self.model(
                    input_ids=tokens, past_key_values=past, use_cache=True,
                    logits_to_keep=1,
                )  # fmt: skip
                past = found.past_key_values
                tokens = found.logits[:, -1].argmax(-1, keepdim=True)
                made.append(tokens)
        return torch.cat(made, 1).numpy()


class OnnxRuntime(Causal):
    """A graph of the contributed ops that ONNX Runtime's own generation uses:
    GroupQueryAttention on a buffer shared by past and present, fused norms."""

    @staticmethod
    def prepare(folder, cache):
        if (cache / "model.onnx").exists():
            return
        import transformers

        model = transformers.GPT2LMHeadModel.from_pretrained(folder)
        config, body, graph = model.config, model.transformer, Graph()

        def add_norm(name, x, y, bias, norm):
            graph.op(
                "SkipLayerNormalization",
                [x, y, graph.weight(name + ".g", norm.weight),
                 graph.weight(name + ".b", norm.bias),
                 graph.weight(name + ".skip", bias)],
                [name, "", "", name + ".sum"], epsilon=config.layer_norm_epsilon,
            )  # fmt: skip
            return name, name + ".sum"

        def embed(name, table, ids):
            return graph.op(
                "Gather", [graph.weight(name + ".w", table.weight), ids], [name], False
            )

        words, places = (
            embed("words", body.wte, "input_ids"),
            embed("places", body.wpe, "position_ids"),
        )
        x = graph.op("Add", [words, places], ["embeddings"], False)
        first = body.h[0].ln_1
        y = graph.op(
            "LayerNormalization",
            [
                x,
                graph.weight("first.g", first.weight),
                graph.weight("first.b", first.bias),
            ],
            ["first"], False, axis=-1, epsilon=config.layer_norm_epsilon,
        )  # fmt: skip
        width = config.n_embd
        thirds = graph.weight("thirds", np.array([width] * 3))
        for i, block in enumerate(body.h):
            qkv = graph.matmul(f"{i}.qkv", block.attn.c_attn.weight, y)
            bias = graph.weight(f"{i}.qkv.b", block.attn.c_attn.bias)
            qkv = graph.op("Add", [qkv, bias], [f"{i}.qkv.sum"], False)
            parts = [f"{i}.q", f"{i}.k", f"{i}.v"]
            graph.op("Split", [qkv, thirds], parts, False, axis=-1)
            graph.op(
                "GroupQueryAttention",
                [*parts, f"past.{i}.k", f"past.{i}.v", "last_keys", "total"],
                [f"{i}.attention", f"present.{i}.k", f"present.{i}.v"],
                num_heads=config.n_head, kv_num_heads=config.n_head,
            )  # fmt: skip
            out = graph.matmul(f"{i}.out", block.attn.c_proj.weight, f"{i}.attention")
            y, x = add_norm(f"{i}.n2", x, out, block.attn.c_proj.bias, block.ln_2)
            up = graph.matmul(f"{i}.up", block.mlp.c_fc.weight, y)
            bias = graph.weight(f"{i}.up.b", block.mlp.c_fc.bias)
            up = graph.op("FastGelu", [up, bias], [f"{i}.gelu"])
            down = graph.matmul(f"{i}.down", block.mlp.c_proj.weight, up)
            norm = body.h[i + 1].ln_1 if i + 1 < config.n_layer else body.ln_f
            y, x = add_norm(f"{i}.n1", x, down, block.mlp.c_proj.bias, norm)
        end = graph.weight("end", np.array(-1))
        last = graph.op("Gather", [y, end], ["last"], False, axis=1)
        graph.matmul("logits", body.wte.weight.t(), last)

        ids = (np.int64, ["batch", "length"])
        dims = ["batch", config.n_head, "capacity", width // config.n_head]
        caches = [f"{i}.{part}" for i in range(config.n_layer) for part in "kv"]
        inputs = {
            "input_ids": ids, "position_ids": ids,
            "last_keys": (np.int32, ["batch"]), "total": (np.int32, []),
        }  # fmt: skip
        inputs |= {"past." + name: (np.float32, dims) for name in caches}
        outputs = {"logits": (np.float32, ["batch", config.vocab_size])}
        outputs |= {"present." + name: (np.float32, dims) for name in caches}
        graph.save(cache / "model.onnx", inputs, outputs)

    def __init__(self, folder, cache, threads):
        import onnxruntime

        self.runtime = onnxruntime
        self.session = session_of(cache / "model.onnx", threads)
        config = json.loads((folder / "config.json").read_text())
        self.layers, self.heads = config["n_layer"], config["n_head"]
        self.head_dim = config["n_embd"] // self.heads

    def start(self, ids, capacity):
        """Binds one buffer for past and present of each layer."""
        self.binding = self.session.io_binding()
        shape = (len(ids), self.heads, capacity, self.head_dim)
        for i in range(self.layers):
            for part in "kv":
                cache = self.runtime.OrtValue.ortvalue_from_numpy(
                    np.zeros(shape, np.float32)
                )
                self.binding.bind_ortvalue_input(f"past.{i}.{part}", cache)
                self.binding.bind_ortvalue_output(f"present.{i}.{part}", cache)
        self.binding.bind_output("logits")

    def step(self, ids, past):
        rows, length = ids.shape
        places = np.broadcast_to(np.arange(past, past + length), ids.shape)
        total = past + length
        for name, value in dict(
            input_ids=ids, position_ids=places, total=np.array(total, np.int32),
            last_keys=np.full(rows, total - 1, np.int32),
        ).items():  # fmt: skip
            self.binding.bind_cpu_input(name, np.ascontiguousarray(value))
        self.session.run_with_iobinding(self.binding)
        # Bound last; the caches are not copied.
        return self.binding.get_outputs()[-1].numpy()

    def prefill(self, ids):
        self.start(ids, ids.shape[1])
        return self.step(ids, 0)

    def generate(self, ids, new):
        past, made = 0, []
        self.start(ids, ids.shape[1] + new)
        for _ in range(new):
            logits = self.step(ids, past)
            past += ids.shape[1]
            ids = logits.argmax(-1)[:, None]
            made.append(ids)
        return np.concatenate(made, 1)


class CTranslate2(Causal):
    @staticmethod
    def prepare(folder, cache):
        if (cache / "model.bin").exists():
            return
        with with_tokenizer(folder, ("unk", "bos", "eos"), same=True) as source:
            from ctranslate2.converters import TransformersConverter

            TransformersConverter(str(source)).convert(str(cache), force=True)

    def __init__(self, folder, cache, threads):
        import ctranslate2

        self.generator = ctranslate2.Generator(
            str(cache), device="cpu", inter_threads=1, intra_threads=threads,
            compute_type="float32",
        )  # fmt: skip

    def prefill(self, ids):
        # Its logits are of all positions, which is more work; one new token is
        # the nearest that it has.
        return self.generate(ids, 1)

    def generate(self, ids, new):
        words = [[f"tok{i}" for i in row] for row in ids]
        found = self.generator.generate_batch(
            words, max_length=new, min_length=new, sampling_topk=1,
            include_prompt_in_result=False, end_token=[],
        )  # fmt: skip
        return np.array([result.sequences_ids[0] for result in found])

    @staticmethod
    def error(item, got, want):
        if ITEMS[item].new:
            return Causal.error(item, got, want)
        return float((got[:, 0] != want.argmax(-1)).mean())


ENGINES = {
    "transom": Transom,
    "torch": Torch,
    "onnxruntime": OnnxRuntime,
    "ctranslate2": CTranslate2,
}
