"""Engines on causal models: the logits after a prompt, and greedy decoding.

A step's time is that of generating `new` tokens and one more, less that of
generating the first, over `new`: the same for every engine, whatever it shows of
its inside.
"""

import pathlib
import time

import numpy as np
from items import ITEMS, batch

from . import encoder


class Causal:
    def measure(self, item):
        ids, _ = batch(item)
        new = ITEMS[item].new
        start = time.perf_counter()
        if not new:
            return self.prefill(ids), (time.perf_counter() - start) * 1e3
        self.generate(ids, 1)
        first = time.perf_counter() - start
        start = time.perf_counter()
        tokens = self.generate(ids, new + 1)
        return tokens, (time.perf_counter() - start - first) / new * 1e3

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
        return self.library(input_ids=ids, positions=last, outputs=["logits"])["logits"]

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
        import onnx
        import transformers
        from onnx import TensorProto, helper, numpy_helper

        model = transformers.GPT2LMHeadModel.from_pretrained(folder)
        config, body = model.config, model.transformer
        nodes, weights = [], []

        def weight(name, tensor):
            array = np.ascontiguousarray(tensor.detach().numpy())
            weights.append(numpy_helper.from_array(array, name))
            return name

        def op(kind, inputs, outputs, contributed=True, **attributes):
            nodes.append(
                helper.make_node(
                    kind, inputs, outputs, name=outputs[0],
                    domain="com.microsoft" if contributed else "", **attributes,
                )  # fmt: skip
            )
            return outputs[0]

        def matmul(name, module, x):
            return op("MatMul", [x, weight(name + ".w", module.weight)], [name], False)

        def add_norm(name, x, y, bias, norm):
            op(
                "SkipLayerNormalization",
                [x, y, weight(name + ".g", norm.weight), weight(name + ".b", norm.bias),
                 weight(name + ".skip", bias)],
                [name, "", "", name + ".sum"], epsilon=config.layer_norm_epsilon,
            )  # fmt: skip
            return name, name + ".sum"

        words = op("Gather", [weight("wte", body.wte.weight), "input_ids"], ["words"], False)
        places = op("Gather", [weight("wpe", body.wpe.weight), "position_ids"], ["places"], False)
        x = op("Add", [words, places], ["embeddings"], False)
        y = op(
            "LayerNormalization",
            [x, weight("first.g", body.h[0].ln_1.weight), weight("first.b", body.h[0].ln_1.bias)],
            ["first"], False, axis=-1, epsilon=config.layer_norm_epsilon,
        )  # fmt: skip
        width = config.n_embd
        weights.append(numpy_helper.from_array(np.array([width] * 3), "thirds"))
        for i, block in enumerate(body.h):
            qkv = matmul(f"{i}.qkv", block.attn.c_attn, y)
            bias = weight(f"{i}.qkv.b", block.attn.c_attn.bias)
            qkv = op("Add", [qkv, bias], [f"{i}.qkv.sum"], False)
            parts = [f"{i}.q", f"{i}.k", f"{i}.v"]
            op("Split", [qkv, "thirds"], parts, False, axis=-1)
            op(
                "GroupQueryAttention",
                [*parts, f"past.{i}.k", f"past.{i}.v", "last_keys", "total"],
                [f"{i}.attention", f"present.{i}.k", f"present.{i}.v"],
                num_heads=config.n_head, kv_num_heads=config.n_head,
            )  # fmt: skip
            out = matmul(f"{i}.out", block.attn.c_proj, f"{i}.attention")
            y, x = add_norm(f"{i}.n2", x, out, block.attn.c_proj.bias, block.ln_2)
            up = matmul(f"{i}.up", block.mlp.c_fc, y)
            up = op("FastGelu", [up, weight(f"{i}.up.b", block.mlp.c_fc.bias)], [f"{i}.gelu"])
            down = matmul(f"{i}.down", block.mlp.c_proj, up)
            norm = body.h[i + 1].ln_1 if i + 1 < config.n_layer else body.ln_f
            y, x = add_norm(f"{i}.n1", x, down, block.mlp.c_proj.bias, norm)
        weights.append(numpy_helper.from_array(np.array(-1), "end"))
        last = op("Gather", [y, "end"], ["last"], False, axis=1)
        op("MatMul", [last, weight("head", body.wte.weight.t())], ["logits"], False)

        def tensor(name, dims, kind=TensorProto.FLOAT):
            return helper.make_tensor_value_info(name, kind, dims)

        dims = ["batch", config.n_head, "capacity", width // config.n_head]
        caches = [f"{i}.{part}" for i in range(config.n_layer) for part in "kv"]
        ids = ["batch", "length"]
        graph = helper.make_graph(
            nodes, "gpt2",
            [tensor("input_ids", ids, TensorProto.INT64),
             tensor("position_ids", ids, TensorProto.INT64),
             tensor("last_keys", ["batch"], TensorProto.INT32),
             tensor("total", [], TensorProto.INT32)]
            + [tensor("past." + name, dims) for name in caches],
            [tensor("logits", ["batch", config.vocab_size])]
            + [tensor("present." + name, dims) for name in caches],
            weights,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.save(made, str(cache / "model.onnx"))

    def __init__(self, folder, cache, threads):
        import json

        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.runtime = onnxruntime
        self.session = onnxruntime.InferenceSession(
            str(cache / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        config = json.loads((folder / "config.json").read_text())
        self.layers, self.heads = config["n_layer"], config["n_head"]
        self.head_dim = config["n_embd"] // self.heads

    def start(self, ids, capacity):
        """Binds one buffer for past and present of each layer."""
        self.binding = self.session.io_binding()
        shape = (len(ids), self.heads, capacity, self.head_dim)
        for i in range(self.layers):
            for part in "kv":
                cache = self.runtime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
                self.binding.bind_ortvalue_input(f"past.{i}.{part}", cache)
                self.binding.bind_ortvalue_output(f"present.{i}.{part}", cache)
        self.binding.bind_output("logits")

    def step(self, ids, past):
        rows, length = ids.shape
        places = np.broadcast_to(np.arange(past, past + length), ids.shape)
        total = past + length
        for name, value in dict(
            input_ids=ids, position_ids=places,
            last_keys=np.full(rows, total - 1, np.int32), total=np.array(total, np.int32),
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
        import json
        import shutil
        import tempfile

        from ctranslate2.converters import TransformersConverter

        # The converter asks for a tokenizer; any with these many words will do.
        with tempfile.TemporaryDirectory() as copy:
            source = pathlib.Path(copy) / "model"
            shutil.copytree(folder, source)
            size = json.loads((source / "config.json").read_text())["vocab_size"]
            words = {f"tok{i}": i for i in range(size)}
            from tokenizers import Tokenizer, models

            Tokenizer(models.WordLevel(words, unk_token="tok0")).save(
                str(source / "tokenizer.json")
            )
            special = {f"{name}_token": "tok0" for name in ("unk", "bos", "eos")}
            (source / "tokenizer_config.json").write_text(
                json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **special})
            )
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
