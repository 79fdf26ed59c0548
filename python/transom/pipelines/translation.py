"""Texts in another language."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import Any

from transom.pipelines.text2text_generation import Text2TextGeneration

#: translation_XX_to_YY, a task of transformers with two languages in its name.
TASK = re.compile(r"translation_([^_]+)_to_([^_]+)")


class Translation(Text2TextGeneration):
    """pipeline("translation", library) or pipeline("translation_en_to_de", library)

    As "text2text-generation"; the answer has "translation_text". The languages
    pick the subtask translation_XX_to_YY, and with it the prefix, if the model has
    any like it; without languages it is the first one by name.
    """

    subtask = "translation"
    answer = "translation"

    @dataclasses.dataclass(frozen=True)
    class Parameters(Text2TextGeneration.Parameters):
        """
        src_lang, tgt_lang: the languages, such as "en" and "de".
        """

        src_lang: str | None = None
        tgt_lang: str | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if (self.src_lang is None) != (self.tgt_lang is None):
                raise ValueError("src_lang, tgt_lang: expects both, or none")

    def task_name(self, parameters: Any) -> str | None:
        if parameters.subtask is not None:
            return parameters.subtask
        known = self.library.config.get("task_specific_params") or {}
        pairs = sorted(name for name in known if name.startswith("translation"))
        if not pairs:
            return None  # A model of one pair of languages needs no prefix.
        if parameters.src_lang is not None:
            return f"translation_{parameters.src_lang}_to_{parameters.tgt_lang}"
        if len(pairs) > 1 and parameters.prefix is None:
            warnings.warn(
                f"translation: {pairs[0]} is meant, the first of {', '.join(pairs)}; "
                "name one as the task",
                stacklevel=2,
            )
        return pairs[0]
