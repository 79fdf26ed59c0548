"""Engines on encoder-decoders: the encoder alone, and what the decoder writes for
a source, greedily or by beams.

The end is forbidden, so that every engine writes as many tokens as it is asked
for. A step's time is that of `causal`: the encoder and what is made once of each
source are not part of it.
"""

import json
import time

import numpy as np

from items import ITEMS, batch

from . import causal, encoder


class Seq2Seq:
    def measure(self, item):
        ids, _ = batch(item)
        new, beams = ITEMS[item].new, ITEMS[item].beams
        if new:
            return causal.step_time(lambda count: self.generate(ids, count, beams), new)
        start = time.perf_counter()
        return self.encode(ids), (time.perf_counter() - start) * 1e3

    @staticmethod
    def error(item, got, want):
        kind = causal.Causal if ITEMS[item].new else encoder.Encoder
        return kind.error(item, got, want)


def encoder_alone(folder, copy):
    """A model's folder whose configuration names the encoder's class."""
    copy.mkdir(parents=True, exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    family = config["architectures"][0].removesuffix("ForConditionalGeneration")
    config["architectures"] = [family + "EncoderModel"]
    (copy / "config.json").write_text(json.dumps(config))
    weights = copy / "model.safetensors"
    weights.unlink(missing_ok=True)
    weights.symlink_to((folder / "model.safetensors").resolve())
    return copy


class Transom(Seq2Seq):
    @staticmethod
    def prepare(folder, cache):
        import transom

        transom.compile(folder, cache / "libmodel.so")
        transom.compile(
            encoder_alone(folder, cache / "encoder"), cache / "libencoder.so"
        )

    def __init__(self, folder, cache, threads):
        import transom

        self.encoder = transom.load(cache / "libencoder.so", threads=threads)
        self.library = transom.load(cache / "libmodel.so", threads=threads)

    def encode(self, ids):
        return self.encoder(input_ids=ids)["last_hidden_state"]

    def generate(self, ids, new, beams):
        return self.library.generate(
            ids, num_beams=beams, min_new_tokens=new, max_new_tokens=new,
            do_sample=False,
        )[:, 1:]  # fmt: skip


class Torch(Seq2Seq):
    """transformers in eager mode with scaled dot-product attention."""

    @staticmethod
    def prepare(folder, cache):
        pass

    def __init__(self, folder, cache, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.T5ForConditionalGeneration.from_pretrained(
            folder
        ).eval()

    def encode(self, ids):
        with self.torch.inference_mode():
            found = self.model.encoder(input_ids=self.torch.from_numpy(ids))
        return found.last_hidden_state.numpy()

    def generate(self, ids, new, beams):
        torch, config = self.torch, self.model.config
        source = torch.from_numpy(ids)
        if beams > 1:
            return self.model.generate(
                source, num_beams=beams, min_new_tokens=new, max_new_tokens=new,
                do_sample=False,
            )[:, 1:].numpy()  # fmt: skip
        made, past = [], None
        tokens = torch.full((len(ids), 1), config.decoder_start_token_id)
        with torch.inference_mode():
            hidden = self.model.encoder(input_ids=source)
            for _ in range(new):
                found = self.model(
                    encoder_outputs=hidden, decoder_input_ids=tokens,
                    past_key_values=past, use_cache=True,
                )  # fmt: skip
                past, logits = found.past_key_values, found.logits[:, -1]
                logits[:, config.eos_token_id] = -torch.inf
                tokens = logits.argmax(-1, keepdim=True)
                made.append(tokens)
        return torch.cat(made, 1).numpy()


class CTranslate2(Seq2Seq):
    @staticmethod
    def prepare(folder, cache):
        if (cache / "encoder" / "model.bin").exists():
            return
        with causal.with_tokenizer(folder, ("pad", "eos", "unk")) as source:
            from ctranslate2.converters import TransformersConverter

            TransformersConverter(str(source)).convert(str(cache / "model"), force=True)
            CTranslate2.convert_encoder(source, cache / "encoder")

    @staticmethod
    def convert_encoder(folder, output):
        """Its converter knows no encoder alone; its runtime does."""
        import transformers
        from ctranslate2.converters.transformers import T5Loader
        from ctranslate2.specs.transformer_spec import (
            TransformerEncoderModelSpec,
            TransformerEncoderSpec,
        )

        class Loader(T5Loader):
            def get_model_spec(self, model):
                spec = TransformerEncoderModelSpec(
                    TransformerEncoderSpec(
                        model.config.num_layers,
                        model.config.num_heads,
                        relative_attention_bias=True,
                        rms_norm=True,
                    )  # fmt: skip
                )
                self.set_stack(spec.encoder, model.encoder)
                return spec

            def set_vocabulary(self, spec, tokens):
                spec.register_vocabulary(tokens)

            def set_config(self, config, model, tokenizer):
                config.unk_token = tokenizer.unk_token

        spec = Loader()(
            transformers.T5ForConditionalGeneration.from_pretrained(folder),
            transformers.AutoTokenizer.from_pretrained(folder),
        )
        spec.validate()
        spec.optimize()
        output.mkdir(parents=True, exist_ok=True)
        spec.save(str(output))

    def __init__(self, folder, cache, threads):
        import ctranslate2

        options = dict(
            device="cpu", inter_threads=1, intra_threads=threads,
            compute_type="float32",
        )  # fmt: skip
        self.encoder = ctranslate2.Encoder(str(cache / "encoder"), **options)
        self.translator = ctranslate2.Translator(str(cache / "model"), **options)

    def encode(self, ids):
        return np.array(self.encoder.forward_batch(ids.tolist()).last_hidden_state)

    def generate(self, ids, new, beams):
        found = self.translator.translate_batch(
            [[f"tok{i}" for i in row] for row in ids], beam_size=beams,
            max_decoding_length=new, min_decoding_length=new,
        )  # fmt: skip
        return np.array([[int(t[3:]) for t in row.hypotheses[0]] for row in found])


ENGINES = {"transom": Transom, "torch": Torch, "ctranslate2": CTranslate2}
