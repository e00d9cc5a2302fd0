"""Training uni-skip, and expanding its vocabulary."""

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from deepgif.models.bundles.skip_thoughts import SkipFilesError, load_uni_skip
from deepgif.models.networks.skip_thoughts import END, UNKNOWN, SkipThoughts, Words
from deepgif.training.pretrained.word2vec import Word2VecError, expand, read_word2vec
from deepgif.training.skip_thoughts.fit import (
    SkipModel,
    SkipOptions,
    choose_vocabulary,
    encoder_of,
    fit,
    loss_per_word,
    nearest,
    save_uni_skip,
    triples_of,
    unigram_loss,
)
from deepgif.training.skip_thoughts.train import main
from tests.unit.models.networks.test_skip_thoughts import step_by_step

app = typer.Typer()
app.command()(main)
ANIMALS = ["cat", "dog", "cow"]
DOCUMENTS = [[["see", "the", animal], ["the", animal, "runs"], ["good", animal]] for animal in ANIMALS] * 4
OPTIONS = SkipOptions(vocabulary=20, embedding=8, hidden=16, batch=8, steps=150, learning_rate=0.02)


@pytest.fixture(scope="module")
def trained():
    """A model of twelve documents, its words and its sentences."""
    rows = choose_vocabulary(DOCUMENTS, 20)
    data = triples_of(DOCUMENTS, rows)
    losses = []
    model = fit(data, len(rows), OPTIONS, lambda done, total, cost: losses.append(cost))
    return model, rows, data, losses


def test_the_vocabulary_has_the_most_frequent_words():
    """They follow the end mark and the unknown word; all others are unknown."""
    rows = choose_vocabulary(DOCUMENTS, 4)
    assert list(rows) == [END, UNKNOWN, "the", "cat"]
    data = triples_of(DOCUMENTS[1:2], rows)
    assert [sentence.tolist() for sentence in (*data.before, *data.here, *data.after)] == [
        [1, 2, 1, 0],
        [2, 1, 1, 0],
        [1, 1, 0],
    ]


def test_triples_stay_within_their_document():
    """Four sentences give two triples, two give none."""
    rows = {END: 0, UNKNOWN: 1, "a": 2}
    data = triples_of([[["a"]] * 4, [["a"]] * 2, [["a"], [], ["a"], ["a"]]], rows)
    assert len(data.here) == 3


def test_the_loss_by_hand(trained):
    """-log P of each word of both neighbours, by GRUs step by step in numpy, within 1e-3 of the sum."""
    model, _, data, _ = trained
    before, here, after = data.before[1], data.here[1], data.after[1]
    cost, words = model([before], [here], [after])
    assert words == len(before) + len(after)

    def arrays(gru):
        part = {name: value.detach().numpy() for name, value in gru.named_parameters()}
        size = gru.hidden_size
        given, back, bias = part["weight_ih_l0"].T, part["weight_hh_l0"].T, part["bias_ih_l0"]
        gates = {"W": given[:, : 2 * size], "U": back[:, : 2 * size], "b": bias[: 2 * size]}
        return {**gates, "Wx": given[:, 2 * size :], "Ux": back[:, 2 * size :], "bx": bias[2 * size :]}

    table = model.words.weight.detach().numpy()
    state = step_by_step(table[here.numpy()], arrays(model.encoder), "")
    weight, bias = model.output.weight.detach().numpy(), model.output.bias.detach().numpy()
    expected = 0.0
    for decoder, sentence in ((model.before, before), (model.after, after)):
        seen = np.concatenate([np.zeros((1, table.shape[1])), table[sentence.numpy()[:-1]]])
        given = np.concatenate([seen, np.tile(state, (len(seen), 1))], axis=1)
        for length, target in enumerate(sentence.tolist(), 1):
            scores = weight @ step_by_step(given[:length], arrays(decoder), "") + bias
            expected += np.log(np.exp(scores).sum()) - scores[target]
    assert cost.item() == pytest.approx(expected, abs=1e-3)


def test_it_learns_the_neighbouring_sentences(trained):
    """The loss is far below the unigram baseline; a sentence's nearest neighbour is of the same animal."""
    model, rows, data, losses = trained
    assert losses[-1] < 0.3 * losses[0]
    assert loss_per_word(model, data) < 0.5 * unigram_loss(data, data, len(rows))
    encoder = SkipThoughts(encoder_of(model, rows))
    texts = [f"the {animal} runs" for animal in ANIMALS]
    ((found, score),) = nearest(encoder, "the cow runs", texts, 1)
    assert (found, score) == ("the cow runs", pytest.approx(1, abs=1e-5))


def test_the_baseline_by_hand(trained):
    """Counts with one added, of the training's neighbours."""
    _, rows, data, _ = trained
    said = [word for part in (data.before, data.after) for sentence in part for word in sentence.tolist()]
    chance = {word: (said.count(word) + 1) / (len(said) + len(rows)) for word in range(len(rows))}
    expected = -np.mean([np.log(chance[word]) for word in said])
    assert unigram_loss(data, data, len(rows)) == pytest.approx(expected, abs=1e-9)


def test_the_published_layout(trained, tmp_path):
    """The loaded encoder gives the same vectors (1e-6)."""
    model, rows, *_ = trained
    encoder, words = encoder_of(model, rows)
    save_uni_skip(tmp_path, encoder.gru, words)
    texts = ["the cat runs", "an unknown one"]
    expected = SkipThoughts((encoder, words)).encode(texts)
    np.testing.assert_allclose(load_uni_skip(tmp_path).encode(texts), expected, atol=1e-6)
    (tmp_path / "utable.npy").unlink()
    with pytest.raises(SkipFilesError, match="no uni-skip"):
        load_uni_skip(tmp_path)


def test_recurrent_biases_stay_zero(trained):
    """The published layout has no place for them."""
    for gru in (trained[0].encoder, trained[0].before, trained[0].after):
        assert not gru.bias_hh_l0.any()
    assert isinstance(trained[0], SkipModel)


def as_text(words, vectors):
    rows = [f"{word} {' '.join(map(str, vector))}" for word, vector in zip(words, vectors, strict=True)]
    return "\n".join([f"{len(words)} {vectors.shape[1]}", *rows, ""]).encode()


def as_binary(words, vectors):
    rows = [
        word.encode() + b" " + vector.astype("<f4").tobytes() + b"\n"
        for word, vector in zip(words, vectors, strict=True)
    ]
    return b"".join([f"{len(words)} {vectors.shape[1]}\n".encode(), *rows])


@pytest.mark.parametrize(("name", "write"), [("v.txt", as_text), ("v.bin", as_binary)])
def test_word2vec_s_files(tmp_path, name, write):
    """Both formats; the first of two entries for a word; no more than requested."""
    words, vectors = ["the", "käse", "the", "dog"], np.arange(12, dtype=np.float32).reshape(4, 3)
    path = tmp_path / name
    path.write_bytes(write(words, vectors))
    read = read_word2vec(path)
    assert read.rows == {"the": 0, "käse": 1, "dog": 2}
    np.testing.assert_array_equal(read.vectors, vectors[[0, 1, 3]])
    assert list(read_word2vec(path, most=2).rows) == ["the", "käse"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.txt", b""),
        ("v.txt", b"no header\n"),
        ("v.txt", b"2 99999999\n"),
        ("v.txt", b"2 2\na 1 2\nb 1\n"),
        ("v.txt", b"1 2\na x y\n"),
        ("v.txt", b"1 2\n"),
        ("v.bin", b"1 2\nword \0\0"),
        ("v.bin", b"1 2\n" + b"x" * 5000),
    ],
)
def test_invalid_word2vec_files(tmp_path, name, content):
    """One sentence."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Word2VecError, match="word"):
        read_word2vec(path)


def test_the_vocabulary_is_expanded_by_a_linear_regression():
    """If one space is a linear map of the other, the map is recovered (1e-4); trained rows stay unchanged."""
    rng = np.random.default_rng(0)
    wide = Words({f"w{n}": n for n in range(40)}, rng.normal(size=(40, 5)).astype(np.float32))
    matrix = rng.normal(size=(5, 7)).astype(np.float32)
    trained = Words(
        {f"w{n}": n for n in range(10)} | {UNKNOWN: 10}, np.vstack([wide.vectors[:10] @ matrix, np.ones((1, 7))])
    )
    both = expand(trained, wide)
    assert len(both.rows) == 41
    np.testing.assert_array_equal(both.vectors[:11], trained.vectors)
    np.testing.assert_allclose(both.vectors[both.rows["w30"]], wide.vectors[30] @ matrix, atol=1e-4)
    with pytest.raises(ValueError, match="only 2 words"):
        expand(Words({"w1": 0, "w2": 1}, np.ones((2, 7), np.float32)), wide)


def test_the_program(tmp_path):
    """From a text file to an encoder, with its loss and nearest neighbours; and the errors."""
    documents = [f"See the {animal}.\nThe {animal} runs.\nWhat a good {animal}!" for animal in ANIMALS * 5]
    (tmp_path / "texts.txt").write_text("\n\n".join(documents))
    words = ["the", "cat", "dog", "horse"]
    (tmp_path / "v.txt").write_bytes(as_text(words, np.eye(4, 2, dtype=np.float32)))
    sizes = ["--embedding", "4", "--hidden", "6", "--steps", "5", "--batch", "4", "--vocabulary", "30"]
    arguments = [str(tmp_path / "texts.txt"), str(tmp_path / "out"), *sizes]
    done = CliRunner().invoke(app, [*arguments, "--word2vec", str(tmp_path / "v.txt")])
    assert done.exit_code == 0, done.output
    for shown in ("perplexity", "unigram baseline", "before", "after", "vocabulary now has"):
        assert shown in " ".join(done.output.split())
    assert load_uni_skip(tmp_path / "out").vocabulary_coverage("horse") == 1.0
    for wrong, says in ((tmp_path / "none.txt", "none.txt is missing"), (tmp_path / "v.txt", "it needs 10")):
        done = CliRunner().invoke(app, [str(wrong), str(tmp_path / "out")])
        assert (done.exit_code, says in " ".join(done.output.split())) == (1, True), done.output


def test_torch_s_random_numbers_are_left_alone():
    """Training restores torch's random state."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    rows = choose_vocabulary(DOCUMENTS, 20)
    fit(triples_of(DOCUMENTS, rows), len(rows), SkipOptions(20, 2, 2, 2, 1), lambda *_: None)
    assert torch.equal(torch.rand(1), expected)
