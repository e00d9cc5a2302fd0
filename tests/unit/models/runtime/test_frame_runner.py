"""Frames through a network: the same features however they are cut, sized and shared out, and memory that runs out."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.nn import functional as F

from deepgif.models.bundles.load import BUNDLED, bundle_folder, load_bundle
from deepgif.models.preprocess.frames import frame_of
from deepgif.models.preprocess.sampling import Fit, FrameSampling
from deepgif.models.runtime.frame_runner import (
    FRAMES_ON_CPU,
    MOST_FRAMES,
    DeviceError,
    FrameRunner,
    as_graphs,
    choose_devices,
    frames_that_fit,
    pieces,
    squares,
)

CATALOGUE = BUNDLED.parent / "engine" / "catalogue" / "gifs"
SIZE = 16
SAMPLING = FrameSampling(4, SIZE)


class Means(nn.Module):
    """The mean of each colour, and one more; ``most`` frames are all that its device has memory for."""

    def __init__(self, most=10_000):
        super().__init__()
        self.most = most
        self.batches = []
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, frames):
        self.batches.append(len(frames))
        if len(frames) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return F.pad(frames.float().mean(dim=(2, 3)), (0, 1), value=1.0) * self.scale


def clips_of(*lengths, size=SIZE):
    rng = np.random.default_rng(sum(lengths))
    return [rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8) for count in lengths]


def expected(clips):
    return [2 * np.pad(clip.mean(axis=(1, 2)), ((0, 0), (0, 1)), constant_values=1) for clip in clips]


def assert_features(found, clips):
    for features, own in zip(found, expected(clips), strict=True):
        np.testing.assert_allclose(features.numpy(), own, rtol=1e-4)


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu"), ("cpu", "cpu", "cpu")])
def test_every_clip_gets_its_own_features(devices):
    """However many devices share the work; clips may be longer than a batch, and there may be none."""
    runner = FrameRunner(Means(), SAMPLING, devices)
    clips = clips_of(3, 1, FRAMES_ON_CPU + 5, 2)
    assert_features(runner(clips), clips)
    assert runner([]) == []
    assert runner.frames_at_once == FRAMES_ON_CPU * len(devices)


def test_devices_share_the_work():
    """A batch is cut into as many parts as there are devices."""
    network = Means()
    runner = FrameRunner(network, SAMPLING, ("cpu", "cpu"))
    runner(clips_of(10))
    assert network.batches == [5]


def test_the_cpu_computes_a_few_frames_at_once():
    """Where a network asks for that."""
    network = Means()
    clips = clips_of(9)
    assert_features(FrameRunner(network, SAMPLING, few=4)(clips), clips)
    assert network.batches == [4, 4, 1]


def test_when_memory_runs_out_the_batch_is_halved(caplog):
    """The answer is the same, it is said once a halving, and later batches are small from the start."""
    network = Means(most=9)
    runner = FrameRunner(network, SAMPLING)
    clips = clips_of(20, 4, 40)
    with caplog.at_level(logging.WARNING):
        assert_features(runner(clips), clips)
    assert runner.frames_at_once == 8
    assert [record.message for record in caplog.records] == [
        f"Out of memory on cpu: reduced the batch to {count} frames." for count in (32, 16, 8)
    ]
    network.batches.clear()
    assert_features(runner(clips), clips)
    assert max(network.batches) == 8


def test_where_not_one_frame_fits_it_is_said():
    """Nothing is tried for ever; with memory again it goes on."""
    network = Means(most=0)
    runner = FrameRunner(network, SAMPLING)
    with pytest.raises(torch.OutOfMemoryError):
        runner(clips_of(5))
    network.most = 3
    assert_features(runner(clips_of(5)), clips_of(5))


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
def test_pieces_hold_all_frames_in_order(lengths, most):
    """None holds more than it may, and all but the last are full."""
    rest = iter(range(sum(lengths)))
    clips = [np.array([next(rest) for _ in range(count)], np.uint8).reshape(count, 1, 1, 1) for count in lengths]
    cut = list(pieces(clips, most))
    assert [int(frame) for piece in cut for part in piece for frame in part.ravel()] == list(range(sum(lengths)))
    assert all(sum(map(len, piece)) == most for piece in cut[:-1])
    assert all(0 < sum(map(len, piece)) <= most for piece in cut)


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize(("width", "height"), [(300, 200), (97, 180), (16, 16), (20, 13), (8, 8)])
def test_frames_are_resized_as_pillow_does(fit, width, height):
    """Every pixel within 2 of 255 levels, larger and smaller, squeezed and cropped; what has the size is left alone."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    sampling = FrameSampling(2, SIZE, fit)
    found = squares([torch.from_numpy(frames)], sampling).permute(0, 2, 3, 1).numpy()
    for own, frame in zip(found, frames, strict=True):
        pillow = (frame if frame.shape[:2] == (SIZE, SIZE) else frame_of(Image.fromarray(frame), sampling)).astype(int)
        np.testing.assert_allclose(own.astype(int), pillow, atol=2)


def test_clips_of_several_sizes_go_together():
    """They are resized where the network is, next to those that fit already."""
    runner = FrameRunner(Means(), SAMPLING)
    clips = [*clips_of(2), *clips_of(1, 3, size=40), *clips_of(1)]
    found = runner(clips)
    for features, clip in zip(found, clips, strict=True):
        own = [frame_of(Image.fromarray(frame), SAMPLING).mean(axis=(0, 1)) for frame in clip]
        np.testing.assert_allclose(features[:, :3].numpy(), 2 * np.stack(own), atol=1.5)


def test_a_network_that_cannot_be_captured(monkeypatch, caplog):
    """It is computed as it is, which is said; memory that runs out is left to the caller."""
    network, device = Means(), torch.device("cuda:0")

    def failing(error):
        def capture(*arguments):
            raise error

        monkeypatch.setattr("deepgif.models.runtime.frame_runner.Graphs", capture)

    failing(RuntimeError("Cannot copy between CPU and CUDA tensors"))
    assert as_graphs(network, SIZE, 48, device) == (network, 48)
    assert "cannot be captured as a CUDA graph" in caplog.text
    failing(torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(torch.OutOfMemoryError):
        as_graphs(network, SIZE, 48, device)


def test_resizing_later_changes_no_vector():
    """The shipped model sees the same in a frame, whoever resizes it (cosine above 0.999)."""
    encoder = load_bundle(bundle_folder("small"))
    with Image.open(sorted(CATALOGUE.glob("*.gif"))[0]) as picture:
        frame = np.asarray(picture.convert("RGB").resize((200, 150)))
    resized = frame_of(Image.fromarray(frame), encoder.sampling)
    one, other = encoder.encode_clips([frame[np.newaxis], resized[np.newaxis]])
    assert one @ other > 0.999


def test_bfloat16_changes_little():
    """What the shipped network sees in half the bits: the cosine of its features stays above 0.995."""
    encoder = load_bundle(bundle_folder("small"))
    clips = [clip.repeat(14, axis=1).repeat(14, axis=2) for clip in clips_of(2)]
    (full,) = encoder.frame_features(clips)
    network = encoder._frames._lanes[0]._network.args[0].to(torch.bfloat16)
    with torch.inference_mode():
        half = network(torch.from_numpy(clips[0]).permute(0, 3, 1, 2)).float()
    assert (F.cosine_similarity(torch.from_numpy(full), half) > 0.995).all()


@pytest.mark.parametrize(
    ("free", "needed", "fits"),
    [(0, 1e6, 1), (1e9, 1e6, MOST_FRAMES), (1e8, 1e6, 50), (1e6, 1e9, 1), (1e6, 0, MOST_FRAMES)],
)
def test_how_many_frames_fit(free, needed, fits):
    """Half of what is free is used, at least one frame is computed, and never more than is of any use."""
    assert frames_that_fit(int(free), needed) == fits


@pytest.mark.parametrize(
    ("setting", "gpus", "devices"),
    [
        ("auto", 0, ("cpu",)),
        ("auto", 2, ("cuda:0",)),
        ("cpu", 2, ("cpu",)),
        ("onnxruntime", 1, ("onnxruntime",)),
        ("cuda", 1, ("cuda:0",)),
        ("cuda:1", 2, ("cuda:1",)),
        ("cuda:1,cuda:0,cuda:1", 2, ("cuda:1", "cuda:0")),
        ("all", 3, ("cuda:0", "cuda:1", "cuda:2")),
        ("cuda", 0, "has no GPU that torch can use"),
        ("all", 0, "has no GPU"),
        ("cuda:2", 2, "has 2 GPUs that torch can use: set DEEPGIF_DEVICE"),
        ("cuda:0,cuda:1", 1, "has 1 GPU that"),
        ("tpu", 1, "has 1 GPU that"),
    ],
)
def test_which_devices_a_setting_means(monkeypatch, setting, gpus, devices):
    """Each once, in the order given; what is not there is said with what to do."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if isinstance(devices, str):
        with pytest.raises(DeviceError, match=devices):
            choose_devices(setting)
    else:
        assert choose_devices(setting) == devices
