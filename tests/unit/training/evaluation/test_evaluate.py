"""The retrieval metrics of a bundle, and the frames that they are measured on."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from deepgif.models.preprocess.frames import frame_of
from deepgif.models.preprocess.sampling import Fit, FrameSampling
from deepgif.models.runtime.torchvision import prepare_torchvision
from deepgif.training.data.clips import read_clip
from deepgif.training.data.datasets import DatasetError, read_captions
from deepgif.training.evaluation.evaluate import main
from tests.fakes.media import animation

runner = CliRunner()
app = typer.Typer()
app.command()(main)
COLOURS = ("red", "lime", "blue")


@pytest.fixture
def data(tmp_path):
    """Three plain pictures with one caption each."""
    (tmp_path / "images").mkdir()
    for colour in COLOURS:
        Image.new("RGB", (32, 32), colour).save(tmp_path / "images" / f"{colour}.png")
    rows = [f"{colour}.png,a {colour} wall" for colour in reversed(COLOURS)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *rows]))
    return tmp_path


def test_clips(tmp_path):
    """Evenly spaced frames of an animation; a still is a clip of one frame."""
    (tmp_path / "a.gif").write_bytes(animation("GIF", [*COLOURS, "white"]))
    clip = read_clip(tmp_path / "a.gif", FrameSampling(2, 8))
    assert clip.shape == (2, 8, 8, 3)
    assert [tuple(frame[4, 4]) for frame in clip] == [(0, 255, 0), (255, 255, 255)]
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "b.png")
    assert (read_clip(tmp_path / "b.png", FrameSampling(2, 8)) == 255).all()


@pytest.mark.parametrize("name", ["none.csv", "none.txt"])
def test_missing_data(tmp_path, name):
    """The error names it."""
    with pytest.raises(DatasetError, match="is missing"):
        read_captions(tmp_path / name)


def test_wrong_tables(tmp_path):
    """A CSV with other columns, or without captions, is refused."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DatasetError, match="needs the columns"):
        read_captions(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("file,sentence\n")
    with pytest.raises(DatasetError, match=r"No clip of .* has captions"):
        read_captions(tmp_path / "b.csv")


def test_the_table(data):
    """Both directions for each dataset, as a table and as JSON."""
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
    """One sentence, and a non-zero exit status."""
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
