"""``python -m benchmarks.engine.search.fit``: how often the best GIF is the right one, by how well it is judged to
fit: over the descriptions of the shipped GIFs, and over sentences that no shipped GIF shows."""

from __future__ import annotations

import asyncio
import csv
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.measure import CATALOGUE, machine
from deepgif.engine.engine import open_engine
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.types import Fit, SearchRequest
from deepgif.models.bundles.load import bundle_folder

NOT_SHOWN = (
    "a surgeon washes her hands before the operation",
    "quarterly earnings exceeded expectations",
    "two men shake hands in an office",
    "a goalkeeper saves a penalty",
    "somebody types on a laptop",
    "a judge reads the verdict",
    "the committee postponed its decision",
    "a nurse takes a blood sample",
    "an old castle in the fog",
    "a couple slow dances at a wedding",
    "a man shrugs",
    "she rolls her eyes at him",
    "a firefighter carries a hose",
    "the stock market crashed",
    "a barber cuts a boy's hair",
    "someone pours milk into a glass",
    "a welder at work in a factory",
    "a woman knits a scarf",
    "a parking ticket on a windscreen",
    "a toddler takes his first steps",
)


async def judge() -> None:
    with (CATALOGUE / "queries.csv").open(encoding="utf-8", newline="") as file:
        described = [(Path(row["file"]).name, row["sentence"]) for row in csv.DictReader(file)]
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(EngineOptions(bundle_folder("small"), Path(folder)), Metrics()) as engine:
            await engine.ingestion.index()
            shown: Counter[Fit] = Counter()
            right: Counter[Fit] = Counter()
            for name, words in described:
                (best,) = (await engine.search.search(SearchRequest(words, 1))).results
                shown[best.fit] += 1
                right[best.fit] += Path(engine.ingestion.catalogue.path_of(best.gif.key.id)).name == name
            unfit = Counter(
                [(await engine.search.search(SearchRequest(words, 1))).results[0].fit for words in NOT_SHOWN]
            )
    for fit in Fit:
        share = 100 * shown[fit] / len(described)
        correct = 100 * right[fit] / shown[fit] if shown[fit] else 0.0
        print(
            f"{fit:>6}: {share:4.1f} % of {len(described)} descriptions, the best GIF is the described one in "
            f"{correct:4.1f} % of them; {unfit[fit]} of {len(NOT_SHOWN)} sentences that nothing shows"
        )


def main() -> None:
    print(machine())
    asyncio.run(judge())


if __name__ == "__main__":
    main()
