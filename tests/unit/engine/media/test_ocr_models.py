"""Boxes of text in reading order."""

from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.media.ocr import TextLine
from deepgif.engine.media.ocr_models import in_rows

SIDE = st.floats(0, 500)


def rows(*boxes):
    """The texts of boxes (left, top, right, bottom, text), row by row."""
    found = in_rows([(box[:4], TextLine(box[4], 1.0)) for box in boxes])
    return [[line.text for line in row] for row in found]


def test_boxes_beside_each_other_are_one_row():
    assert rows((200, 12, 300, 40, "COOL"), (10, 10, 150, 40, "NOT"), (5, 60, 90, 90, "AT ALL")) == [
        ["NOT", "COOL"],
        ["AT ALL"],
    ]


def test_boxes_below_each_other_are_rows_whatever_their_size():
    assert rows((10, 10, 300, 90, "BIG"), (10, 92, 60, 104, "small")) == [["BIG"], ["small"]]


@given(st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), max_size=20))
def test_nothing_is_lost(boxes):
    named = [(*box, str(place)) for place, box in enumerate(boxes)]
    assert sorted(text for row in rows(*named) for text in row) == sorted(text for *_, text in named)
