"""The snippets of docs/python.md run, in their order."""

import pathlib
import re

from conftest import MODELS

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_snippets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(snippets) >= 5
    names = {
        "MODEL": str(MODELS / "bert-shakespeare"),
        "GPT": str(MODELS / "gpt2-shakespeare"),
        "T5": str(MODELS / "t5-g2p"),
    }
    for snippet in snippets:
        exec(compile(snippet, str(DOCUMENT), "exec"), names)
