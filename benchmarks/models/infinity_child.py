"""infinity-emb with a CLIP ViT-B/32 of random weights, for ``benchmarks.models.infinity``: ``infinity_child.py DEVICE
BATCH``.

Runs in an environment of its own. Each line on standard input is a list of files with pictures; each line on standard
output is the seconds it took to embed them, from their bytes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ENDS = ["<|startoftext|>", "<|endoftext|>"]


def write_model(folder: str) -> None:
    """The architecture of openai/clip-vit-base-patch32 (which transformers has as its default), as infinity-emb reads
    it: model, processor and a tokenizer that knows next to nothing."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    (Path(folder) / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(["a</w>", *ENDS])}))
    (Path(folder) / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt", unk_token=ENDS[1], model_max_length=77)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)


async def main(device: str, batch: int) -> None:
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    with tempfile.TemporaryDirectory() as folder:
        write_model(folder)
        arguments: dict[str, Any] = {"device": device, "batch_size": batch, "engine": "torch"}
        arguments |= {"bettertransformer": False, "compile": False, "model_warmup": False}
        engine = AsyncEmbeddingEngine.from_args(EngineArgs(model_name_or_path=folder, **arguments))
        async with engine:
            while line := await asyncio.to_thread(sys.stdin.readline):
                pictures = [Path(path).read_bytes() for path in json.loads(line)]
                started = time.perf_counter()
                await engine.image_embed(images=pictures)
                print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
