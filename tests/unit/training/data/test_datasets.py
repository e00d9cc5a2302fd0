"""Datasets in their published layouts, and the errors for missing parts."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from deepgif.models.bundles.weights import WeightsError
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.data.clips import pan, read_clip
from deepgif.training.data.datasets import (
    DEV,
    TEST,
    TRAIN,
    DatasetError,
    fetch_tgif,
    read_captions,
    read_flickr,
    read_msr_vtt,
    read_msvd,
    read_tgif,
)


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def splits(data):
    return {clip.name: clip.split for clip in data.clips}


@pytest.fixture
def msvd(tmp_path):
    numbers = {"aaa_1_2": 1, "bbb_3_4": 1200, "ccc_5_6": 1201, "ddd_7_8": 1970, "eee_9_9": 5}
    write(tmp_path / "youtube_mapping.txt", "".join(f"{name} vid{number}\n" for name, number in numbers.items()))
    lines = "".join(f"{name} a sentence of {name}\n{name} another\n" for name in list(numbers)[:4])
    write(tmp_path / "AllVideoDescriptions.txt", f"# a comment\n\n{lines}zzz_1_1 of a clip without a number\n")
    for name in numbers:
        write(tmp_path / "YouTubeClips" / f"{name}.avi")
    return tmp_path


def test_msvd(msvd):
    """The usual split by number; clips without captions are left out."""
    data = read_msvd(msvd)
    assert splits(data) == {"aaa_1_2": TRAIN, "bbb_3_4": TRAIN, "ccc_5_6": DEV, "ddd_7_8": TEST}
    assert data.clips[0].captions == ("a sentence of aaa_1_2", "another")
    assert [data.clips[place].name for place in data.split(TEST)] == ["ddd_7_8"]


@pytest.mark.parametrize("part", ["youtube_mapping.txt", "AllVideoDescriptions.txt", "YouTubeClips/bbb_3_4.avi"])
def test_a_part_of_msvd_is_missing(msvd, part):
    """The error names it."""
    (msvd / part).unlink()
    with pytest.raises(DatasetError, match=f"{part} is missing"):
        read_msvd(msvd)


def test_msr_vtt(tmp_path):
    """The splits and captions of every list; videos are found in any subfolder."""
    for number, (split, name) in enumerate((("train", "a"), ("validate", "b"), ("test", "c"))):
        videos = [{"video_id": name, "split": split}]
        sentences = [{"video_id": name, "caption": f" of {name} "}]
        document = {"videos": videos, "sentences": sentences}
        write(tmp_path / f"{number}_videodatainfo.json", json.dumps(document))
        write(tmp_path / "some" / "where" / f"{name}.mp4")
    data = read_msr_vtt(tmp_path)
    assert splits(data) == {"a": TRAIN, "b": DEV, "c": TEST}
    assert data.clips[2].captions == ("of c",)
    (tmp_path / "some" / "where" / "b.mp4").unlink()
    with pytest.raises(DatasetError, match=r"b\.mp4 is missing"):
        read_msr_vtt(tmp_path)
    for wrong in ("no json", "[]", json.dumps({"videos": [{"video_id": "a", "split": "what"}], "sentences": []})):
        write(tmp_path / "0_videodatainfo.json", wrong)
        with pytest.raises(DatasetError, match="is not a list of MSR-VTT's videos"):
            read_msr_vtt(tmp_path)
    with pytest.raises(DatasetError, match=r"no videodatainfo\.json"):
        read_msr_vtt(tmp_path / "some")


@pytest.fixture
def tumblr():
    """A server with two of three GIFs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_response(404 if "gone" in self.path else self.server.status)
            self.end_headers()
            self.wfile.write(b"GIF89a")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.status = [], 200
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_tgif(tmp_path, tumblr):
    """GIFs are downloaded once; those that no longer exist are counted, and not requested again."""
    urls = {name: f"{tumblr.url}/{name}.gif" for name in ("one", "two", "gone")}
    write(tmp_path / "data" / "tgif-v1.0.tsv", "".join(f"{url}\ta sentence\n" for url in urls.values()))
    for split, names in (("train", ["one", "gone"]), ("val", ["two"]), ("test", [])):
        write(tmp_path / "data" / "splits" / f"{split}.txt", "".join(f"{urls[name]}\n" for name in names))
    with pytest.raises(DatasetError, match="is missing"):
        read_tgif(tmp_path)
    tumblr.status = 500
    with pytest.raises(WeightsError):
        fetch_tgif(tmp_path)
    tumblr.status, tumblr.asked = 200, []
    seen = []
    for _ in range(2):
        assert fetch_tgif(tmp_path, lambda done, total: seen.append((done, total))) == 1
    assert sorted(tumblr.asked)[-2:] == ["/one.gif", "/two.gif"]
    assert seen[-1] == (3, 3)
    data = read_tgif(tmp_path)
    assert (splits(data), data.gone) == ({"one": TRAIN, "two": DEV}, 1)


def test_flickr(tmp_path):
    """As published, and as a CSV of images and captions."""
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    write(tmp_path / "Flickr8k.token.txt", "".join(f"{name}#{n}\tof {name}\n" for name in names for n in range(2)))
    for split, name in (("train", "a.jpg"), ("dev", "b.jpg"), ("test", "c.jpg")):
        write(tmp_path / f"Flickr_8k.{split}Images.txt", f"{name}\n")
    for name in names:
        write(tmp_path / "Flicker8k_Dataset" / name)
    data = read_flickr(tmp_path)
    assert splits(data) == {"a.jpg": TRAIN, "b.jpg": DEV, "c.jpg": TEST}
    assert {clip.name: clip.captions for clip in data.clips}["a.jpg"] == ("of a.jpg", "of a.jpg")
    (tmp_path / "Flickr8k.token.txt").unlink()
    write(tmp_path / "captions.csv", "image,caption\na.jpg, one \nb.jpg,two\n")
    assert {clip.captions for clip in read_flickr(tmp_path).clips} == {("one",), ("two",)}
    (tmp_path / "Flickr_8k.trainImages.txt").unlink()
    with pytest.raises(DatasetError, match="no list of training photographs"):
        read_flickr(tmp_path)
    (tmp_path / "captions.csv").unlink()
    with pytest.raises(DatasetError, match="neither"):
        read_flickr(tmp_path)


def test_a_csv(tmp_path):
    """With splits, or with every ninth and tenth clip held out."""
    for number in range(10):
        write(tmp_path / f"{number}.gif")
    rows = "".join(f"{number}.gif,sentence {number}\n{number}.gif,again\n" for number in range(10))
    write(tmp_path / "captions.csv", f"file,sentence\n{rows}")
    data = read_captions(tmp_path)
    assert [clip.split for clip in data.clips] == [TRAIN] * 8 + [DEV, TEST]
    assert data.clips[9].captions == ("sentence 9", "again")
    table = tmp_path / "own.csv"
    write(table, "file,sentence,split\n1.gif,one,Train\n2.gif,two,val\n")
    assert splits(read_captions(table)) == {"1.gif": TRAIN, "2.gif": DEV}
    for text, says in (
        ("file,sentence,split\n1.gif,one,other\n", "unknown split “other”"),
        ("name,sentence\n1.gif,one\n", "needs the columns"),
        ("file,sentence\nnone.gif,one\n", r"none\.gif is missing"),
        ("file,sentence\n", "No clip"),
    ):
        write(table, text)
        with pytest.raises(DatasetError, match=says):
            read_captions(table)
    with pytest.raises(DatasetError, match=r"captions\.csv is missing"):
        read_captions(tmp_path / "nowhere" / "captions.csv")


def test_a_video(tmp_path):
    """Frames of a video, evenly spaced in time: black, then white."""
    film = np.zeros((20, 32, 48, 3), np.uint8)
    film[10:] = 255
    iio.imwrite(tmp_path / "film.mp4", film, plugin="pyav", codec="libx264", fps=10, out_pixel_format="yuv420p")
    clip = read_clip(tmp_path / "film.mp4", FrameSampling(4, 16))
    assert clip.shape == (4, 16, 16, 3)
    assert [int(frame.mean()) // 128 for frame in clip] == [0, 0, 1, 1]


def test_a_photograph_that_moves(tmp_path):
    """The view starts with the whole photograph and ends in its bottom right."""
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[60:, 60:] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    clip = pan(tmp_path / "a.png", FrameSampling(5, 40))
    assert clip.shape == (5, 40, 40, 3)
    shares = [(frame > 127).mean() for frame in clip]
    assert shares[0] == pytest.approx(1 / 16, abs=0.01)
    assert shares[-1] == pytest.approx(1 / 9, abs=0.01)


def test_a_list_of_some_clips(tmp_path):
    """Only the listed clips, in the list's order, from images/; without ``files`` they need not exist."""
    rows = [f"{name}.png,{text} {name}" for name in "abc" for text in ("one", "two")]
    write(tmp_path / "captions.csv", "\n".join(["image,caption", *rows]))
    write(tmp_path / "dev.txt", "c.png\na.png\n")
    with pytest.raises(DatasetError, match=r"c\.png is missing"):
        read_captions(tmp_path / "dev.txt")
    assert read_captions(tmp_path / "dev.txt", files=False).captions == ["one c", "two c", "one a", "two a"]
    for name in "ac":
        write(tmp_path / "images" / f"{name}.png")
    data = read_captions(tmp_path / "dev.txt")
    assert [clip.path for clip in data.clips] == [tmp_path / "images" / f"{name}.png" for name in "ca"]
    assert (data.clip_of_caption, data.split(DEV)) == ([0, 0, 1, 1], [0, 1])
