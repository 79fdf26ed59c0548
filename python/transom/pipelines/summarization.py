"""Texts made shorter."""

from __future__ import annotations

from transom.pipelines.text2text_generation import Text2TextGeneration


class Summarization(Text2TextGeneration):
    """pipeline("summarization", library)

    As "text2text-generation", of the subtask "summarization"; the answer has
    "summary_text".
    """

    subtask = "summarization"
    answer = "summary"
