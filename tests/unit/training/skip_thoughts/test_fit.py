"""Teaching uni-skip, and widening its vocabulary."""

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
    cost_of_a_word,
    encoder_of,
    nearest,
    save_uni_skip,
    teach,
    triples_of,
    unigram_cost,
)
from deepgif.training.skip_thoughts.train import main
from tests.unit.models.networks.test_skip_thoughts import step_by_step

app = typer.Typer()
app.command()(main)
ANIMALS = ["cat", "dog", "cow"]
DOCUMENTS = [[["see", "the", animal], ["the", animal, "runs"], ["good", animal]] for animal in ANIMALS] * 4
OPTIONS = SkipOptions(vocabulary=20, embedding=8, hidden=16, batch=8, steps=150, learning_rate=0.02)


@pytest.fixture(scope="module")
def taught():
    """A model of twelve documents, its words and its sentences."""
    rows = choose_vocabulary(DOCUMENTS, 20)
    data = triples_of(DOCUMENTS, rows)
    costs = []
    model = teach(data, len(rows), OPTIONS, lambda done, total, cost: costs.append(cost))
    return model, rows, data, costs


def test_the_vocabulary_is_of_the_most_frequent():
    """After the mark of the end and the unknown word; others are unknown."""
    rows = choose_vocabulary(DOCUMENTS, 4)
    assert list(rows) == [END, UNKNOWN, "the", "cat"]
    data = triples_of(DOCUMENTS[1:2], rows)
    assert [sentence.tolist() for sentence in (*data.before, *data.here, *data.after)] == [
        [1, 2, 1, 0],
        [2, 1, 1, 0],
        [1, 1, 0],
    ]


def test_triples_stay_within_their_document():
    """Of four sentences come two triples, of two none."""
    rows = {END: 0, UNKNOWN: 1, "a": 2}
    data = triples_of([[["a"]] * 4, [["a"]] * 2, [["a"], [], ["a"], ["a"]]], rows)
    assert len(data.here) == 3


def test_the_cost_written_out(taught):
    """-log P of each word of both neighbours, by GRUs step by step in numpy, within 1e-3 of the sum."""
    model, _, data, _ = taught
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


def test_it_learns_what_comes_before_and_after(taught):
    """Far below the baseline of frequencies; a sentence's nearest is of the same animal."""
    model, rows, data, costs = taught
    assert costs[-1] < 0.3 * costs[0]
    assert cost_of_a_word(model, data) < 0.5 * unigram_cost(data, data, len(rows))
    encoder = SkipThoughts(encoder_of(model, rows))
    texts = [f"the {animal} runs" for animal in ANIMALS]
    ((found, score),) = nearest(encoder, "the cow runs", texts, 1)
    assert (found, score) == ("the cow runs", pytest.approx(1, abs=1e-5))


def test_the_baseline_written_out(taught):
    """Counts with one added, of the training's neighbours."""
    _, rows, data, _ = taught
    said = [word for part in (data.before, data.after) for sentence in part for word in sentence.tolist()]
    chance = {word: (said.count(word) + 1) / (len(said) + len(rows)) for word in range(len(rows))}
    expected = -np.mean([np.log(chance[word]) for word in said])
    assert unigram_cost(data, data, len(rows)) == pytest.approx(expected, abs=1e-9)


def test_it_is_kept_as_its_authors_keep_theirs(taught, tmp_path):
    """What is read back gives the same vectors (1e-6)."""
    model, rows, *_ = taught
    encoder, words = encoder_of(model, rows)
    save_uni_skip(tmp_path, encoder.gru, words)
    texts = ["the cat runs", "an unknown one"]
    expected = SkipThoughts((encoder, words)).encode(texts)
    np.testing.assert_allclose(load_uni_skip(tmp_path).encode(texts), expected, atol=1e-6)
    (tmp_path / "utable.npy").unlink()
    with pytest.raises(SkipFilesError, match="no uni-skip"):
        load_uni_skip(tmp_path)


def test_recurrent_biases_stay_at_nought(taught):
    """The published layout has no place for them."""
    for gru in (taught[0].encoder, taught[0].before, taught[0].after):
        assert not gru.bias_hh_l0.any()
    assert isinstance(taught[0], SkipModel)


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
    """Both formats; the first of a word that stands twice; no more than asked for."""
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
def test_files_that_are_none(tmp_path, name, content):
    """One sentence."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Word2VecError, match="word"):
        read_word2vec(path)


def test_the_vocabulary_is_widened_by_a_linear_regression():
    """Where one space is a linear map of the other it is found exactly (1e-4); taught rows stay as they are."""
    rng = np.random.default_rng(0)
    wide = Words({f"w{n}": n for n in range(40)}, rng.normal(size=(40, 5)).astype(np.float32))
    matrix = rng.normal(size=(5, 7)).astype(np.float32)
    taught = Words(
        {f"w{n}": n for n in range(10)} | {UNKNOWN: 10}, np.vstack([wide.vectors[:10] @ matrix, np.ones((1, 7))])
    )
    both = expand(taught, wide)
    assert len(both.rows) == 41
    np.testing.assert_array_equal(both.vectors[:11], taught.vectors)
    np.testing.assert_allclose(both.vectors[both.rows["w30"]], wide.vectors[30] @ matrix, atol=1e-4)
    with pytest.raises(ValueError, match="only 2 words"):
        expand(Words({"w1": 0, "w2": 1}, np.ones((2, 7), np.float32)), wide)


def test_the_program(tmp_path):
    """From a text to files that can be used, with what it costs and what is near; and what it cannot use."""
    documents = [f"See the {animal}.\nThe {animal} runs.\nWhat a good {animal}!" for animal in ANIMALS * 5]
    (tmp_path / "texts.txt").write_text("\n\n".join(documents))
    words = ["the", "cat", "dog", "horse"]
    (tmp_path / "v.txt").write_bytes(as_text(words, np.eye(4, 2, dtype=np.float32)))
    sizes = ["--embedding", "4", "--hidden", "6", "--steps", "5", "--batch", "4", "--vocabulary", "30"]
    arguments = [str(tmp_path / "texts.txt"), str(tmp_path / "out"), *sizes]
    done = CliRunner().invoke(app, [*arguments, "--word2vec", str(tmp_path / "v.txt")])
    assert done.exit_code == 0, done.output
    for shown in ("perplexity", "of the baseline", "before", "after", "words are known now"):
        assert shown in " ".join(done.output.split())
    assert load_uni_skip(tmp_path / "out").vocabulary_coverage("horse") == 1.0
    for wrong, says in ((tmp_path / "none.txt", "No such file"), (tmp_path / "v.txt", "at least 10 are needed")):
        done = CliRunner().invoke(app, [str(wrong), str(tmp_path / "out")])
        assert (done.exit_code, says in " ".join(done.output.split())) == (1, True), done.output


def test_torch_s_random_numbers_are_left_alone():
    """Teaching with a seed changes nobody else's."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    rows = choose_vocabulary(DOCUMENTS, 20)
    teach(triples_of(DOCUMENTS, rows), len(rows), SkipOptions(20, 2, 2, 2, 1), lambda *_: None)
    assert torch.equal(torch.rand(1), expected)
