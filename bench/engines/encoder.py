"""Engines on encoders: hidden states of a batch, padded by a mask."""

import os
import pathlib
import sys
import time

import numpy as np

from items import batch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))


class Encoder:
    def measure(self, item):
        ids, mask = batch(item)
        start = time.perf_counter()
        value = self.run(ids, mask)
        return value, (time.perf_counter() - start) * 1e3

    @staticmethod
    def error(item, got, want):
        """Largest difference over valid positions, relative to the rms."""
        mask = batch(item)[1].astype(bool)
        got, want = np.asarray(got)[mask], np.asarray(want)[mask]
        rms = np.sqrt((want.astype(float) ** 2).mean())
        return float(np.abs(got - want).max() / rms)


class Compiled:
    """A library of Transom's."""

    @staticmethod
    def prepare(folder, cache):
        import transom

        # Anew each time: it takes a second, and the compiler may have changed.
        transom.compile(folder, cache / "libmodel.so")

    def __init__(self, folder, cache, threads):
        import transom

        self.library = transom.load(cache / "libmodel.so", threads=threads)


class Transom(Encoder, Compiled):
    def run(self, ids, mask):
        if mask.all():
            return self.library(input_ids=ids, outputs=["last_hidden_state"])[
                "last_hidden_state"
            ]
        return self.library(
            input_ids=ids, attention_mask=mask, outputs=["last_hidden_state"]
        )["last_hidden_state"]


class Torch(Encoder):
    """transformers in eager mode with scaled dot-product attention."""

    @staticmethod
    def prepare(folder, cache):
        pass

    def __init__(self, folder, cache, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.BertModel.from_pretrained(
            folder, add_pooling_layer=False
        ).eval()

    def run(self, ids, mask):
        torch = self.torch
        with torch.inference_mode():
            return self.model(
                input_ids=torch.from_numpy(ids),
                attention_mask=None if mask.all() else torch.from_numpy(mask),
            ).last_hidden_state.numpy()


class OnnxRuntime(Encoder):
    """TorchScript export, then ONNX Runtime's own transformer optimizer: the
    route that fuses its Attention operator."""

    @staticmethod
    def prepare(folder, cache):
        target = cache / "model.onnx"
        if target.exists():
            return
        import torch
        import transformers

        model = transformers.BertModel.from_pretrained(
            folder, add_pooling_layer=False, attn_implementation="eager"
        ).eval()
        config = model.config

        class Encoder(torch.nn.Module):
            """The mask is built as older transformers did: the optimizer's
            patterns know that spelling."""

            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, input_ids, attention_mask):
                hidden = self.model.embeddings(input_ids=input_ids)
                bias = (1.0 - attention_mask[:, None, None, :].float()) * -3.4e38
                for layer in self.model.encoder.layer:
                    hidden = layer(hidden, bias)
                    hidden = hidden[0] if isinstance(hidden, tuple) else hidden
                return hidden

        ones = torch.ones(2, 16, dtype=torch.long)
        axes = {0: "batch", 1: "length"}
        raw = str(cache / "raw.onnx")
        with torch.no_grad():
            torch.onnx.export(
                Encoder(), (ones, ones), raw, dynamo=False, opset_version=17,
                input_names=["input_ids", "attention_mask"], output_names=["hidden"],
                dynamic_axes=dict(input_ids=axes, attention_mask=axes, hidden=axes),
            )  # fmt: skip
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions

        optimized = optimizer.optimize_model(
            raw, model_type="bert", num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            optimization_options=FusionOptions("bert"), opt_level=0,
        )  # fmt: skip
        fused = optimized.get_fused_operator_statistics()
        print({k: v for k, v in fused.items() if v}, file=sys.stderr)
        optimized.save_model_to_file(str(target))
        os.remove(raw)

    def __init__(self, folder, cache, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(cache / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def run(self, ids, mask):
        return self.session.run(None, dict(input_ids=ids, attention_mask=mask))[0]


ENGINES = {"transom": Transom, "torch": Torch, "onnxruntime": OnnxRuntime}
