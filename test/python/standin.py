"""Stands in for a library where a test counts its calls.

It has what pipelines use of `transom.Library`, and transformers' numbers: each
sequence is run alone, as transformers' pipelines run it.
"""

import json
import pathlib

import numpy as np
import torch
import transformers

MODELS = {
    "fill-mask": transformers.AutoModelForMaskedLM,
    "multiple-choice": transformers.AutoModelForMultipleChoice,
    "next-sentence-prediction": transformers.AutoModelForNextSentencePrediction,
    "pretraining": transformers.AutoModelForPreTraining,
    "question-answering": transformers.AutoModelForQuestionAnswering,
    "text-classification": transformers.AutoModelForSequenceClassification,
    "token-classification": transformers.AutoModelForTokenClassification,
}

OUTPUTS = {
    "pretraining": ("prediction_logits", "seq_relationship_logits"),
    "question-answering": ("start_logits", "end_logits"),
}


class StandIn:
    def __init__(self, folder, task, model=None, positions=False):
        folder = pathlib.Path(folder)
        self.path = self.assets = folder
        self.name = folder.name
        self.task = task
        self.config = json.loads((folder / "config.json").read_text())
        self.max_positions = self.config["max_position_embeddings"]
        labels = self.config.get("id2label", {})
        self.labels = {int(i): label for i, label in labels.items()}
        inputs = ["input_ids", "token_type_ids", "position_ids"]
        self.inputs = dict.fromkeys(inputs + ["output_positions"] * positions)
        self.outputs = dict.fromkeys(OUTPUTS.get(task, ("logits",)))
        self.model = model or MODELS[task].from_pretrained(folder).eval()
        self.calls = []

    def __call__(
        self,
        input_ids,
        sequence_offsets,
        token_type_ids,
        outputs,
        output_positions=None,
    ):
        """The packed form of `transom.Library`, which pipelines use."""
        self.calls.append(len(sequence_offsets) - 1)
        parts = {name: [] for name in outputs}
        for begin, end in zip(sequence_offsets, sequence_offsets[1:]):
            ids, types = (
                torch.from_numpy(array[begin:end]).long()[None]
                for array in (input_ids, token_type_ids)
            )
            if self.task == "multiple-choice":
                ids, types = ids[None], types[None]
            with torch.no_grad():
                result = self.model(input_ids=ids, token_type_ids=types)
            for name in outputs:
                rows = result[name][0].numpy()
                per_token = len(rows) == end - begin and self.task not in (
                    "text-classification",
                    "next-sentence-prediction",
                    "multiple-choice",
                )
                parts[name].append(rows if per_token else rows[None])
        arrays = {name: np.concatenate(rows) for name, rows in parts.items()}
        if output_positions is not None:
            arrays = {name: array[output_positions] for name, array in arrays.items()}
        return arrays
