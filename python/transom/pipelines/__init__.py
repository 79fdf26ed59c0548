"""Text in, answers out: one file a task."""

from __future__ import annotations

import os
from typing import Any, Union

from transom._library import Library
from transom.pipelines._base import Pipeline
from transom.pipelines.feature_extraction import FeatureExtraction

#: By the task's name, as Hugging Face's exporters and pipelines spell it.
PIPELINES = {
    "feature-extraction": FeatureExtraction,
}


def pipeline(
    task: str, library: Union[Library, str, "os.PathLike[str]"], **options: Any
) -> Pipeline:
    """A pipeline over a compiled library, or over the library at a path.

    Args:
        task: a key of `PIPELINES`.
        library: what `transom.load` gives, or a path to load.
        options: arguments of the pipeline's class and defaults of its calls.

    Raises:
        ValueError: an unknown task, or a library that was compiled for another.
    """
    if task not in PIPELINES:
        raise ValueError(
            f"unknown task {task!r}; supported: {', '.join(sorted(PIPELINES))}"
        )
    return PIPELINES[task](library, **options)


__all__ = ["PIPELINES", "Pipeline", "pipeline"]
