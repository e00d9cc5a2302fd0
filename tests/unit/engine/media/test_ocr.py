"""Words in a GIF: which frames are read, what is merged over time, and the limits."""

import logging
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from deepgif.engine.media.ocr import (
    ReadingLimits,
    TextLine,
    TextReader,
    changing_frames,
    is_address,
    merge_lines,
)

WORDS = st.lists(st.text("abc d", min_size=2, max_size=12).filter(str.strip), max_size=4)


class Script:
    """``LineReader`` that knows what each frame says by the colour of its first pixel."""

    def __init__(self, *frames, confidence=0.9):
        self.lines = [[TextLine(text, confidence) for text in frame] for frame in frames]
        self.read_frames = []

    def read(self, frame):
        place = int(frame[0, 0, 0]) // 20
        self.read_frames.append(place)
        return self.lines[place]


def clip(count, size=40):
    """Frames that all differ, each with its place in its colour."""
    return np.stack([np.full((size, size, 3), 20 * place, np.uint8) for place in range(count)])


def texts(*frames):
    return [line.text for line in merge_lines([[TextLine(text, 0.9) for text in frame] for frame in frames])]


def read(*frames, limits=None, **given_):
    """The text of frames that say this."""
    limits = limits or ReadingLimits(frames=len(frames))
    return TextReader(Script(*frames), limits, **given_).read(clip(len(frames)))


def test_a_subtitle_that_builds_up_is_one_text():
    assert texts(["AIN'T NOBODY"], ["AIN'T NOBODY GOT TIME"], ["AIN'T NOBODY GOT TIME", "FOR THAT"]) == [
        "AIN'T NOBODY GOT TIME",
        "FOR THAT",
    ]
    assert texts(["I"], ["I don't"], ["I don't care"]) == ["I don't care"]
    assert texts(["one two", "three"], ["one two three"]) == ["one two three"]
    assert texts(["I don't care"], ["I don't"], []) == ["I don't care"]


def test_captions_that_follow_each_other_are_both_kept():
    assert texts(["Are you sure?"], ["Absolutely not"]) == ["Are you sure?", "Absolutely not"]


def test_a_line_misread_once_is_kept_as_it_was_read_best():
    lines = merge_lines(
        [[TextLine("ALLIS0N POWER", 0.8)], [TextLine("ALLISON POWER!", 0.95)], [TextLine("ALLISON POVER", 0.7)]]
    )
    assert [line.text for line in lines] == ["ALLISON POWER!"]


def test_spaces_and_case_make_no_other_line():
    assert texts(["NOT COOL"], ["Notcool."]) == ["NOT COOL"]


@pytest.mark.parametrize(("short", "long"), [("no", "Now what"), ("at", "cat")])
def test_short_words_are_not_taken_for_parts_of_longer_ones(short, long):
    assert texts([short], [long]) == [short, long]


@given(st.lists(WORDS, max_size=4))
def test_merging_loses_and_repeats_nothing(frames):
    """Every kept line was read, none is kept twice, and merging the result changes nothing."""
    lines = [[TextLine(text, 0.9) for text in frame] for frame in frames]
    merged = merge_lines(lines)
    given_ = [line for frame in lines for line in frame]
    assert all(line in given_ for line in merged)
    assert bool(merged) == bool(given_)
    assert merge_lines([merged]) == merged
    assert len({line.text.replace(" ", "") for line in merged}) == len(merged)


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_limits_always_hold(frames):
    limits = ReadingLimits(frames=len(frames), max_lines=2, max_characters=10)
    found = read(*frames, limits=limits)
    assert len(found.lines) <= 2
    assert len(found.text) <= 10
    assert found.text == " ".join(line.text for line in found.lines)
    assert bool(found.text) == (found.confidence > 0)


def test_a_long_text_is_cut_between_words():
    found = read(["one two three"], ["four five six"], limits=ReadingLimits(max_characters=20))
    assert found.text == "one two three four"


def test_uncertain_lines_single_signs_and_addresses_do_not_count():
    reader = TextReader(Script([" ", "9", "?!", "4GIFs.com", "MAKE GIFS AT GIFSOUP,COM", "@someone", "what"]))
    assert reader.read(clip(1)).text == "what"
    assert TextReader(Script(["what"], confidence=0.5)).read(clip(1)).text == ""


@pytest.mark.parametrize("text", ["It's over.Come on", "No. Network", "Mr. T", "what @ home", "3.50", "wait...what"])
def test_what_is_no_address(text):
    assert not is_address(text)


def test_confidence_is_weighted_by_length():
    script = Script([], confidence=1.0)
    script.lines = [[TextLine("aaaaaaaaa", 1.0), TextLine("bbb", 0.8)]]
    assert TextReader(script).read(clip(1)).confidence == pytest.approx((9 * 1.0 + 3 * 0.8) / 12)


def test_words_are_split_before_merging():
    """Where words are told apart, short ones are found in longer lines."""
    found = read(["NO"], ["NOWAY"], split=lambda text: text.replace("NOWAY", "NO WAY"))
    assert found.text == "NO WAY"
    found = read(["notcool"], ["NOT COOL"], split=lambda text: text.replace("notcool", "not cool"))
    assert found.text == "not cool"


def test_frames_are_chosen_where_the_picture_changes():
    still = np.zeros((6, 40, 60, 3), np.uint8)
    assert changing_frames(still, 3) == [5]
    caption = still.copy()
    caption[2:, 30:36, 10:50] = 255
    assert changing_frames(caption, 3) == [5, 0]
    noise = np.random.default_rng(1).integers(0, 6, still.shape, np.uint8)
    assert changing_frames(noise, 3) == [5]
    assert changing_frames(clip(6), 3) == [5, 0, 2]
    assert changing_frames(clip(2, size=5), 3) == [1, 0]


def test_what_is_read_in_any_order_is_merged_in_order_of_time():
    script = Script(["first"], ["second"], ["third"])
    assert TextReader(script, ReadingLimits(frames=3)).read(clip(3)).text == "first second third"
    assert script.read_frames == [2, 0, 1]


def test_reading_ends_when_the_time_is_used_up():
    """The first frame is read whatever it takes; a second only where there is time left."""
    for budget_s, frames in ((0.0, 1), (1.0, 1), (1.5, 2), (9.0, 4)):
        script = Script(*(["line of words"] for _ in range(4)))
        now = iter(range(100))
        TextReader(
            script, ReadingLimits(frames=4, budget_s=budget_s), clock=partial(lambda ticks: float(next(ticks)), now)
        ).read(clip(4))
        assert len(script.read_frames) == frames


@pytest.fixture(scope="module")
def reader():
    """The networks, where they are installed."""
    pytest.importorskip("rapidocr", reason="needs the extra ocr")
    from deepgif.engine.media.ocr_models import load_text_reader

    return load_text_reader(ReadingLimits(budget_s=60))


def drawn(*captions, size=26, background=(60, 90, 120)):
    """Frames with a caption each, white on a plain picture."""
    frames = []
    for caption in captions:
        image = Image.new("RGB", (320, 180), background)
        ImageDraw.Draw(image).multiline_text(
            (12, 70), caption, fill="white", font=ImageFont.load_default(size), stroke_width=1, stroke_fill="black"
        )
        frames.append(np.asarray(image))
    return np.stack(frames)


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (["THIS IS FINE"] * 3, "this is fine"),
        (["I have", "I have no idea", "I have no idea\nwhat I am doing"], "i have no idea what i am doing"),
        (["Are you sure?", "Absolutely not"], "are you sure? absolutely not"),
        ([""], ""),
    ],
)
def test_captions(reader, captions, text):
    found = reader.read(drawn(*captions))
    assert found.text.casefold() == text
    assert found.confidence > 0.8 or not text


def test_tiny_text_and_noise_say_nothing_wrong(reader):
    assert reader.read(drawn("unreadable words", size=3)).text == ""
    noise = np.random.default_rng(7).integers(0, 256, (2, 180, 320, 3), np.uint8)
    assert reader.read(noise).text == ""


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3)])
def test_odd_sizes(reader, size):
    assert reader.read(np.full((1, *size, 3), 200, np.uint8)).text == ""


def test_nothing_is_printed_or_logged(reader, capfd, caplog):
    with caplog.at_level(logging.DEBUG):
        assert reader.read(drawn("SECRET WORDS")).text == "SECRET WORDS"
        reader.read(drawn(""))
    assert capfd.readouterr() == ("", "")
    assert "SECRET" not in caplog.text


def test_one_thread(reader):
    engine = reader._lines._read.func
    for part in (engine.text_det, engine.text_rec):
        assert part.session.session.get_session_options().intra_op_num_threads == 1
