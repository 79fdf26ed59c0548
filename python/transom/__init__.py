"""Compile transformer models ahead of time and run them, without a framework.

    transom.compile("MODEL", "libminilm.so")
    model = transom.load("libminilm.so")
    hidden = model(input_ids=[[101, 7592, 102]])["last_hidden_state"]

Needs NumPy, and for text in and answers out (`transom.pipeline`,
`transom.SentenceEncoder`) Hugging Face's `tokenizers`.
"""

from transom._compile import CompileError, CompileWarning, compile
from transom._engine import Engine, Event
from transom._generate import Generated
from transom._library import Library, load
from transom._sequences import Sequences
from transom._session import MismatchError
from transom._tools import compiler
from transom.pipelines import pipeline
from transom.sentence_encoder import SentenceEncoder

__all__ = [
    "CompileError",
    "CompileWarning",
    "Engine",
    "Event",
    "Generated",
    "Library",
    "MismatchError",
    "SentenceEncoder",
    "Sequences",
    "compile",
    "compiler",
    "load",
    "pipeline",
]
