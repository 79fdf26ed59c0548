"""One class an engine: prepare(model folder, cache folder), load, run a batch.

Each is measured in a process of its own (worker.py), so that thread pools and
allocators don't meet. `run(ids, mask)` returns the last hidden state.
"""

import os
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))


class Transom:
    @staticmethod
    def prepare(folder, cache):
        import transom

        # Anew each time: it takes a second, and the compiler may have changed.
        transom.compile(folder, cache / "libmodel.so")

    def __init__(self, folder, cache, threads):
        import transom

        self.library = transom.load(cache / "libmodel.so", threads=threads)

    def run(self, ids, mask):
        if mask.all():
            return self.library(input_ids=ids, outputs=["last_hidden_state"])[
                "last_hidden_state"
            ]
        return self.library(
            input_ids=ids, attention_mask=mask, outputs=["last_hidden_state"]
        )["last_hidden_state"]


class Torch:
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


class OnnxRuntime:
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


def cache_folder(root, engine, model):
    folder = pathlib.Path(root) / engine / model
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def error(got, want, mask):
    """Largest difference over valid positions, relative to the rms."""
    m = mask.astype(bool)
    got, want = np.asarray(got)[m], np.asarray(want)[m]
    return float(np.abs(got - want).max() / np.sqrt((want.astype(float) ** 2).mean()))
