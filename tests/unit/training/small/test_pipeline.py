"""A run that continues from a bundle."""

import dataclasses

import pytest
import torch
from rich.console import Console

from deepgif.models.bundles.manifest import BundleError
from deepgif.models.bundles.small import save_small
from deepgif.models.networks.efficientnet import EfficientNetLite
from deepgif.models.networks.joint import Backbone, JointModel
from deepgif.models.networks.sentence import SentenceConfig, pad, to_pieces
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.small.pipeline import Pipeline, PipelineOptions
from deepgif.training.small.vocabulary import learn_vocabulary

CONFIG = SentenceConfig(vocabulary=300, embedding=8, hidden=6)
TEXTS = ["a red dog", "two cats here"]


@pytest.fixture
def model():
    torch.manual_seed(3)
    return JointModel(CONFIG).eval()


@pytest.fixture
def pipeline(tmp_path, model):
    start = tmp_path / "start"
    save_small(start, "tiny", "MIT", FrameSampling(2, 32), model, learn_vocabulary(TEXTS, CONFIG.vocabulary))
    options = PipelineOptions(distil_epochs=0, finetune_steps=0, weighted=True, start=start)
    pipeline = Pipeline(tmp_path / "data", tmp_path / "run", tmp_path / "font.ttf", options, Console())
    pipeline.config = dataclasses.replace(CONFIG, weighted=True)
    return pipeline


def test_the_gru_and_the_vocabulary_are_those_of_the_bundle(pipeline, model):
    """Without epochs no data is read, and texts get the bundle's vectors, within float16's precision, although the new
    GRU has attention."""
    pieces = pad(to_pieces(pipeline.tokenizer, TEXTS))
    with torch.no_grad():
        torch.testing.assert_close(pipeline.sentences(*pieces), model.sentences(*pieces), atol=2e-3, rtol=2e-3)


def test_without_fine_tuning_both_networks_are_frozen(pipeline, monkeypatch):
    """The model has the chosen backbone with its pretrained weights, and the GRU that it started from."""
    torch.manual_seed(4)
    network = EfficientNetLite()
    monkeypatch.setattr("deepgif.training.small.pipeline.packaged_weights", lambda: "weights")
    monkeypatch.setattr("deepgif.training.small.pipeline.load_efficientnet", {"weights": network}.get)
    pipeline.options = dataclasses.replace(pipeline.options, backbone=Backbone.EFFICIENTNET_LITE0)
    tuned = pipeline.tuned
    assert tuned.backbone is Backbone.EFFICIENTNET_LITE0
    assert tuned.sentences is pipeline.sentences
    for name, value in network.state_dict().items():
        torch.testing.assert_close(tuned.frames.state_dict()[name], value)


def test_a_damaged_start_is_refused(pipeline):
    """Weights with another checksum are not used."""
    (pipeline.options.start / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match="damaged"):
        _ = pipeline.sentences
