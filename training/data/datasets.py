"""Captioned clips, read from disk as their authors publish them.

msvd        Microsoft Video Description Corpus (Chen & Dolan 2011): AllVideoDescriptions.txt, YouTubeClips/*.avi and
            youtube_mapping.txt, whose numbers give the usual split: 1,200 / 100 / 670
msr-vtt     MSR-VTT (Xu et al. 2016): *videodatainfo*.json with splits and captions, videos in any subfolder
tgif        Tumblr GIF (Li et al. 2016): data/tgif-v1.0.tsv, data/splits/{train,val,test}.txt, gifs/ (downloaded)
flickr      Flickr8k or Flickr30k (Hodosh et al. 2013; Young et al. 2014): a *.token file or captions.csv, a list of
            photographs for each split, images in any subfolder
csv         a CSV with the columns file (or image), sentence (or caption) and, optionally, split
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
from deepgif.training.data.clips import VIDEOS

TRAIN, DEV, TEST = ("train", "dev", "test")
MSVD_TRAIN, MSVD_DEV = 1200, 1300  # the last numbers of the first two splits
HOLD_OUT = {8: DEV, 9: TEST}  # of ten clips, if a CSV has no splits
_NAMES = {"train": TRAIN, "val": DEV, "valid": DEV, "validate": DEV, "validation": DEV, "dev": DEV, "test": TEST}
_GONE = {403, 404, 410}


class DatasetError(Exception):
    """A dataset is missing or incomplete; the message says what belongs where."""


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """An animation, video or photograph, and the captions that describe it."""

    name: str
    path: Path
    split: str
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaptionedDataset:
    """``gone`` counts clips that have captions but can no longer be downloaded."""

    name: str
    clips: tuple[CaptionedClip, ...]
    gone: int = 0

    @property
    def captions(self) -> list[str]:
        """The captions (N,) of all clips in order."""
        return [text for clip in self.clips for text in clip.captions]

    @property
    def clip_of_caption(self) -> list[int]:
        """(N,): the position in ``clips`` that each of ``captions`` describes."""
        return [position for position, clip in enumerate(self.clips) for _ in clip.captions]

    def split(self, name: str) -> list[int]:
        """The positions in ``clips`` of one split."""
        return [position for position, clip in enumerate(self.clips) if clip.split == name]


def read_msvd(folder: Path) -> CaptionedDataset:
    """MSVD. Raises ``DatasetError``."""
    numbers: dict[str, int] = {}
    for line in _lines(folder / "youtube_mapping.txt", "the list that gives each clip its number, vid1 to vid1970"):
        name, _, number = line.rpartition(" ")
        numbers[name] = int(number.removeprefix("vid"))
    captions: dict[str, list[str]] = {name: [] for name in numbers}
    for line in _lines(folder / "AllVideoDescriptions.txt", "the captions"):
        name, _, caption = line.partition(" ")
        if not line.startswith("#") and name in captions and caption:
            captions[name].append(caption)
    clips = folder / "YouTubeClips"
    if not clips.is_dir():
        raise DatasetError(f"{clips} is missing: the clips, from YouTubeClips.tar.")

    def split(name: str) -> str:
        return TRAIN if numbers[name] <= MSVD_TRAIN else DEV if numbers[name] <= MSVD_DEV else TEST

    return _dataset(
        "msvd", ((n, clips / f"{n}.avi", split(n), captions[n]) for n in sorted(numbers, key=lambda n: numbers[n]))
    )


def read_msr_vtt(folder: Path) -> CaptionedDataset:
    """MSR-VTT. Raises ``DatasetError``."""
    lists = sorted(folder.rglob("*videodatainfo*.json"))
    if not lists:
        raise DatasetError(f"{folder} has no videodatainfo.json: the list of MSR-VTT's videos and captions.")
    splits: dict[str, str] = {}
    captions: dict[str, list[str]] = {}
    for path in lists:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            splits.update((video["video_id"], _NAMES[video["split"]]) for video in document["videos"])
            for one in document["sentences"]:
                captions.setdefault(one["video_id"], []).append(one["caption"].strip())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{path} is not a list of MSR-VTT's videos and captions: {error}") from error
    files = {path.stem: path for path in folder.rglob("*") if path.suffix in (*VIDEOS, ".gif")}
    return _dataset(
        "msr-vtt", ((n, files.get(n, folder / f"{n}.mp4"), s, captions.get(n, [])) for n, s in splits.items())
    )


def read_tgif(folder: Path) -> CaptionedDataset:
    """TGIF, without the GIFs that ``fetch_tgif`` found to be gone. Raises ``DatasetError``."""
    splits: dict[str, str] = {}
    for name in ("train", "val", "test"):
        path = folder / "data" / "splits" / f"{name}.txt"
        splits.update((_gif_name(url), _NAMES[name]) for url in _lines(path, "the URLs of one split"))
    captions: dict[str, list[str]] = {}
    for url, caption in _tgif_lines(folder):
        captions.setdefault(_gif_name(url), []).append(caption)
    gone = {name for name in captions if (folder / "gifs" / f"{name}.gone").exists()}
    wanted = [name for name in captions if name in splits and name not in gone]
    rows = ((name, folder / "gifs" / f"{name}.gif", splits[name], captions[name]) for name in wanted)
    return _dataset("tgif", rows, gone=len(gone))


def fetch_tgif(folder: Path, report: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Downloads the GIFs that are missing, sixteen at a time, and returns how many no longer exist; those are marked
    and not requested again. Raises ``DatasetError`` or ``WeightsError``."""
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
    for line in _lines(folder / "data" / "tgif-v1.0.tsv", "URLs and captions"):
        url, _, caption = line.partition("\t")
        yield url, caption


def read_flickr(folder: Path) -> CaptionedDataset:
    """Flickr8k or Flickr30k. Raises ``DatasetError``."""
    tables = [*sorted(folder.rglob("*.token*")), *sorted(folder.rglob("captions.csv"))]
    if not tables:
        raise DatasetError(f"{folder} has neither a *.token file nor captions.csv: the captions of its photographs.")
    captions: dict[str, list[str]] = {}
    if tables[0].suffix == ".csv":
        for name, caption, _ in _rows(tables[0]):
            captions.setdefault(name, []).append(caption)
    else:
        for line in _lines(tables[0], "the captions"):  # NAME#NUMBER<tab>CAPTION
            name, _, caption = line.partition("\t")
            captions.setdefault(name.partition("#")[0], []).append(caption)
    splits: dict[str, str] = {}
    for path in sorted(folder.rglob("*.txt")):
        kind = re.search(r"train|dev|val|test", path.stem.lower())
        if kind:
            splits.update(
                (name, _NAMES[kind[0]]) for name in path.read_text(encoding="utf-8").split() if name in captions
            )
    if TRAIN not in splits.values():
        raise DatasetError(f"{folder} has no list of training photographs, such as Flickr_8k.trainImages.txt.")
    images = {path.name: path for path in folder.rglob("*.jpg")}
    return _dataset("flickr", ((n, images.get(n, folder / n), s, captions[n]) for n, s in splits.items()))


def read_captions(path: Path, *, files: bool = True) -> CaptionedDataset:
    """A CSV; the folder of a ``captions.csv``; or a list of some of its files, one a line, such as Flickr8k's
    ``dev.txt`` beside ``captions.csv``. Clips are in the order of the list, or of the CSV. Their files are beside the
    CSV or in ``images/``; with ``files`` false they need not exist. Without a column ``split``, one clip in ten is for
    validation and one for the test.

    Raises ``DatasetError``.
    """
    table = path if path.suffix == ".csv" else (path if path.is_dir() else path.parent) / "captions.csv"
    for needed in (path, table):
        if not needed.exists():
            raise DatasetError(
                f"{needed} is missing: a CSV with the columns file and sentence, or a list of its files."
            )
    listed = path.read_text(encoding="utf-8").split() if path.is_file() and path != table else None
    listed_split = "" if listed is None else _NAMES.get(path.stem, TRAIN)
    captions: dict[str, list[str]] = {name: [] for name in listed or ()}
    splits: dict[str, str] = {}
    for name, caption, split in _rows(table):
        if listed is None or name in captions:
            captions.setdefault(name, []).append(caption)
            given = (split or listed_split or HOLD_OUT.get((len(captions) - 1) % 10, TRAIN)).lower()
            if given not in _NAMES:
                raise DatasetError(f"{table} has an unknown split “{given}”: use train, dev or test.")
            splits.setdefault(name, _NAMES[given])

    def file(name: str) -> Path:
        below = table.parent / "images" / name
        return below if below.is_file() else table.parent / name

    rows = ((name, file(name), splits.get(name, ""), texts) for name, texts in captions.items())
    return _dataset(f"{path.parent.name}/{path.stem}", rows, files=files)


READERS: dict[str, Callable[[Path], CaptionedDataset]] = {
    "msvd": read_msvd,
    "msr-vtt": read_msr_vtt,
    "tgif": read_tgif,
    "flickr": read_flickr,
    "csv": read_captions,
}


def _dataset(
    name: str, rows: Iterable[tuple[str, Path, str, list[str]]], *, gone: int = 0, files: bool = True
) -> CaptionedDataset:
    clips = []
    for clip, path, split, captions in rows:
        if captions:
            if files and not path.is_file():
                raise DatasetError(f"{path} is missing: {clip} of {name} has captions but no file.")
            clips.append(CaptionedClip(clip, path, split, tuple(captions)))
    if not clips:
        raise DatasetError(f"No clip of {name} has captions.")
    return CaptionedDataset(name, tuple(clips), gone)


def _lines(path: Path, content: str) -> Iterator[str]:
    if not path.is_file():
        raise DatasetError(f"{path} is missing: {content}.")
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield line.strip()


def _rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """File, caption and split (possibly empty) of each row."""
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name, caption = row.get("file") or row.get("image"), row.get("sentence") or row.get("caption")
            if not name or not caption:
                raise DatasetError(f"{table} needs the columns file and sentence (or image and caption).")
            yield name, caption.strip(), row.get("split") or ""


def _gif_name(url: str) -> str:
    return url.rpartition("/")[2].removesuffix(".gif")
