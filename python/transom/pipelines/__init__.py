"""Text in, answers out: one file a task."""

from __future__ import annotations

import os
from typing import Any

from transom._library import Library
from transom.pipelines._base import Pipeline
from transom.pipelines.entailment import Entailment
from transom.pipelines.feature_extraction import FeatureExtraction
from transom.pipelines.fill_mask import FillMask
from transom.pipelines.multiple_choice import MultipleChoice
from transom.pipelines.next_sentence_prediction import NextSentencePrediction
from transom.pipelines.question_answering import QuestionAnswering
from transom.pipelines.sentence_similarity import SentenceSimilarity
from transom.pipelines.summarization import Summarization
from transom.pipelines.text2text_generation import Text2TextGeneration
from transom.pipelines.text_classification import TextClassification
from transom.pipelines.text_generation import TextGeneration
from transom.pipelines.text_similarity import TextSimilarity
from transom.pipelines.token_classification import TokenClassification
from transom.pipelines.translation import TASK as TRANSLATION
from transom.pipelines.translation import Translation

#: The pipelines by task, with transformers' other names for some of them.
TASKS: dict[str, type[Pipeline]] = {
    "entailment": Entailment,
    "feature-extraction": FeatureExtraction,
    "fill-mask": FillMask,
    "multiple-choice": MultipleChoice,
    "ner": TokenClassification,
    "next-sentence-prediction": NextSentencePrediction,
    "question-answering": QuestionAnswering,
    "sentence-similarity": SentenceSimilarity,
    "sentiment-analysis": TextClassification,
    "summarization": Summarization,
    "text-classification": TextClassification,
    "text-generation": TextGeneration,
    "text-similarity": TextSimilarity,
    "text2text-generation": Text2TextGeneration,
    "token-classification": TokenClassification,
    "translation": Translation,
}


def pipeline(
    task: str, library: Library | str | os.PathLike[str], **options: Any
) -> Pipeline:
    """Makes a pipeline: text in, answers out.

    Args:
        task: "entailment", "feature-extraction", "fill-mask",
            "multiple-choice", "next-sentence-prediction", "question-answering",
            "sentence-similarity", "summarization", "text-classification",
            "text-generation", "text-similarity", "text2text-generation",
            "token-classification", "translation", or "translation_XX_to_YY" with
            two languages.
        library: a library that was compiled for it, or its path.
        options: those of `Pipeline`, and the pipeline's own arguments, which
            then are the defaults of its calls.
    """
    languages = TRANSLATION.fullmatch(task)
    if languages:
        source, target = languages.groups()
        options = {"src_lang": source, "tgt_lang": target, **options}
        task = "translation"
    if task not in TASKS:
        raise ValueError(
            f"task: expects one of {', '.join(TASKS)}, translation_XX_to_YY, "
            f"got {task!r}"
        )
    return TASKS[task](library, **options)
