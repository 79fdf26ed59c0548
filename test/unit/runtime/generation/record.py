"""Records what transformers generates with a model that is a formula.

    python record.py > Recorded.inc

The model's logits depend on the last two tokens (Formula.h has the same
formula), so the C++ tests can ask for the same and compare token by token.
"""

import math
import random

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig
from transformers.modeling_outputs import (
    BaseModelOutput,
    CausalLMOutput,
    Seq2SeqLMOutput,
)

VOCABULARY = 40
PAD = 0


def table(vocabulary):
    """logits [before + 1, last, next]; before = vocabulary: there is none."""

    def row(before, last):
        before = torch.tensor(1000003 if before == vocabulary else before)
        h = before * 2246822519 ^ last * 2654435761
        h = (h ^ (torch.arange(vocabulary) + 1) * 3266489917) & 0xFFFFFFFF
        for shift, factor in ((15, 2246822519), (13, 3266489917)):
            h = ((h ^ h >> shift) * factor) & 0xFFFFFFFF
        h = (h ^ h >> 16) & 0xFFFF
        return (h - 32768).float() / 8192

    return torch.stack(
        [
            torch.stack([row(before, last) for last in range(vocabulary)])
            for before in range(vocabulary + 1)
        ]
    )


class Config(PretrainedConfig):
    model_type = "formula"

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.vocab_size = VOCABULARY
        self.num_hidden_layers = 1
        self.hidden_size = 8
        self.num_attention_heads = 1


class Model(transformers.PreTrainedModel, GenerationMixin):
    config_class = Config

    def __init__(self, config):
        super().__init__(config)
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.table = table(VOCABULARY)

    def forward(self, input_ids, **_):
        before = torch.full_like(input_ids[:, :1], VOCABULARY)
        before = torch.cat([before, input_ids[:, :-1]], dim=1)
        return CausalLMOutput(logits=self.table[before, input_ids])

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}


class Encoder(torch.nn.Module):
    """What Formula.h makes of a source: a number that shifts the last token."""

    main_input_name = "input_ids"

    def forward(self, input_ids, **_):
        places = torch.arange(1, input_ids.shape[1] + 1)
        shift = (input_ids * places).sum(1)
        return BaseModelOutput(last_hidden_state=shift[:, None, None].float())


class EncoderDecoder(Model):
    def __init__(self, config):
        super().__init__(config)
        self.encoder = Encoder()

    def get_encoder(self, *_, **__):
        return self.encoder

    def forward(self, decoder_input_ids, encoder_outputs, **_):
        shift = encoder_outputs.last_hidden_state[:, 0].long()
        before = torch.full_like(decoder_input_ids[:, :1], VOCABULARY)
        before = torch.cat([before, decoder_input_ids[:, :-1]], dim=1)
        last = (decoder_input_ids + shift) % VOCABULARY
        return Seq2SeqLMOutput(logits=self.table[before, last])

    def prepare_inputs_for_generation(self, input_ids, encoder_outputs, **_):
        return {"decoder_input_ids": input_ids, "encoder_outputs": encoder_outputs}


FIELDS = {
    "max_new_tokens": "max_new_tokens",
    "max_length": "max_length",
    "min_new_tokens": "min_new_tokens",
    "min_length": "min_length",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repetition_penalty": "repetition_penalty",
    "no_repeat_ngram_size": "no_repeat_ngram_size",
    "renormalize_logits": "renormalize_logits",
    "num_beams": "num_beams",
    "num_return_sequences": "num_return_sequences",
    "early_stopping": "early_stopping",
    "length_penalty": "length_penalty",
}
EARLY = {False: 0, True: 1, "never": 2}


def c_list(values):
    return "{" + ", ".join(map(str, values)) + "}"


def c_options(options):
    """The designated initialisers that `Options` of the test takes."""
    parts = []
    for name, field in FIELDS.items():
        if name not in options:
            continue
        value = options[name]
        if name == "early_stopping":
            value = EARLY[value]
        elif isinstance(value, bool):
            value = int(value)
        elif isinstance(value, float):
            value = f"{value}F"
        parts.append(f"o.{field} = {value};")
    if "forced_bos_token_id" in options:
        parts.append(
            "o.has_forced_bos_token_id = 1; o.forced_bos_token_id = "
            f"{options['forced_bos_token_id']};"
        )
    if "forced_eos_token_id" in options:
        ids = options["forced_eos_token_id"]
        parts.append(
            f"static const int32_t last[] = {c_list(ids)}; "
            f"o.num_forced_eos_token_ids = {len(ids)}; "
            "o.forced_eos_token_ids = last;"
        )
    return "[](transom_generation_options &o) { (void)o; " + " ".join(parts) + " }"


def case(prompt, options, eos, bad):
    return (
        f"{{{c_list(prompt)}, {c_list(eos)}, "
        f"{{{', '.join(map(c_list, bad))}}}, {c_options(options)}"
    )


def arguments(options, eos, bad):
    result = dict(options)
    if options.get("length_penalty") == 1e-30:
        result["length_penalty"] = 0.0
    return dict(
        result,
        eos_token_id=eos or None,
        pad_token_id=PAD,
        bad_words_ids=bad or None,
        use_cache=False,
    )


def record_sequences(model, number):
    """Greedy and beam search, whole sequences."""
    random.seed(1)
    print("const std::vector<RecordedSequences> recordedSequences = {")
    record_searches(model, number, forced=False)
    print("};")


def record_forced(model, pair, number):
    """The same, where tokens are forced; then beside a source, too."""
    random.seed(3)
    print("const std::vector<RecordedSequences> recordedForced = {")
    record_searches(model, number, forced=True)
    print("};")
    print("const std::vector<RecordedSequences> recordedBeside = {")
    record_searches(pair, number, forced=True)
    print("};")


def record_searches(model, number, forced):
    beside = isinstance(model, EncoderDecoder)
    for index in range(number):
        options = {}
        beams = random.choice([1, 2, 3, 4, 5]) if index % 3 else 1
        options["max_new_tokens"] = random.choice([1, 2, 5, 9, 14, 25])
        if beams > 1:
            options["num_beams"] = beams
            options["num_return_sequences"] = random.randint(1, beams)
            options["early_stopping"] = random.choice([False, True, "never"])
            options["length_penalty"] = random.choice(
                [1e-30, 0.5, 1.0, 1.5, 2.0, -0.75]
            )
        if random.random() < 0.3:
            options["repetition_penalty"] = random.choice([0.8, 1.2, 1.7])
        if random.random() < 0.3:
            options["no_repeat_ngram_size"] = random.choice([1, 2, 3])
        if random.random() < 0.3:
            options["min_new_tokens"] = random.choice([1, 3, 8])
        elif random.random() < 0.3:
            options["min_length"] = random.choice([4, 9])
        if beams > 1 and random.random() < 0.3:
            options["renormalize_logits"] = True
        eos = random.sample(range(VOCABULARY), random.choice([0, 1, 1, 3, 6]))
        bad = [
            [random.randrange(VOCABULARY) for _ in range(random.randint(1, 3))]
            for _ in range(random.choice([0, 0, 2, 30]))
        ]
        prompt = [
            random.randrange(VOCABULARY) for _ in range(random.choice([1, 2, 6, 13]))
        ]
        if forced and random.random() < 0.6:
            options["forced_bos_token_id"] = random.randrange(VOCABULARY)
            if not beside:
                prompt = prompt[: random.choice([1, 1, 2])]
        if forced and random.random() < 0.6:
            # Several have equal scores, of which torch sorts any first.
            options["forced_eos_token_id"] = random.sample(
                range(VOCABULARY), 1 if beams > 1 else random.choice([1, 2])
            )
        inputs, given = torch.tensor([prompt]), {}
        source = []
        if beside:
            source = prompt
            prompt = [
                random.randrange(VOCABULARY) for _ in range(random.choice([1, 1, 1, 5]))
            ]
            given = {
                "decoder_input_ids": torch.tensor([prompt]),
                "decoder_start_token_id": prompt[0],
            }
        output = model.generate(
            inputs,
            **given,
            generation_config=GenerationConfig(
                do_sample=False,
                return_dict_in_generate=True,
                output_scores=True,
                **arguments(options, eos, bad),
            ),
        )
        sequences = []
        for row in output.sequences.tolist():
            tokens = row[len(prompt) :]
            # What follows an end is padding.
            ends = [i for i, token in enumerate(tokens) if token in eos]
            if ends:
                tokens = tokens[: ends[0] + 1]
            sequences.append(c_list(tokens))
        scores = output.sequences_scores.tolist() if beams > 1 else []
        # Where everything is ruled out, transformers returns anything.
        if not all(score > -1e8 and math.isfinite(score) for score in scores):
            continue
        print(
            f"    {case(prompt, options, eos, bad)}, "
            f"{{{', '.join(sequences)}}}, {c_list(scores)}"
            + (f", {c_list(source)}" if beside else "")
            + "},"
        )


def record_distributions(model, number):
    """What the next token is drawn from."""
    random.seed(2)
    print("const std::vector<RecordedDistribution> recordedDistributions = {")
    for index in range(number):
        options = {"max_new_tokens": 1}

        def pick(which, chance=0.5, index=index):
            # Each alone, then together.
            return index == which or (index > 8 and random.random() < chance)

        if pick(1):
            options["temperature"] = random.choice([0.3, 0.7, 2.5])
        if pick(2):
            options["top_k"] = random.choice([1, 5, 20, 39, 100])
        if pick(3):
            options["top_p"] = random.choice([0.05, 0.5, 0.9, 0.99])
        if pick(4):
            options["min_p"] = random.choice([0.01, 0.1, 0.6, 1.0])
        if pick(5):
            options["typical_p"] = random.choice([0.1, 0.5, 0.9, 0.99])
        if pick(6):
            options["repetition_penalty"] = random.choice([0.8, 1.3])
        if pick(7):
            options["no_repeat_ngram_size"] = random.choice([1, 2])
        eos = random.sample(range(VOCABULARY), 3)
        bad = []
        if pick(8):
            options["min_length"] = 50
            bad = [[random.randrange(VOCABULARY)] for _ in range(20)]
        prompt = [
            random.randrange(VOCABULARY) for _ in range(random.choice([1, 2, 30]))
        ]
        chosen = arguments(options, eos, bad)
        chosen.setdefault("top_k", 0)
        output = model.generate(
            torch.tensor([prompt]),
            generation_config=GenerationConfig(
                do_sample=True,
                return_dict_in_generate=True,
                output_scores=True,
                **chosen,
            ),
        )
        chances = output.scores[0][0].double().softmax(-1).tolist()
        print(
            f"    {case(prompt, options, eos, bad)}, "
            f"{c_list(f'{p:.9g}' for p in chances)}}},"
        )
    print("};")


def main():
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    model = Model(Config()).eval()
    print(f"// Written by record.py with transformers {transformers.__version__}.")
    print("// clang-format off")
    record_sequences(model, 120)
    record_distributions(model, 60)
    record_forced(model, EncoderDecoder(Config(is_encoder_decoder=True)).eval(), 80)


if __name__ == "__main__":
    main()
