"""Ids are those of transformers' AutoTokenizer, whatever a folder's files say."""

import json
import pathlib
import re
import shutil
import tempfile

import pytest
import transformers

import drawn_tokenizers
from conftest import MODELS
from drawn_tokenizers import compare
from transom._tokenizer import Tokenizer

transformers.logging.set_verbosity_error()

SEEDS = 120


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_has_transformers_ids(first):
    different = [compare(seed) for seed in range(first, first + 10)]
    assert not any(different), "\n".join(filter(None, different))


def test_seeds_cover_what_they_should():
    """All kinds are drawn, and most of the folders are ones that transformers opens."""
    kinds = set()
    opened = 0
    for seed in range(SEEDS):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            drawn_tokenizers.draw_folder(seed, folder)
            kinds.add(json.loads((folder / "config.json").read_text())["model_type"])
            try:
                Tokenizer(folder)
                opened += 1
            except ValueError:
                pass
    assert kinds == set(drawn_tokenizers.KINDS)
    assert opened > SEEDS * 0.75


@pytest.mark.parametrize(
    "config, message",
    [
        (
            {"do_lower_case": "true"},
            '"do_lower_case" is "true"; supported: true, false',
        ),
        ({"do_lower_case": None}, '"do_lower_case" is null; supported: true, false'),
        ({"strip_accents": 1}, '"strip_accents" is 1; supported: true, false, null'),
        ({"tokenize_chinese_chars": 0}, '"tokenize_chinese_chars" is 0; supported: '),
        ({"tokenizer_class": "BertJapaneseTokenizer"}, '"tokenizer_class" is "BertJ'),
        ({"model_max_length": "512"}, '"model_max_length" is "512"; supported: a num'),
        ({"model_max_length": 0}, '"model_max_length" is 0; supported: 1 or more'),
        ({"truncation_side": "top"}, '"truncation_side" is "top"; supported: left, '),
        ({"mask_token": {"content": "[MASK]"}}, '"mask_token" is {"content": "'),
        ({"cls_token": None}, '"cls_token" is null; supported: a token'),
        ({"extra_special_tokens": [3]}, '"extra_special_tokens" is \\[3\\]; supported'),
        ({"added_tokens_decoder": {"x": {}}}, '"added_tokens_decoder" has "x"; suppor'),
        ({"added_tokens_decoder": {"3": "x"}}, '"added_tokens_decoder" is {"3": "x"}'),
        ({"fast_tokenizer_files": ["a.json"]}, '"fast_tokenizer_files" is \\["a.json'),
        ({"init_inputs": [1]}, '"init_inputs" is \\[1\\]; supported: \\[\\]'),
    ],
)
def test_refuses_naming_file_key_and_value(config, message, tmp_path):
    for name in ("tokenizer.json", "config.json"):
        shutil.copy(MODELS / "bert-shakespeare" / name, tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {message}"):
        Tokenizer(tmp_path)
