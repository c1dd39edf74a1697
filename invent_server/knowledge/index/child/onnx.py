"""all-MiniLM-L6-v2 by onnxruntime: batches of like length, so that a short question costs a short question's time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from invent_server.knowledge.index.child.vectors import ModelUnusable, Vectors, checked

FILES = ("model.onnx", "tokenizer.json")
MAX_TOKENS = 256
"""What the model was trained to read; the rest of a longer text is not seen."""
BATCH = 8
"""Texts at once: more is not faster on one core, and costs memory."""
CHUNK = 1 << 20


def digest(folder: Path) -> str:
    """What tells this model from another: the vectors of one are worth nothing to the other."""
    found = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as file:
            while part := file.read(CHUNK):
                found.update(part)
    return found.hexdigest()[:16]


class MiniLM:
    """One model in memory; several threads may use it."""

    name = "all-MiniLM-L6-v2"
    kind = "minilm"
    knows: frozenset[str] | None = frozenset({"en"})

    def __init__(self, folder: Path) -> None:
        """Raises ModelUnusable."""
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise ModelUnusable(
                f"{folder} lacks {', '.join(missing)}; set INVENT_ONNX_DIR or: invent models pull minilm"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # the arena keeps the largest batch's memory for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self.digest = digest(folder)
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # each library raises its own, some of them plain Exception
            first = (str(error).strip() or repr(error)).splitlines()[0][:200]
            raise ModelUnusable(f"the model in {folder} cannot be read ({first})") from None
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._inputs = {one.name for one in self._session.get_inputs()}
        self._outputs = [one.name for one in self._session.get_outputs()]
        self.size = len(self.embed(["size"])[0])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 per text."""
        if not texts:
            return np.zeros((0, self.size), np.float32)
        encoded = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda at: len(encoded[at].ids))
        found: list[Any] = [None] * len(texts)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            for at, vector in zip(part, self._run([encoded[at] for at in part]), strict=True):
                found[at] = vector
        return np.stack(found)

    def _run(self, batch: Sequence[Any]) -> Vectors:
        longest = max(len(one.ids) for one in batch)
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(batch):
            ids[row, : len(one.ids)] = one.ids
            mask[row, : len(one.ids)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        answer = self._session.run(self._outputs[:1], {name: given[name] for name in self._inputs})[0]
        weights = mask[:, :, None].astype(np.float32)
        means = (answer * weights).sum(1) / weights.sum(1)
        return checked(means, len(batch), None, self.name)
