"""The reaction head of a bundle: its file, and how the shipped one reads what people type."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from deepgif.models.bundles.load import BUNDLED, load_two_towers
from deepgif.models.bundles.manifest import BundleError
from deepgif.models.bundles.reactions import REACTION_WEIGHTS, load_reactions, save_reactions
from deepgif.models.networks.reaction import CLASSES, REACTIONS, ReactionHead, agreement, gif_probabilities

SPACE = "tiny@1"


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    sizes = ((4, len(CLASSES)), (8, len(CLASSES)), (len(CLASSES),))
    return ReactionHead(*(rng.normal(size=size).astype(np.float16).astype(np.float32) for size in sizes))


@pytest.fixture(scope="module")
def encoder():
    return load_two_towers(BUNDLED / "small")


@pytest.fixture(scope="module")
def shipped(encoder):
    return load_reactions(BUNDLED / "small", encoder.space)


def test_round_trip(tmp_path, head):
    """What is saved is loaded again, and only for the version it was trained for."""
    assert load_reactions(tmp_path, SPACE) is None
    save_reactions(tmp_path, SPACE, head)
    loaded = load_reactions(tmp_path, SPACE)
    for name in ("sentence", "ngrams", "bias"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(head, name))
    assert load_reactions(tmp_path, "tiny@2") is None


@pytest.mark.parametrize("damage", ["cut", "shape", "missing", "nan"])
def test_damaged_files(tmp_path, head, damage):
    """A damaged file is told, not used."""
    path = tmp_path / REACTION_WEIGHTS
    save_reactions(tmp_path, SPACE, head)
    weights = {"sentence": head.sentence, "ngrams": head.ngrams, "bias": head.bias}
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-10])
        case "shape":
            weights["bias"] = weights["bias"][:-1]
        case "missing":
            del weights["ngrams"]
        case "nan":
            weights["bias"] = weights["bias"] * np.nan
    if damage != "cut":
        save_file(weights, path, metadata={"model": SPACE, "classes": " ".join(CLASSES)})
    with pytest.raises(BundleError, match=REACTION_WEIGHTS):
        load_reactions(tmp_path, SPACE)


def predict(shipped, encoder, text):
    scores = shipped.predict(encoder.text_features([text]), [text])
    ranked = [REACTIONS[place] for place in np.argsort(-scores.probabilities[0])]
    return ranked, float(scores.is_reaction[0])


@pytest.mark.parametrize(
    ("text", "reactions"),
    [
        ("when the build passes", {"win", "applause", "happy_dance"}),
        ("happy dance", {"happy_dance"}),
        ("facpalm", {"facepalm"}),
        ("sooooo sorry", {"sorry"}),
        ("THANK YOU ALL", {"thank_you"}),
        ("🙄", {"eye_roll"}),
        ("👍🏿", {"thumbs_up"}),
        ("nooooooo", {"no"}),
        ("i have no idea", {"idk"}),
        ("<3", {"hearts"}),
    ],
)
def test_reactions_people_ask_for(shipped, encoder, text, reactions):
    """One that fits is among the likeliest three."""
    ranked, is_reaction = predict(shipped, encoder, text)
    assert set(ranked[:3]) & reactions
    assert is_reaction > 0.5


@pytest.mark.parametrize(
    "text", ["a dog runs on a beach", "cat falling off a table", "a man playing the piano", "train in the snow"]
)
def test_scenes_are_literal(shipped, encoder, text):
    """The description of a scene asks for no reaction."""
    assert predict(shipped, encoder, text)[1] < 0.5


@pytest.mark.parametrize("text", ["", "   ", "qwzxv", "犬が走る", "\ud800", "\x00", "a" * 5000])
def test_any_text_is_read(shipped, encoder, text):
    """Nothing that people can type breaks it."""
    readable = text.encode("utf-8", "replace").decode()
    scores = shipped.predict(encoder.text_features([readable]), [text])
    assert 0 <= scores.is_reaction[0] <= 1
    assert np.isfinite(scores.probabilities).all()


def test_gifs_of_the_reaction_agree_best(shipped, encoder):
    """A GIF that shows the reaction, by its title or by the words in its picture, before one of a scene."""
    gifs = [["Surfing GIF", "a surfer rides a wave"], ["Movie GIF", "YOU ARE THE CHAMPION"], ["Facepalm GIF"], []]
    pooled = gif_probabilities(shipped, encoder.text_features, gifs)
    for query, best in (("we won the cup", 1), ("what a dumb mistake", 2)):
        scores = shipped.predict(encoder.text_features([query]), [query])
        assert agreement(scores.probabilities[0], pooled).argmax() == best
