"""Pairs of sentences and how well a bundle ranks them."""

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from deepgif.training.data.datasets import DatasetError
from deepgif.training.evaluation.figures import spearman
from deepgif.training.evaluation.sentences import PAIRS, agreement, main, read_pairs

runner = CliRunner()
app = typer.Typer()
app.command()(main)


def test_spearman_shares_ranks_among_ties():
    """Worked out by hand: ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4 correlate by 4.5 / sqrt(4.5 * 5)."""
    found = spearman(np.array([1, 2, 2, 3], np.float32), np.array([0.1, 0.5, 0.3, 0.9], np.float32))
    assert found == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_agreement_is_of_cosines():
    """Vectors whose cosines fall as the scores do agree fully; scores the other way round not at all."""
    angles = np.array([0.1, 0.4, 0.9], np.float32)
    first, second = np.tile([1.0, 0.0], (3, 1)), np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert agreement(first, second, np.array([5, 3, 1])) == pytest.approx(100)
    assert agreement(first, second, np.array([1, 3, 5])) == pytest.approx(-100)


def test_the_shipped_pairs_are_whole():
    """More than 150 pairs, no pair twice, scores from 0 to 5, and not one kind of score only."""
    rows = read_pairs(PAIRS)
    assert len(rows) > 150
    assert len({(first, second) for _, first, second in rows}) == len(rows)
    scores = [score for score, _, _ in rows]
    assert min(scores) == 0
    assert max(scores) == 5
    assert np.std(scores) > 1
    assert all(first.strip() and second.strip() for _, first, second in rows)


@pytest.mark.parametrize("text", ["score\tfirst\n1\ta\n", "score\tfirst\tsecond\nhigh\ta\tb\n", None])
def test_another_table_is_refused(tmp_path, text):
    """A missing column, a score that is no number, and a missing file are said in a sentence."""
    path = tmp_path / "pairs.tsv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match="not a table of sentence pairs"):
        read_pairs(path)
    result = runner.invoke(app, [str(path)])
    assert result.exit_code == 1


def test_the_shipped_bundle_ranks_them():
    """The program names the bundle, and its figure is far above chance."""
    result = runner.invoke(app, [])
    assert result.exit_code == 0
    name, _, rest = result.output.partition(": ")
    assert name.startswith("small@")
    assert float(rest.split()[0]) > 50
