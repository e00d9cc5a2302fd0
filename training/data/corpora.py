"""Data sets of described clips, read from disk as their authors publish them.

msvd        Microsoft Video Description Corpus (Chen & Dolan 2011): AllVideoDescriptions.txt, YouTubeClips/*.avi and
            youtube_mapping.txt, whose numbers make the usual split: 1,200 / 100 / 670
msr-vtt     MSR-VTT (Xu et al. 2016): *videodatainfo*.json with splits and sentences, videos anywhere below
tgif        Tumblr GIF (Li et al. 2016): data/tgif-v1.0.tsv, data/splits/{train,val,test}.txt, gifs/ (fetched)
flickr      Flickr8k or Flickr30k (Hodosh et al. 2013; Young et al. 2014): a *.token file or captions.csv, lists of
            photographs for the splits, images below
csv         a CSV with the columns file, sentence and, if there are splits, split
"""

from __future__ import annotations

import csv
import json
import re
import urllib.error
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deepgif.models.bundles.weights import RemoteFile, WeightsError, fetch
from deepgif.training.data.datasets import VIDEOS, DatasetError

TRAIN, DEV, TEST = ("train", "dev", "test")
MSVD_TRAIN, MSVD_DEV = 1200, 1300  # the last numbers of the first two parts
HOLD_OUT = {8: DEV, 9: TEST}  # of ten clips, where a CSV names no splits
_NAMES = {"train": TRAIN, "val": DEV, "valid": DEV, "validate": DEV, "validation": DEV, "dev": DEV, "test": TEST}
_GONE = {403, 404, 410}
_VIDEOS = (*VIDEOS, ".gif")


@dataclass(frozen=True, slots=True)
class DescribedClip:
    """A file that moves, or a photograph, with the sentences that describe it."""

    name: str
    path: Path
    split: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DescribedClips:
    """A data set; ``gone`` files are described, but nobody has them any more."""

    name: str
    clips: tuple[DescribedClip, ...]
    gone: int = 0

    def part(self, split: str) -> list[int]:
        """The places in ``clips`` of one split."""
        return [place for place, clip in enumerate(self.clips) if clip.split == split]


def read_msvd(folder: Path) -> DescribedClips:
    """MSVD. Raises ``DatasetError``."""
    numbers: dict[str, int] = {}
    for line in _lines(folder / "youtube_mapping.txt", "the list that gives each clip its number, vid1 to vid1970"):
        name, _, number = line.rpartition(" ")
        numbers[name] = int(number.removeprefix("vid"))
    sentences: dict[str, list[str]] = {name: [] for name in numbers}
    for line in _lines(folder / "AllVideoDescriptions.txt", "the sentences"):
        name, _, sentence = line.partition(" ")
        if not line.startswith("#") and name in sentences and sentence:
            sentences[name].append(sentence)
    clips = _folder(folder / "YouTubeClips", "the clips, from YouTubeClips.tar")

    def split(name: str) -> str:
        return TRAIN if numbers[name] <= MSVD_TRAIN else DEV if numbers[name] <= MSVD_DEV else TEST

    return _dataset(
        "msvd", ((n, clips / f"{n}.avi", split(n), sentences[n]) for n in sorted(numbers, key=lambda n: numbers[n]))
    )


def read_msr_vtt(folder: Path) -> DescribedClips:
    """MSR-VTT. Raises ``DatasetError``."""
    lists = sorted(folder.rglob("*videodatainfo*.json"))
    if not lists:
        raise DatasetError(f"{folder} has no videodatainfo.json: the list of MSR-VTT's videos and sentences.")
    splits: dict[str, str] = {}
    sentences: dict[str, list[str]] = {}
    for path in lists:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            splits.update((video["video_id"], _NAMES[video["split"]]) for video in document["videos"])
            for one in document["sentences"]:
                sentences.setdefault(one["video_id"], []).append(one["caption"].strip())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{path} is not a list of MSR-VTT's videos and sentences: {error}") from error
    files = {path.stem: path for path in folder.rglob("*") if path.suffix in _VIDEOS}
    return _dataset(
        "msr-vtt", ((n, files.get(n, folder / f"{n}.mp4"), s, sentences.get(n, [])) for n, s in splits.items())
    )


def read_tgif(folder: Path) -> DescribedClips:
    """TGIF, as far as ``fetch_tgif`` could have it. Raises ``DatasetError``."""
    splits: dict[str, str] = {}
    for name in ("train", "val", "test"):
        path = folder / "data" / "splits" / f"{name}.txt"
        splits.update((_gif_name(url), _NAMES[name]) for url in _lines(path, "the addresses of one split"))
    sentences: dict[str, list[str]] = {}
    for url, sentence in _tgif_lines(folder):
        sentences.setdefault(_gif_name(url), []).append(sentence)
    gone = {name for name in sentences if (folder / "gifs" / f"{name}.gone").exists()}
    wanted = [name for name in sentences if name in splits and name not in gone]
    found = _dataset("tgif", ((n, folder / "gifs" / f"{n}.gif", splits[n], sentences[n]) for n in wanted))
    return DescribedClips(found.name, found.clips, len(gone))


def fetch_tgif(folder: Path, report: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Fetches the GIFs that are not there yet, sixteen at a time, and gives how many are gone for ever: those are
    marked, and not asked for again. Raises ``DatasetError`` or ``WeightsError``."""
    urls = sorted({url for url, _ in _tgif_lines(folder)})
    with ThreadPoolExecutor(16) as pool:
        for done, _ in enumerate(pool.map(lambda url: _fetch_gif(url, folder), urls), 1):
            report(done, len(urls))
    return sum((folder / "gifs" / f"{_gif_name(url)}.gone").exists() for url in urls)


def _fetch_gif(url: str, folder: Path) -> None:
    mark = folder / "gifs" / f"{_gif_name(url)}.gone"
    if mark.exists():
        return
    try:
        fetch(RemoteFile(f"gifs/{_gif_name(url)}.gif", url), folder)
    except WeightsError as error:
        if not (isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code in _GONE):
            raise
        mark.touch()


def _tgif_lines(folder: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(folder / "data" / "tgif-v1.0.tsv", "addresses and sentences"):
        url, _, sentence = line.partition("\t")
        yield url, sentence


def read_flickr(folder: Path) -> DescribedClips:
    """Flickr8k or Flickr30k. Raises ``DatasetError``."""
    tables = [*sorted(folder.rglob("*.token*")), *sorted(folder.rglob("captions.csv"))]
    if not tables:
        raise DatasetError(f"{folder} has neither a *.token file nor captions.csv: the sentences of its photographs.")
    sentences: dict[str, list[str]] = {}
    for name, sentence in _captions(tables[0]):
        sentences.setdefault(name, []).append(sentence)
    splits: dict[str, str] = {}
    for path in sorted(folder.rglob("*.txt")):
        kind = re.search(r"train|dev|val|test", path.stem.lower())
        if kind:
            splits.update(
                (name, _NAMES[kind[0]]) for name in path.read_text(encoding="utf-8").split() if name in sentences
            )
    if TRAIN not in splits.values():
        raise DatasetError(f"{folder} has no list of the photographs to train with, such as Flickr_8k.trainImages.txt.")
    images = {path.name: path for path in folder.rglob("*.jpg")}
    return _dataset("flickr", ((n, images.get(n, folder / n), s, sentences[n]) for n, s in splits.items()))


def read_csv(path: Path) -> DescribedClips:
    """A CSV, or the folder of ``captions.csv``; without a column of splits every ninth clip is for choosing and every
    tenth for the test. Raises ``DatasetError``."""
    table = path / "captions.csv" if path.is_dir() else path
    if not table.is_file():
        raise DatasetError(f"{table} is missing: a CSV with the columns file and sentence, and perhaps split.")
    sentences: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name, sentence = row.get("file"), row.get("sentence")
            if not name or not sentence:
                raise DatasetError(f"{table} needs the columns file and sentence.")
            sentences.setdefault(name, []).append(sentence.strip())
            given = (row.get("split") or HOLD_OUT.get((len(sentences) - 1) % 10, TRAIN)).lower()
            if given not in _NAMES:
                raise DatasetError(f"{table} has a split “{given}”; train, dev and test are known.")
            splits.setdefault(name, _NAMES[given])
    return _dataset("csv", ((name, table.parent / name, splits[name], texts) for name, texts in sentences.items()))


READERS: dict[str, Callable[[Path], DescribedClips]] = {
    "msvd": read_msvd,
    "msr-vtt": read_msr_vtt,
    "tgif": read_tgif,
    "flickr": read_flickr,
    "csv": read_csv,
}


def _dataset(name: str, rows: Iterable[tuple[str, Path, str, list[str]]]) -> DescribedClips:
    clips = []
    for clip, path, split, sentences in rows:
        if sentences:
            if not path.is_file():
                raise DatasetError(f"{path} is missing: {clip} of {name} is described, but not there.")
            clips.append(DescribedClip(clip, path, split, tuple(sentences)))
    if not clips:
        raise DatasetError(f"No clip of {name} is described.")
    return DescribedClips(name, tuple(clips))


def _lines(path: Path, what: str) -> Iterator[str]:
    if not path.is_file():
        raise DatasetError(f"{path} is missing: {what}.")
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield line.strip()


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        raise DatasetError(f"{path} is missing: {what}.")
    return path


def _captions(table: Path) -> Iterator[tuple[str, str]]:
    """Photograph and sentence: ``NAME#N<tab>SENTENCE``, or a CSV of images and captions."""
    if table.suffix == ".csv":
        with table.open(encoding="utf-8", newline="") as file:
            yield from ((row["image"], row["caption"].strip()) for row in csv.DictReader(file))
    else:
        for line in _lines(table, "the sentences"):
            name, _, sentence = line.partition("\t")
            yield name.partition("#")[0], sentence


def _gif_name(url: str) -> str:
    return url.rpartition("/")[2].removesuffix(".gif")
