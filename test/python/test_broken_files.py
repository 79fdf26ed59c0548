"""What is said of files that are not what they should be: the file and the place."""

import json
import re
import shutil

import pytest

from conftest import MODELS
from transom import _files
from transom._tokenizer import Tokenizer
from transom.pipelines._sentence_model import SentenceModel

POINTER = """version https://git-lfs.github.com/spec/v1
oid sha256:8b8c6b2d7b4b4a6a6c2f0e5e0fdc2b1c5d8e6f7a8b9c0d1e2f3a4b5c6d7e8f90
size 466062
"""

FILES = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "sentence_xlnet_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
]

BROKEN = {
    "pointer": (POINTER.encode(), "a Git LFS pointer, .*'git lfs pull'"),
    "page": (b"\n<!DOCTYPE html><html></html>", "a page in HTML or XML"),
    "empty": (b"\n", "the file is empty"),
    "cut": (b'{\n  "a": [1,\n', "line 3, column 1: Expecting value"),
    "comma": (b'[{\n  "a": 1,\n}]', "line (2|3), column .*"),
    "bytes": (b'{\n "a": "\xe9t\xe9"}', "line 2, byte 8: expects UTF-8, got 0xe9"),
    "deep": (b"[" * 100000, "nested too deeply"),
    "other": (b"3", "line 1: expects (an object|a list), got a number"),
}


def open_all(folder):
    Tokenizer(folder)
    SentenceModel.read(folder)


@pytest.fixture
def folder(tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(MODELS / "bert-shakespeare" / name, tmp_path)
    types = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": i, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(types.items())
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    # With tokens by their ids, the older files are not read.
    open_all(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("broken", BROKEN)
def test_opening_names_file_and_place(folder, name, broken):
    content, message = BROKEN[broken]
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        open_all(folder)
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, _files.BrokenFileError)


def test_tokenizer_that_is_none(folder):
    path = folder / "tokenizer.json"
    for config, change in (
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, '{"model": {}}'),
        ({"tokenizer_class": "BertTokenizer"}, '{"model": {"vocab": [[["a"]]]}}'),
        ({"tokenizer_class": "BertTokenizer"}, '{"model": 3}'),
    ):
        path.write_text(change)
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: "):
            Tokenizer(folder)
