"""Folders with small tokenizers, drawn by a seed: of each class that models come with,
and with the settings that users find in them.

    python test/python/drawn_tokenizers.py SEED

writes the folder of a seed to a temporary place, and compares its ids with those of
transformers' AutoTokenizer.
"""

import json
import os
import pathlib
import random
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from transom._tokenizer import Tokenizer

WORDS = (
    "my lord the king will go to rome and speak of love Lord King Rome é café naïve "
    "Ünder straße 漢 字 漢字 the's don't 12 2024 , . ! ? - ( ) 🙂"
).split()

#: Tokens that folders have beside the vocabulary.
EXTRA = ["<ent>", "[X]", "NewWord", "naïve!", "<Tag>", "ro"]

ALPHABET = sorted(
    set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789éüïß漢字,.!?'-()"
    )
)


def texts(draw):
    pieces = [
        *WORDS, *EXTRA, "[MASK]", "<mask>", "<s>", "</s>", "<pad>", "[CLS]", "Å", "ﬁ",
        "e\u0301", "İ", "\u00a0", "\u200d", "👍🏽", "日本", "ΑΣ", "<extra_id_3>",
        "\t", "\n", "<unk>", "[UNK]", "<s>NOTUSED", "<|endoftext|>", "zzzz",
    ]  # fmt: skip
    result = ["", " ", "  king", "a<ent>b", " <mask> of Rome", "x[X] ,naïve!NewWord"]
    for _ in range(12):
        count = draw.randrange(1, 9)
        glue = draw.choice([" ", " ", "", "  "])
        text = glue.join(draw.choice(pieces) for _ in range(count))
        result.append(draw.choice(["", "", " "]) + text)
    return result


def wordpiece(draw, special):
    vocab = list(special)
    vocab += ALPHABET + ["##" + c for c in ALPHABET]
    vocab += [w for w in WORDS if draw.random() < 0.7]
    vocab += [w.lower() for w in WORDS if draw.random() < 0.7]
    return {token: i for i, token in enumerate(dict.fromkeys(vocab))}


def bert(draw):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = wordpiece(draw, special)
    backend = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=draw.random() < 0.7,
        strip_accents=draw.choice([None, None, True, False]),
        lowercase=draw.random() < 0.5,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.BertProcessing(
        ("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"])
    )
    backend.add_special_tokens(special)
    settings = {
        "do_lower_case": [True, False],
        "strip_accents": [True, False, None],
        "tokenize_chinese_chars": [True, False],
        "sep_token": ["[SEP]"],
        "cls_token": ["[CLS]"],
        "mask_token": ["[MASK]", "<mask>"],
        "unk_token": ["[UNK]"],
    }
    return backend, settings


def trained(draw, special):
    """The vocabulary and merges of a byte-level BPE."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + len(special) + 80,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = [" ".join(draw.choice(WORDS) for _ in range(8)) for _ in range(60)]
    backend.train_from_iterator(lines, trainer)
    backend.decoder = decoders.ByteLevel()
    return backend


def byte_level(draw, special, add):
    backend = trained(draw, special)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=draw.random() < 0.3
    )
    settings = {"add_prefix_space": [True, False], **add}
    return backend, settings


def roberta(draw):
    backend, settings = byte_level(
        draw,
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        {
            "trim_offsets": [True, False],
            "mask_token": [
                "<mask>",
                {"__type": "AddedToken", "content": "<mask>", "lstrip": True},
            ],
            "cls_token": ["<s>"],
            "bos_token": ["<s>"],
            "eos_token": ["</s>"],
        },
    )
    ids = backend.get_vocab()
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", ids["</s>"]), ("<s>", ids["<s>"]), add_prefix_space=False
    )
    return backend, settings


def gpt2(draw):
    backend, settings = byte_level(
        draw,
        ["<|endoftext|>"],
        {"bos_token": ["<|endoftext|>"], "pad_token": ["<pad>", "<|endoftext|>"]},
    )
    if draw.random() < 0.5:
        backend.post_processor = processors.ByteLevel(trim_offsets=False)
    return backend, settings


def gpt1(draw):
    vocab = ["<unk>", *ALPHABET, *(c + "</w>" for c in ALPHABET)]
    merges = [("t", "h"), ("th", "e</w>"), ("l", "o"), ("r", "o"), ("k", "i")]
    vocab += ["".join(pair) for pair in merges]
    ids = {token: i for i, token in enumerate(vocab)}
    backend = tokenizers.Tokenizer(
        models.BPE(ids, merges, unk_token="<unk>", end_of_word_suffix="</w>")
    )
    backend.normalizer = normalizers.BertNormalizer(lowercase=draw.random() < 0.5)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.BPEDecoder()
    return backend, {"unk_token": ["<unk>"], "pad_token": ["<pad>"]}


def unigram(draw, special, pre_tokenizer):
    pieces = [(token, 0.0) for token in special]
    pieces += [("▁", -3.0)]
    for word in dict.fromkeys(WORDS):
        pieces += [("▁" + word, -5.0 - draw.random())]
        pieces += [(word, -6.0 - draw.random())] if len(word) > 1 else []
    pieces += [(c, -9.0 - draw.random()) for c in ALPHABET]
    backend = tokenizers.Tokenizer(
        models.Unigram(pieces, unk_id=special.index("<unk>"), byte_fallback=False)
    )
    backend.pre_tokenizer = pre_tokenizer
    backend.decoder = decoders.Metaspace()
    backend.add_special_tokens([token for token in special if token[-1] == ">"])
    return backend


def metaspace(draw):
    scheme = draw.choice(["always", "first"])
    plain = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    whole = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), plain])
    return draw.choice([plain, whole])


def framed(backend, first, last):
    ids = backend.get_vocab()
    tokens = [(token, ids[token]) for token in (first, last) if token]
    start = first + " " if first else ""
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start}$A {last}",
        pair=f"{start}$A {last} {last} $B {last}",
        special_tokens=tokens,
    )


def t5(draw):
    backend = unigram(draw, ["<pad>", "</s>", "<unk>"], metaspace(draw))
    framed(backend, "", "</s>")
    settings = {
        "extra_ids": [0, 2, 100],
        "eos_token": ["</s>"],
        "pad_token": ["<pad>"],
        "additional_special_tokens": [["<extra_id_0>", "<extra_id_1>"], [], ["<ent>"]],
    }
    return backend, settings


def xlm_roberta(draw):
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    backend = unigram(draw, special, metaspace(draw))
    backend.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True)])
    framed(backend, "<s>", "</s>")
    settings = {
        "add_prefix_space": [True, False],
        "mask_token": [
            "<mask>",
            {"__type": "AddedToken", "content": "<mask>", "lstrip": True},
        ],
        "bos_token": ["<s>"],
        "eos_token": ["</s>"],
    }
    return backend, settings


def camembert(draw):
    special = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<s>", "</s>"]
    backend = unigram(draw, special, metaspace(draw))
    framed(backend, "<s>", "</s>")
    return backend, {
        "add_prefix_space": [True, False],
        "mask_token": ["<mask>"],
        "additional_special_tokens": [["<s>NOTUSED", "</s>NOTUSED"], ["<ent>"]],
    }


def llama(draw):
    vocab = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁"]
    merges = [("▁", "k"), ("t", "h"), ("th", "e"), ("▁", "the"), ("l", "o"), ("r", "o")]
    vocab += [*ALPHABET, *("".join(pair) for pair in merges)]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocab))}
    backend = tokenizers.Tokenizer(
        models.BPE(ids, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A",
        pair="<s> $A <s> $B",
        special_tokens=[("<s>", 1)],
    )
    return backend, {"add_prefix_space": [True, False, None], "legacy": [True, False]}


#: By "model_type": what makes the tokenizer, and the names of its class.
KINDS = {
    "bert": (bert, ["BertTokenizer", "BertTokenizerFast"]),
    "distilbert": (bert, ["DistilBertTokenizer", "BertTokenizer"]),
    "electra": (bert, ["ElectraTokenizer", "ElectraTokenizerFast"]),
    "roberta": (roberta, ["RobertaTokenizer", "RobertaTokenizerFast"]),
    "gpt2": (gpt2, ["GPT2Tokenizer", "GPT2TokenizerFast"]),
    "openai-gpt": (gpt1, ["OpenAIGPTTokenizer", "OpenAIGPTTokenizerFast"]),
    "t5": (t5, ["T5Tokenizer", "T5TokenizerFast"]),
    "mt5": (t5, ["T5Tokenizer"]),
    "umt5": (t5, ["T5Tokenizer", "TokenizersBackend"]),
    "xlm-roberta": (xlm_roberta, ["XLMRobertaTokenizer", "XLMRobertaTokenizerFast"]),
    "camembert": (camembert, ["CamembertTokenizer", "CamembertTokenizerFast"]),
    "llama": (llama, ["LlamaTokenizer", "LlamaTokenizerFast"]),
}


def added(draw, content):
    return {
        "content": content,
        "single_word": draw.random() < 0.2,
        "lstrip": draw.random() < 0.3,
        "rstrip": draw.random() < 0.2,
        "normalized": draw.random() < 0.5,
        "special": draw.random() < 0.5,
    }


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def draw_folder(seed, folder):
    """Writes a folder; what it is, in one line."""
    draw = random.Random(seed)
    model_type = draw.choice(list(KINDS))
    make, classes = KINDS[model_type]
    backend, choices = make(draw)
    config = {"model_type": model_type}
    given = {
        key: draw.choice(values)
        for key, values in choices.items()
        if draw.random() < 0.5
    }
    generic = ["PreTrainedTokenizerFast", "TokenizersBackend"]
    named = draw.choice([None, *classes, *classes, *generic])
    # XLM-R's vocabulary with BERT's layers: multilingual MiniLM.
    if model_type == "xlm-roberta" and named in classes and draw.random() < 0.3:
        config["model_type"] = model_type = "bert"
    if named:
        place = given if draw.random() < 0.8 else config
        place["tokenizer_class"] = named
    given["model_max_length"] = draw.choice([8, 512, 10**30, None])
    if draw.random() < 0.2:
        given["split_special_tokens"] = True
    if draw.random() < 0.3:
        given["extra_special_tokens"] = draw.sample(EXTRA, 2)
    elif draw.random() < 0.3 and "additional_special_tokens" not in given:
        given["additional_special_tokens"] = draw.sample(EXTRA, 1)
    if draw.random() < 0.2:
        given["image_token"] = "<Tag>"
    if draw.random() < 0.4:
        backend.add_tokens(
            [tokenizers.AddedToken(**added(draw, t)) for t in draw.sample(EXTRA, 2)]
        )
    if draw.random() < 0.2:
        backend.enable_padding(pad_token="<pad>", length=16)
    if draw.random() < 0.2:
        backend.enable_truncation(6, direction=draw.choice(["left", "right"]))
    backend.save(str(folder / "tokenizer.json"))
    size = backend.get_vocab_size()
    places = draw.random()
    if places < 0.35:
        number = size + draw.choice([0, 0, 3])
        given["added_tokens_decoder"] = {
            str(number + i): added(draw, content)
            for i, content in enumerate(draw.sample(EXTRA, 2))
        }
        if draw.random() < 0.7:
            for i, token in backend.get_added_tokens_decoder().items():
                given["added_tokens_decoder"].setdefault(
                    str(i),
                    {
                        "content": token.content,
                        "single_word": token.single_word,
                        "lstrip": token.lstrip,
                        "rstrip": token.rstrip,
                        "normalized": token.normalized,
                        "special": token.special,
                    },
                )
    if 0.25 < places < 0.7:
        tokens = draw.sample(EXTRA, 2)
        write(folder, "added_tokens.json", {t: size + i for i, t in enumerate(tokens)})
    if draw.random() < 0.4:
        mask = {"bert": "[MASK]", "gpt2": "<|endoftext|>"}.get(model_type, "<mask>")
        plain = {"content": mask, "single_word": False, "lstrip": True}
        plain |= {"rstrip": False, "normalized": False}
        mapped = {"mask_token": draw.choice([mask, plain])}
        if draw.random() < 0.4:
            mapped["additional_special_tokens"] = draw.sample(EXTRA, 1)
        write(folder, "special_tokens_map.json", mapped)
    write(folder, "config.json", config)
    if draw.random() < 0.9:
        write(folder, "tokenizer_config.json", given)
    return f"{config} {given}"


def their_answer(tokenizer, texts, limit):
    """Ids, types and offsets, or the error: some folders have words without a token,
    and no unknown token."""
    try:
        result = tokenizer(
            *texts, truncation=limit is not None, max_length=limit,
            return_token_type_ids=True, return_offsets_mapping=True,
        )  # fmt: skip
    except Exception as error:
        return str(error)
    return result["input_ids"], result["token_type_ids"], result["offset_mapping"]


def our_answer(tokenizer, item, limit):
    try:
        (encoding,) = tokenizer.encode([item], max_length=limit)
    except Exception as error:
        return str(error)
    return encoding.ids, encoding.type_ids, encoding.offsets


def compare(seed):
    """None if a seed's folder has transformers' ids or both refuse it; else what
    differs, in one line that says how to see it again."""
    draw = random.Random(-1 - seed)
    again = f"python test/python/drawn_tokenizers.py {seed}"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        what = draw_folder(seed, folder)
        try:
            theirs = transformers.AutoTokenizer.from_pretrained(folder)
        except Exception as error:
            theirs = error
        try:
            ours = Tokenizer(folder)
        except ValueError as error:
            if isinstance(theirs, Exception):
                return None
            return f"{again}: refused: {error}; {what}"
        if isinstance(theirs, Exception):
            return f"{again}: transformers refuses: {theirs}; {what}"
        maximum = theirs.model_max_length
        if ours.model_max_length != (maximum if maximum < 10**9 else None):
            return f"{again}: model_max_length {ours.model_max_length}; {what}"
        for kind in ("mask_token", "pad_token", "cls_token", "unk_token"):
            if ours.token_id(kind) != getattr(theirs, kind + "_id"):
                return f"{again}: id of {kind}; {what}"
        lines = texts(draw)
        for text, other in zip(lines, reversed(lines)):
            for item in (text, (text, other)):
                pair = isinstance(item, tuple)
                args = item if pair else (item, None)
                for limit in (None, 6):
                    # transformers takes an empty second text for none.
                    if pair and not other:
                        continue
                    want = their_answer(theirs, args, limit)
                    have = our_answer(ours, item, limit)
                    if have != want:
                        return f"{again}: {item!r}: {have}, not {want}; {what}"
                    if isinstance(have, str):
                        continue
                    for skip in (True, False):
                        text_of = ours.decode(have[0], skip)
                        if text_of != theirs.decode(have[0], skip_special_tokens=skip):
                            return f"{again}: text of {have[0]}; {what}"
    return None


if __name__ == "__main__":
    print(compare(int(sys.argv[1])) or "the same ids")
