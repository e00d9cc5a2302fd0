"""Described files and the table of how well a bundle finds them."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from deepgif.models.preprocess.frames import frame_of
from deepgif.models.preprocess.sampling import Fit, FrameSampling
from deepgif.models.runtime.torchvision import prepare_torchvision
from deepgif.training.data.datasets import DatasetError, read_clip, read_described
from deepgif.training.evaluation.evaluate import main
from tests.fakes.media import animation

runner = CliRunner()
app = typer.Typer()
app.command()(main)
COLOURS = ("red", "lime", "blue")


@pytest.fixture
def data(tmp_path):
    """Three plain pictures, each described once, in both forms."""
    (tmp_path / "images").mkdir()
    for colour in COLOURS:
        Image.new("RGB", (32, 32), colour).save(tmp_path / "images" / f"{colour}.png")
    rows = [f"{colour}.png,a {colour} wall" for colour in reversed(COLOURS)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *rows]))
    (tmp_path / "dev.txt").write_text("red.png\nlime.png\n")
    return tmp_path


def test_both_forms(data):
    """A table of its own, or a split beside captions.csv."""
    whole = read_described(data / "captions.csv")
    assert [path.name for path in whole.files] == ["blue.png", "lime.png", "red.png"]
    assert whole.sentences == ("a blue wall", "a lime wall", "a red wall")
    part = read_described(data / "dev.txt")
    assert [path.name for path in part.files] == ["lime.png", "red.png"]
    assert part.file_of_sentence == (0, 1)


def test_clips(tmp_path):
    """Frames of animations, evenly spaced, and stills as clips of one frame."""
    (tmp_path / "a.gif").write_bytes(animation("GIF", [*COLOURS, "white"]))
    clip = read_clip(tmp_path / "a.gif", FrameSampling(2, 8))
    assert clip.shape == (2, 8, 8, 3)
    assert [tuple(frame[4, 4]) for frame in clip] == [(0, 255, 0), (255, 255, 255)]
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "b.png")
    assert (read_clip(tmp_path / "b.png", FrameSampling(2, 8)) == 255).all()


@pytest.mark.parametrize("name", ["none.csv", "none.txt"])
def test_missing_data(tmp_path, name):
    """What is missing is named."""
    with pytest.raises(DatasetError, match="is missing"):
        read_described(tmp_path / name)


def test_wrong_tables(tmp_path):
    """A table with other columns, or that describes nothing, is refused."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DatasetError, match="needs the columns"):
        read_described(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("file,sentence\n")
    with pytest.raises(DatasetError, match="describes no file"):
        read_described(tmp_path / "b.csv")


def test_the_table(data):
    """Both directions for each data set, for people and for programs."""
    result = runner.invoke(app, [str(data / "captions.csv"), "--bundle", "small"])
    assert result.exit_code == 0, result.output
    assert "R@1" in result.output
    result = runner.invoke(app, [str(data / "captions.csv"), "--bundle", "small", "--json"])
    (found,) = json.loads(result.stdout)["results"].values()
    assert found["text_to_clip"]["r5"] == found["clip_to_text"]["r10"] == 100  # of three


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["nowhere.csv"], "nowhere.csv is missing"), (["nowhere.csv", "--bundle", "nothing"], "There is no model")],
)
def test_what_cannot_be_measured(arguments, says):
    """One sentence, and an exit status that says so."""
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert says in " ".join(result.output.split())


@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300), (256, 256), (40, 31)])
def test_the_middle_is_torchvision_s(width, height):
    """The crop equals torchvision's ``resize`` and ``center_crop`` of the same picture (every pixel within 1)."""
    prepare_torchvision()
    from torchvision.transforms import functional

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    expected = functional.center_crop(functional.resize(picture, 256), 224)
    found = frame_of(picture, FrameSampling(1, 224, Fit.CROP))
    np.testing.assert_allclose(found.astype(int), np.asarray(expected).astype(int), atol=1)
