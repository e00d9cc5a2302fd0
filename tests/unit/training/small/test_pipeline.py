"""A run that goes on from a bundle."""

import dataclasses

import pytest
import torch
from rich.console import Console

from deepgif.models.bundles.manifest import BundleError
from deepgif.models.bundles.small import save_small
from deepgif.models.networks.joint import JointModel
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
    options = PipelineOptions(distil_epochs=0, start=start)
    pipeline = Pipeline(tmp_path / "data", tmp_path / "run", tmp_path / "font.ttf", options, Console())
    pipeline.config = dataclasses.replace(CONFIG, weighted=True)
    return pipeline


def test_the_gru_and_the_vocabulary_are_those_of_the_bundle(pipeline, model):
    """Without a round of teaching no data is read, and sentences get the bundle's vectors, within float16's precision,
    though the new GRU may weigh its pieces."""
    pieces = pad(to_pieces(pipeline.tokenizer, TEXTS))
    with torch.no_grad():
        torch.testing.assert_close(pipeline.sentences(*pieces), model.sentences(*pieces), atol=2e-3, rtol=2e-3)


def test_a_damaged_start_is_refused(pipeline):
    """Weights that are not those of the description are not learnt from."""
    (pipeline.options.start / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match="damaged"):
        _ = pipeline.sentences
