"""Ranking losses against their definitions, pair by pair."""

import numpy as np
import pytest
import torch

from deepgif.training.losses import contrastive, hardest_negative, info_nce, one_negative, sum_of_hinges

N, D, M = 6, 5, 0.2


@pytest.fixture
def pairs():
    rng = np.random.default_rng(3)
    clips, texts = (rng.normal(size=(N, D)).astype(np.float32) for _ in range(2))
    clips, texts = unit(clips), unit(texts)
    same = np.eye(N, dtype=bool)
    same[0, 1] = same[1, 0] = same[4, 2] = True
    return clips, texts, same


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def hinges(clips, texts, same):
    """(i, j, what text j costs clip i, what clip i costs text j) of all pairs that are wrong."""
    score = clips @ texts.T
    for i in range(N):
        for j in range(N):
            if not same[i, j]:
                yield i, j, max(0, M - score[i, i] + score[i, j]), max(0, M - score[j, j] + score[i, j])


def test_the_sum_over_the_batch(pairs):
    """Within 1e-6 of both sums, over the number of pairs."""
    expected = sum(one + other for _, _, one, other in hinges(*pairs)) / N
    assert sum_of_hinges(*tensors(*pairs), M).item() == pytest.approx(expected, abs=1e-6)


def test_the_hardest_negative(pairs):
    """Within 1e-6 of the largest cost of each row and column."""
    every = list(hinges(*pairs))
    rows = [max(one for i, _, one, _ in every if i == row) for row in range(N)]
    columns = [max(other for _, j, _, other in every if j == column) for column in range(N)]
    assert hardest_negative(*tensors(*pairs), M).item() == pytest.approx((sum(rows) + sum(columns)) / N, abs=1e-6)


def test_one_random_negative(pairs):
    """Its mean over many draws is the mean over all negatives, within four standard errors; and it draws only wrong
    ones."""
    torch.manual_seed(0)
    draws = np.array([one_negative(*tensors(*pairs), M).item() for _ in range(4000)])
    every = list(hinges(*pairs))
    rows = [np.mean([one for i, _, one, _ in every if i == row]) for row in range(N)]
    columns = [np.mean([other for _, j, _, other in every if j == column]) for column in range(N)]
    expected = (np.mean(rows) + np.mean(columns)) / 2
    assert abs(draws.mean() - expected) < 4 * draws.std() / np.sqrt(len(draws))


def test_a_batch_without_negatives(pairs):
    """Nothing can be wrong: the loss is 0, and has a gradient."""
    clips, texts, _ = tensors(*pairs)
    clips.requires_grad_()
    loss = one_negative(clips, texts, torch.ones(N, N, dtype=torch.bool), M)
    loss.backward()
    assert loss.item() == 0.0
    assert not clips.grad.any()


def test_contrastive_examples(pairs):
    """Within 1e-5 of the sum over each pair's own examples, without those that are right after all."""
    clips, texts, _ = pairs
    rng = np.random.default_rng(4)
    other_texts, other_clips = (rng.normal(size=(N, 7, D)).astype(np.float32) for _ in range(2))
    right_texts, right_clips = (rng.random((N, 7)) < 0.3 for _ in range(2))
    expected = 0.0
    for i in range(N):
        own = clips[i] @ texts[i]
        for k in range(7):
            expected += 0 if right_texts[i, k] else max(0, M - own + clips[i] @ other_texts[i, k])
            expected += 0 if right_clips[i, k] else max(0, M - own + texts[i] @ other_clips[i, k])
    found = contrastive(*tensors(clips, texts, other_texts, other_clips, right_texts, right_clips), M)
    assert found.item() == pytest.approx(expected / N, abs=1e-5)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nce_by_hand(clips, texts, same, temperature):
    """Equation 4 of van den Oord et al. 2018, written out for every row and column."""
    scores = np.exp(clips @ texts.T / temperature)
    total = 0.0
    for i in range(len(scores)):
        rivals = [j for j in range(len(scores)) if j == i or not same[i, j]]
        total -= np.log(scores[i, i] / sum(scores[i, j] for j in rivals))
        rivals = [j for j in range(len(scores)) if j == i or not same[j, i]]
        total -= np.log(scores[i, i] / sum(scores[j, i] for j in rivals))
    return total / (2 * len(scores))


@pytest.mark.parametrize("masked", [[], [(0, 1)], [(0, 1), (2, 0), (3, 3)]])
def test_info_nce_equals_the_equation(masked):
    """The loss equals the published sum; texts of the same clip are no negatives, the diagonal always counts."""
    rng = np.random.default_rng(1)
    clips, texts = (unit(rng.normal(size=(4, 6))) for _ in range(2))
    same = np.zeros((4, 4), bool)
    for cell in masked:
        same[cell] = True
    loss = info_nce(torch.from_numpy(clips), torch.from_numpy(texts), torch.from_numpy(same), 0.1)
    assert float(loss) == pytest.approx(nce_by_hand(clips, texts, same, 0.1), abs=1e-5)
