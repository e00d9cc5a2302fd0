"""Skip-Thoughts against a GRU written out step by step, and the authors' files as they published them."""

import pickle

import numpy as np
import pytest

from deepgif.models.bundles.skip_thoughts import SkipFilesError, load_skip_thoughts, read_dictionary, read_options
from deepgif.models.networks.skip_thoughts import END, UNKNOWN, SkipThoughts, UniSkip, Words, gru_of, tokenize, with_end

E, UNI, BI = 6, 8, 5
VOCABULARY = ["a", "cat", "A", "table", UNKNOWN, END, ".", "falls", "cat"]
TEXTS = ["A cat falls.", "a zebra falls on a table", "", "cat", "A cat falls. A table"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_by_step(words, arrays, prefix="encoder_"):
    """The last state of the GRU over vectors (L, E), in float64, by equations 1 to 4 of the paper."""
    part = {name: arrays[prefix + name].astype(np.float64) for name in ("W", "U", "b", "Wx", "Ux", "bx")}
    size = part["Ux"].shape[0]
    h = np.zeros(size)
    for x in words.astype(np.float64):
        gates = sigmoid(x @ part["W"] + part["b"] + h @ part["U"])
        r, u = gates[:size], gates[size:]
        c = np.tanh(x @ part["Wx"] + part["bx"] + r * (h @ part["Ux"]))
        h = u * h + (1 - u) * c
    return h


def parameters(rng, size, prefix="encoder_"):
    shapes = {
        "W": (E, 2 * size),
        "U": (size, 2 * size),
        "b": (2 * size,),
        "Wx": (E, size),
        "Ux": (size, size),
        "bx": (size,),
    }
    return {prefix + name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def published(tmp_path):
    """The seven files, small; options as Python 2 pickled them."""
    rng = np.random.default_rng(0)
    uni = parameters(rng, UNI)
    bi = {**parameters(rng, BI), **parameters(rng, BI, "encoder_r_")}
    np.savez(tmp_path / "uni_skip.npz", **uni, decoder_f_W=np.ones(3), Wemb=np.ones((4, E)))
    np.savez(tmp_path / "bi_skip.npz", **bi, Wemb=np.ones((4, E)))
    for name in ("utable", "btable"):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(len(VOCABULARY), E)).astype(np.float32))
    (tmp_path / "dictionary.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    options = {"encoder": "gru", "dim_word": E, "dim": UNI, "decay_c": 0.5, "reload_": False, "dictionary": None}
    for name in ("uni", "bi"):
        (tmp_path / f"{name}_skip.npz.pkl").write_bytes(pickle.dumps(options, protocol=0))
    return tmp_path, uni, bi


def test_combine_skip_is_the_gru_step_by_step(published):
    """[uni | forwards | backwards], each half of unit length, within 1e-5; unknown words, the mark of the end, several
    sentences, and an empty text."""
    folder, uni, bi = published
    encoder = load_skip_thoughts(folder)
    found = encoder.encode(TEXTS)
    tables = [np.load(folder / f"{name}.npy") for name in ("utable", "btable")]
    rows = {word: row for row, word in enumerate(VOCABULARY)}  # the last duplicate wins
    for text, vector in zip(TEXTS, found, strict=True):
        words = {
            "A cat falls.": ["A", "cat", "falls", "."],
            "a zebra falls on a table": ["a", UNKNOWN, "falls", UNKNOWN, "a", "table", END],
            "": [END],
            "cat": ["cat", END],
            "A cat falls. A table": ["A", "cat", "falls", ".", "A", "table", END],
        }[text]
        places = [rows[word] for word in words]
        one = step_by_step(tables[0][places], uni)
        forwards = step_by_step(tables[1][places], bi)
        backwards = step_by_step(tables[1][places[::-1]], bi, "encoder_r_")
        other = np.concatenate([forwards, backwards])
        expected = np.concatenate([one / np.linalg.norm(one), other / np.linalg.norm(other)])
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.sqrt(2), atol=1e-5)


def test_many_texts_are_as_one(published):
    """However texts are put together, each has the same vector (1e-5)."""
    encoder = load_skip_thoughts(published[0])
    texts = TEXTS * 60
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode(texts), np.tile(alone, (60, 1)), atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_one_encoder_alone(published):
    """uni-skip without bi-skip: D numbers of unit length."""
    folder, uni, _ = published
    table = Words(read_dictionary(folder / "dictionary.txt"), np.load(folder / "utable.npy"))
    encoder = SkipThoughts((UniSkip(gru_of(uni)), table))
    vectors = encoder.encode(["a cat"])
    assert vectors.shape == (1, UNI)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.vocabulary_coverage("cat") == 1.0
    assert encoder.vocabulary_coverage("zebra") == 0.0


def test_words():
    """As the Penn Treebank has them, case kept; the end is marked where no punctuation does."""
    assert tokenize("The cat's off, isn't it? Yes.") == [
        "The",
        "cat",
        "'s",
        "off",
        ",",
        "is",
        "n't",
        "it",
        "?",
        "Yes",
        ".",
    ]
    assert with_end(["a", "cat"]) == ["a", "cat", END]
    assert with_end(["Yes", "!"]) == ["Yes", "!"]
    assert with_end([]) == [END]
    assert len(tokenize("word " * 5000)) == 100


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_options(tmp_path, protocol):
    """Plain values, in each way that Python 2 wrote them."""
    options = {"a": "text", "b": 620, "c": 1.5, "d": True, "e": False, "f": None, "g": "text", "h": 1 << 40}
    path = tmp_path / "options.pkl"
    path.write_bytes(pickle.dumps(options, protocol=protocol))
    assert read_options(path) == options
    path.write_bytes(b"(dp0\nS'dim'\np1\nI2400\nsS'use'\np2\nI01\nsS'decay'\np3\nF0.5\ns.")  # of Python 2 itself
    assert read_options(path) == {"dim": 2400, "use": True, "decay": 0.5}
    path.write_bytes(b"\x80\x02}q\x00U\x04nameq\x01U\x01\xe9q\x02s.")
    assert read_options(path) == {"name": "é"}


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("content", [{"a": Evil()}, [1, 2], {"a": print}, {"a": np.ones(3)}])
def test_what_could_be_executed_is_refused(tmp_path, capsys, content):
    """Opcodes that call, and anything but one dictionary."""
    path = tmp_path / "options.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(SkipFilesError, match="plain options"):
        read_options(path)
    path.write_bytes(pickle.dumps(content)[:-3])
    with pytest.raises(SkipFilesError):
        read_options(path)
    assert capsys.readouterr().out == ""


def test_what_is_wrong_with_the_files(published):
    """It is named."""
    folder, *_ = published
    for name, content, says in (
        ("dictionary.txt", b"a\nb\n", "no UNK"),
        ("utable.npy", b"no array", "cannot be read"),
        ("uni_skip.npz.pkl", pickle.dumps({"encoder": "lstm"}, protocol=0), "other than a GRU"),
    ):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(SkipFilesError, match=says):
            load_skip_thoughts(folder)
        path.write_bytes(whole)
    np.save(folder / "btable.npy", np.zeros((3, E), np.float32))
    with pytest.raises(SkipFilesError, match="do not match"):
        load_skip_thoughts(folder)
    (folder / "btable.npy").unlink()
    with pytest.raises(SkipFilesError, match=r"lacks btable\.npy"):
        load_skip_thoughts(folder)
