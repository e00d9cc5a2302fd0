"""Whole engines over GIFs that are each other backwards: the shipped bundle of the kind "motion" tells them apart by
words, from start to answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from deepgif.engine.engine import open_engine
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.types import SearchRequest
from deepgif.models.bundles.load import bundle_folder
from tests.fakes.process import deepgif

SIDE, RADIUS, FRAMES = 160, 26, 12
SCENES = {"red": ("white", 0.5), "blue": ("lightgreen", 0.6), "orange": ("navy", 0.4)}  # ball, wall and the ball's path
WAYS = ("forwards", "backwards")
ROLLING = ("the ball rolls right", "the ball rolls left")
FALLING = ("the ball falls", "the ball rises")


def rolling(colour: str, wall: str, path: float) -> list[Image.Image]:
    """A ball that rolls from left to right, so far from the top."""
    frames = [Image.new("RGB", (SIDE, SIDE), wall) for _ in range(FRAMES)]
    for number, frame in enumerate(frames):
        x, y = SIDE * (0.15 + 0.7 * number / (FRAMES - 1)), SIDE * path
        ImageDraw.Draw(frame).ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=colour)
    return frames


def save(name: str, frames: Sequence[Image.Image], folder: Path) -> None:
    """Twice, forwards and backwards, under the same name in two folders, so that titles tell nothing."""
    for way, some in zip(WAYS, (frames, frames[::-1]), strict=True):
        (folder / way).mkdir(parents=True, exist_ok=True)
        some[0].save(folder / way / f"{name}.gif", save_all=True, append_images=some[1:], duration=80, loop=0)


@pytest.fixture(params=["rolling", "falling"])
def scenes(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, tuple[str, str]]:
    """A folder of clips, and what is said of them forwards and backwards."""
    folder = tmp_path / "gifs"
    for colour, (wall, path) in SCENES.items():
        frames = rolling(colour, wall, path)
        save(colour, frames if request.param == "rolling" else [frame.rotate(-90) for frame in frames], folder)
    return folder, ROLLING if request.param == "rolling" else FALLING


async def found(bundle: str, folder: Path, data_dir: Path, sentences: Sequence[str]) -> list[list[Path]]:
    """The files that an engine answers with, best first, for each sentence."""
    options = EngineOptions(bundle_folder(bundle), data_dir, folder, device="cpu", threads=1)
    async with open_engine(options, Metrics()) as engine:
        await engine.ingestion.index()
        assert engine.ingestion.catalogue is not None
        answers = [await engine.search.search(SearchRequest(words, 10)) for words in sentences]
        keys = [[result.gif.key.id for result in answer.results] for answer in answers]
        return [[path for key in some if (path := await engine.ingestion.catalogue.media(key))] for some in keys]


async def test_words_of_a_direction_find_the_clip_that_goes_there(
    scenes: tuple[Path, tuple[str, str]], tmp_path: Path
) -> None:
    """Of every two clips that differ in the order of their frames only, the one that the words mean comes before the
    other."""
    folder, sentences = scenes
    answers = await found("small_motion", folder, tmp_path, sentences)
    for words, (meant, other), paths in zip(sentences, (WAYS, WAYS[::-1]), answers, strict=True):
        assert len(paths) == 2 * len(SCENES)
        for colour in SCENES:
            places = [paths.index(folder / way / f"{colour}.gif") for way in (meant, other)]
            assert places == sorted(places), (words, paths)


async def test_the_mean_over_frames_sees_one_clip(scenes: tuple[Path, tuple[str, str]], tmp_path: Path) -> None:
    """To the base both are the same GIF: it shows one of each two."""
    folder, sentences = scenes
    for paths in await found("small", folder, tmp_path, sentences):
        assert sorted(path.stem for path in paths) == sorted(SCENES)


async def test_moving_to_it(tmp_path: Path) -> None:
    """``deepgif reindex small_motion`` embeds what the base had embedded; then the one setting that it names chooses
    it, and nothing is embedded again."""
    folder = tmp_path / "gifs"
    save("ball", rolling("red", "white", 0.5), folder)
    status, _, err = await deepgif("index", str(folder), data_dir=tmp_path)
    assert status == 0, err
    status, out, err = await deepgif("reindex", "small_motion", "--folder", str(folder), data_dir=tmp_path)
    assert status == 0, err
    assert "Done. Set DEEPGIF_MODEL=small_motion and restart the engine." in out
    status, out, err = await deepgif("index", str(folder), "--json", data_dir=tmp_path, model="small_motion")
    assert status == 0, err
    assert (json.loads(out)["known"], json.loads(out)["embedded"]) == (2, 0)
    for words, way in zip(ROLLING, WAYS, strict=True):
        arguments = ("search", "--folder", str(folder), "--json", words)
        status, out, err = await deepgif(*arguments, data_dir=tmp_path, model="small_motion")
        assert status == 0, err
        assert json.loads(out)["results"][0]["url"] == (folder / way / "ball.gif").as_uri()
