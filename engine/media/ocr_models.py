"""PP-OCRv6 (Cui et al., PaddleOCR) through RapidOCR, whose package holds the networks: nothing is downloaded."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np

from deepgif.engine.errors import ModelError
from deepgif.engine.media.ocr import ReadingLimits, TextLine, TextReader
from deepgif.engine.media.word_splitter import WordSplitter
from deepgif.models.preprocess.frames import Frame

DETECTOR, RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
MISSING = "What reads words in GIFs is not installed: pip install 'deepgif[ocr]'."
SAME_ROW = 0.5  # of the lower box's height


def is_installed() -> bool:
    """Whether the packages that read text are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime", "symspellpy"))


def load_text_reader(limits: ReadingLimits | None = None) -> TextReader:
    """A reader of whole GIFs. Blocks. Raises ``ModelError`` where the packages are missing or damaged."""
    limits = limits or ReadingLimits()
    if not is_installed():
        raise ModelError(MISSING)
    splitter = WordSplitter()
    return TextReader(RapidLineReader(limits.side), limits, splitter.split)


def reader_version() -> str:
    """What reads: another version reads again. Raises ``ModelError`` where it is not installed."""
    if not is_installed():
        raise ModelError(MISSING)
    return f"rapidocr-{version('rapidocr')}"


class RapidLineReader:
    """``LineReader`` on one processor thread, for frames of at most ``side`` pixels."""

    def __init__(self, side: int) -> None:
        import cv2
        from rapidocr import RapidOCR
        from rapidocr.utils.log import logger

        logger.disabled = True  # it has a handler of its own, and what it reads is people's content
        logging.getLogger("omegaconf").setLevel(logging.CRITICAL)
        cv2.setNumThreads(1)
        models = files("rapidocr") / "models"
        parameters = {
            "Global.use_cls": False,  # upside-down text
            "Global.text_score": 0.0,  # the caller filters
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(models / DETECTOR),  # a path: without one it would download what is missing
            "Rec.model_path": str(models / RECOGNISER),
            "Det.limit_type": "max",  # the default makes small pictures larger, at nine times the time
            "Det.limit_side_len": side,
            "Rec.rec_batch_num": 1,  # a batch is padded to its longest line
        }
        try:
            run = RapidOCR(params=parameters)
            self._read: Callable[[Frame], Any] = partial(run, use_det=True, use_cls=False, use_rec=True)
            self._read(np.zeros((64, 64, 3), np.uint8))  # loads the detector
        except Exception as error:  # it raises whatever its libraries raise
            raise ModelError("The networks that read words in GIFs cannot be loaded; reinstall rapidocr.") from error

    def read(self, frame: Frame) -> Sequence[TextLine]:
        """The lines of a frame (H, W, 3) from top to bottom; boxes beside each other are one line."""
        result = self._read(np.ascontiguousarray(frame[:, :, ::-1]))  # BGR, as OpenCV has it
        if result.boxes is None or result.txts is None:
            return []
        boxes = np.asarray(result.boxes, np.float64)  # (N, 4 corners, 2)
        corners = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1).tolist()  # left, top, right, bottom
        found = [
            (box, TextLine(" ".join(str(text).split()), float(score)))
            for box, text, score in zip(corners, result.txts, result.scores, strict=True)
        ]
        return [line for row in in_rows(found) for line in row]


def in_rows(boxes: Sequence[tuple[Sequence[float], TextLine]]) -> list[list[TextLine]]:
    """Lines with their boxes (left, top, right, bottom) as rows from top to bottom, each from left to right."""
    rows: list[tuple[float, float, list[tuple[float, TextLine]]]] = []  # middle, height, lines with their left edges
    for (left, top, _, bottom), line in sorted(boxes, key=lambda one: (one[0][1] + one[0][3], one[0][0])):
        middle, height = (top + bottom) / 2, bottom - top
        if rows and abs(middle - rows[-1][0]) <= SAME_ROW * min(height, rows[-1][1]):
            rows[-1][2].append((left, line))
        else:
            rows.append((middle, height, [(left, line)]))
    return [[line for _, line in sorted(row, key=lambda one: one[0])] for _, _, row in rows]
