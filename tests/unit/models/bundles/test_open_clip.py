"""The CLIP family: small models of random weights on disk, against open_clip's own calls."""

import csv
import json

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from deepgif.models.bundles import open_clip as bundles
from deepgif.models.bundles.load import BUNDLED, bundle_folder, load_bundle
from deepgif.models.bundles.manifest import BundleError, read_info
from deepgif.models.networks.projection import ProjectionHeads, identity_projections
from deepgif.models.preprocess.sampling import Fit, FrameSampling
from deepgif.models.runtime.torchvision import prepare_torchvision
from deepgif.training.projections import train

app = typer.Typer()
app.command()(bundles.main)
SIZE, WIDTH = 32, 48
TOWER = {"image_size": SIZE, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
WORDS = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
TEXTS = ["a cat falls off a table", "a dog", "", "käse 🐱 " * 40]
MEAN, STD = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]


def write(folder, **words):
    """A bundle with a model of random weights beside it, in open_clip's own layout; and that model."""
    prepare_torchvision()
    import open_clip

    config = {"embed_dim": WIDTH, "vision_cfg": TOWER, "text_cfg": {**WORDS, **words}}
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = open_clip.CLIP(**config).eval() if not words else open_clip.CustomTextCLIP(**config).eval()
    if words:
        config["custom_text"] = True
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    bundles.write_clip(folder, "tiny", "local", None, "MIT", frames=2)
    return model


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    return folder, write(folder)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_words_are_open_clip_s(local):
    """Cut to the longest text, and yet the same as all 77 tokens (1e-5), alone and together."""
    import open_clip

    folder, model = local
    encoder = load_bundle(folder)
    with torch.inference_mode():
        expected = unit(model.encode_text(open_clip.get_tokenizer("ViT-B-32")(TEXTS)).numpy())
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=1e-5)
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert encoder.encode_texts([]).shape == encoder.encode_clips([]).shape == (0, WIDTH)
    assert (encoder.dimension, encoder.vocabulary_coverage("a"), encoder.vocabulary_coverage("?")) == (WIDTH, 1.0, 0.0)


def test_frames_are_open_clip_s(local):
    """Bytes, normalised as the model wants them; a clip is the mean of its frames' unit vectors (1e-5)."""
    folder, model = local
    rng = np.random.default_rng(1)
    clips = [rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8) for count in (1, 3)]
    expected = []
    for one in clips:
        pixels = (one / 255.0 - np.array(MEAN)) / np.array(STD)
        with torch.inference_mode():
            frames = model.encode_image(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()
        expected.append(unit(unit(frames).mean(axis=0)))
    np.testing.assert_allclose(load_bundle(folder).encode_clips(clips), np.stack(expected), atol=1e-5)


def test_texts_that_cannot_be_cut_are_not(tmp_path):
    """Where every token sees every other one, as in SigLIP, all of them are read."""
    prepare_torchvision()
    import open_clip

    folder = tmp_path / "tiny"
    model = write(folder, no_causal_mask=True, pool_type="last")
    with torch.inference_mode():
        expected = unit(model.encode_text(open_clip.get_tokenizer("ViT-B-32")(TEXTS)).numpy())
    np.testing.assert_allclose(load_bundle(folder).encode_texts(TEXTS), expected, atol=1e-5)


def test_what_is_missing_is_said(local, tmp_path, monkeypatch):
    """open_clip itself, the weights beside the bundle, a model that nobody knows."""
    with monkeypatch.context() as without:
        without.setattr(bundles, "find_spec", lambda name: None)
        with pytest.raises(BundleError, match=r"pip install 'deepgif\[clip\]'"):
            load_bundle(local[0])
    folder = tmp_path / "tiny"
    write(folder)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"incomplete: .*safetensors is missing"):
        load_bundle(folder)
    (folder / "open_clip_model.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match="its checksum is wrong"):
        load_bundle(folder)
    bundles.write_clip(folder, "tiny", "local", None, "MIT")
    with pytest.raises(BundleError, match="the model in the same folder, which cannot be loaded"):
        load_bundle(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**manifest, "model": "ViT-Z-99", "pretrained": "x"}))
    with pytest.raises(BundleError, match=r"ViT-Z-99 with the weights x, which cannot be loaded .* into .*weights"):
        load_bundle(folder, weights=tmp_path / "weights")


@pytest.mark.parametrize(
    ("name", "licence", "sampling"),
    [
        ("clip_vit_b_32", "MIT", FrameSampling(4, 224, Fit.CENTRE)),
        ("siglip2_b_16", "Apache-2.0", FrameSampling(4, 224, Fit.WHOLE)),
    ],
)
def test_the_shipped_names(name, licence, sampling):
    """They are found by name, say what they are without loading, and stand for models that open_clip knows."""
    prepare_torchvision()
    import open_clip

    folder = bundle_folder(name)
    assert folder == BUNDLED / name
    info = read_info(folder)
    assert (info.kind, info.licence, info.sampling) == ("open-clip", licence, sampling)
    manifest = json.loads((folder / "bundle.json").read_text())
    assert (manifest["model"], manifest["pretrained"]) in open_clip.list_pretrained()
    assert open_clip.get_model_config(manifest["model"])["vision_cfg"]["image_size"] == sampling.size
    other = read_info(bundle_folder("siglip2_b_16" if name == "clip_vit_b_32" else "clip_vit_b_32"))
    assert info.space != other.space


def test_bundles_of_models_by_name(tmp_path):
    """The program writes one for any model that open_clip knows, as the shipped ones are; and says what it does not."""
    run = CliRunner().invoke
    for name, given in (
        ("clip_vit_b_32", ["--model", "ViT-B-32", "--pretrained", "laion2b_s34b_b79k", "--licence", "MIT"]),
        ("siglip2_b_16", ["--model", "ViT-B-16-SigLIP2", "--pretrained", "webli", "--licence", "Apache-2.0"]),
    ):
        done = run(app, [str(tmp_path / name), *given, "--name", name.replace("_", "-")])
        assert done.exit_code == 0, done.output
        written, shipped = ((folder / name / "bundle.json").read_text() for folder in (tmp_path, BUNDLED))
        assert json.loads(written) == json.loads(shipped)
    for given, says in (
        (["--model", "ViT-B-32", "--pretrained", "none"], "no weights none of ViT-B-32"),
        (["--model", "local"], "no open_clip_config.json"),
    ):
        done = run(app, [str(tmp_path / "other"), *given])
        assert (done.exit_code, says in done.output) == (1, True)
    assert read_info(tmp_path / "siglip2_b_16").sampling.fit is Fit.WHOLE


def test_the_space_is_of_its_weights(local, tmp_path):
    """Two models beside their bundles are not the same, whatever they are called."""
    write(tmp_path / "tiny", no_causal_mask=True, pool_type="last")
    assert read_info(local[0]).space != read_info(tmp_path / "tiny").space


def test_adapters_lie_on_top(local, tmp_path):
    """Two maps of unit vectors to unit vectors, written out in numpy (1e-5); the bundle has a version of its own, and
    the model comes along."""
    folder, _ = local
    plain = load_bundle(folder)
    torch.manual_seed(2)
    maps = ProjectionHeads(WIDTH, WIDTH, WIDTH)
    bundles.save_adapted(tmp_path / "adapted", folder, maps)
    adapted = load_bundle(tmp_path / "adapted")
    clips = [np.random.default_rng(3).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)]
    for found, before, linear in (
        (adapted.encode_texts(TEXTS), plain.encode_texts(TEXTS), maps.sentence_map),
        (adapted.encode_clips(clips), plain.encode_clips(clips), maps.frame_map),
    ):
        expected = before @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
        np.testing.assert_allclose(found, unit(expected), atol=1e-5)
    assert adapted.space.startswith("tiny-adapted@")
    assert adapted.info.version != plain.info.version
    bundles.save_adapted(tmp_path / "other", tmp_path / "adapted", identity_projections(WIDTH))
    other = load_bundle(tmp_path / "other")
    assert other.info.name == "tiny-adapted"
    assert other.info.version != adapted.info.version
    np.testing.assert_allclose(other.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-6)
    bundles.save_adapted(tmp_path / "wrong", folder, ProjectionHeads(WIDTH, WIDTH, 3))
    with pytest.raises(BundleError, match="does not contain adapters"):
        load_bundle(tmp_path / "wrong")


def test_adapters_of_a_model_by_name(tmp_path):
    """Nothing but the maps is kept, and the version is of both."""
    bundles.save_adapted(tmp_path / "adapted", bundle_folder("clip_vit_b_32"), identity_projections(512))
    assert sorted(path.name for path in (tmp_path / "adapted").iterdir()) == ["bundle.json", "model.safetensors"]
    info = read_info(tmp_path / "adapted")
    assert (info.name, info.licence) == ("clip-vit-b-32-adapted", "MIT")
    bundles.save_adapted(tmp_path / "siglip", bundle_folder("siglip2_b_16"), identity_projections(512))
    versions = {read_info(folder).version for folder in (tmp_path / "siglip", tmp_path / "adapted")}
    assert len(versions) == 2
    assert read_info(bundle_folder("clip_vit_b_32")).version not in versions


def test_adapters_are_taught_by_the_same_program(local, tmp_path):
    """On what the bundle's own towers see and read; other kinds of bundles have no use for them."""
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "sentence"))
        for number, colour in enumerate(("red", "green", "blue") * 4):
            Image.new("RGB", (40, 30), colour).save(tmp_path / f"{number}.png")
            writer.writerow((f"{number}.png", f"{colour} number {number}"))
    run = typer.Typer()
    run.command()(train.main)
    out = tmp_path / "adapted"
    arguments = ["csv", str(tmp_path), "--run", str(tmp_path / "run"), "--pairs", "640", "--device", "cpu"]
    done = CliRunner().invoke(run, [*arguments, "--bundle", str(local[0]), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "adapters on" in done.output
    assert "info-nce" in done.output
    assert load_bundle(out).encode_texts(["a"]).shape == (1, WIDTH)
    for wrong, says in (
        (["--bundle", "small"], "a bundle of the kind open-clip; small is of another kind"),
        (["--bundle", "nowhere"], "There is no model in nowhere"),
        (["--bundle", str(local[0]), "--device", "tpu"], "set DEEPGIF_DEVICE"),
    ):
        done = CliRunner().invoke(run, [*arguments, *wrong])
        assert (done.exit_code, says in " ".join(done.output.split())) == (1, True), done.output
