"""A folder of GIFs: what is found, what is noticed, what is skipped and why."""

import json
import os

import pytest

from deepgif.engine.errors import MediaError, NotFoundError
from deepgif.engine.options import MediaLimits
from deepgif.engine.providers import folder as folder_module
from deepgif.engine.providers.folder import Changes, FolderCatalogue
from deepgif.engine.store.database import Database
from deepgif.engine.types import Rating
from tests.fakes.media import animation

RED, GREEN, BLUE = (animation("GIF", [colour, "white"]) for colour in ("red", "lime", "blue"))


@pytest.fixture
async def database(tmp_path):
    async with Database(tmp_path / "data" / "d.sqlite") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "gifs"
    (made / "deep" / "er").mkdir(parents=True)
    (made / "a_cat-jumps.gif").write_bytes(RED)
    (made / "deep" / "er" / "B.GIF").write_bytes(GREEN)
    (made / "c.webp").write_bytes(animation("WEBP", ["red", "blue"]))
    return made


def catalogue_of(folder, database, limits=None):
    return FolderCatalogue("folder", folder, database, limits or MediaLimits())


async def only(catalogue, path):
    """The GIF whose file is ``path``."""
    (gif_id,) = [gif_id for gif_id in catalogue.ids() if catalogue.path_of(gif_id) == path]
    return (await catalogue.lookup([gif_id]))[gif_id]


async def test_all_below_is_found(folder, database):
    """GIFs and WebPs at any depth, whatever the case of their names; titles from the names."""
    catalogue = catalogue_of(folder, database)
    assert await catalogue.scan() == Changes(added=3)
    assert await catalogue.count() == len(catalogue.ids()) == 3
    gif = await only(catalogue, "a_cat-jumps.gif")
    assert (gif.title, gif.alt_text, gif.rating) == ("A cat jumps", "A cat jumps", Rating.G)
    assert (gif.width, gif.height, gif.url) == (32, 24, f"/v1/media/folder/{gif.key.id}")
    assert await catalogue.read(gif.key.id) == RED
    assert (await catalogue.media(gif.key.id)).name == "a_cat-jumps.gif"


async def test_what_is_no_gif_or_hidden_or_elsewhere_is_left_alone(folder, database, tmp_path):
    """Other files, hidden ones, and links that lead out of the folder are not looked at."""
    (tmp_path / "outside.gif").write_bytes(BLUE)
    (folder / "link.gif").symlink_to(tmp_path / "outside.gif")
    (folder / "loop.gif").symlink_to(folder / "loop.gif")
    (folder / ".hidden.gif").write_bytes(BLUE)
    (folder / ".git").mkdir()
    (folder / ".git" / "x.gif").write_bytes(BLUE)
    (folder / "notes.txt").write_text("x")
    assert await catalogue_of(folder, database).scan() == Changes(added=3)


async def test_unreadable_files_are_listed_with_the_reason(folder, database):
    """Empty, damaged and oversized files are skipped, and said why each time."""
    (folder / "empty.gif").write_bytes(b"")
    (folder / "text.gif").write_bytes(b"hello")
    (folder / "huge.gif").write_bytes(RED + b"\0" * 5000)
    catalogue = catalogue_of(folder, database, MediaLimits(max_bytes=2000))
    for _ in range(2):
        changes = await catalogue.scan()
        reasons = dict(changes.unreadable)
        assert set(reasons) == {"empty.gif", "huge.gif", "text.gif"}
        assert "empty" in reasons["empty.gif"]
        assert "neither" in reasons["text.gif"]
        assert "2,000" in reasons["huge.gif"]
        assert await catalogue.count() == 3
    assert changes.unchanged == 6


async def test_changes_are_noticed(folder, database, monkeypatch):
    """New, changed, moved and removed files; what has not changed is not read again."""
    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    old = (await only(catalogue, "a_cat-jumps.gif")).key
    (folder / "a_cat-jumps.gif").rename(folder / "deep" / "moved.gif")
    (folder / "deep" / "er" / "B.GIF").write_bytes(BLUE + b"\0")
    (folder / "c.webp").unlink()
    (folder / "new.gif").write_bytes(GREEN)
    again = catalogue_of(folder, database)
    await again.open()
    assert await again.count() == 3
    assert await again.scan() == Changes(added=1, changed=1, moved=1, removed=1)
    assert (await only(again, "deep/moved.gif")).key == old
    monkeypatch.setattr("deepgif.engine.providers.folder.probe", lambda *_: pytest.fail("read again"))
    assert await again.scan() == Changes(unchanged=3)
    os.utime(folder / "new.gif", ns=(1, 1))
    with pytest.raises(pytest.fail.Exception):
        await again.scan()


async def test_equal_files_are_one_gif(folder, database):
    """Two copies are one GIF, also when one of them goes."""
    (folder / "copy.gif").write_bytes(RED)
    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    assert await catalogue.count() == 3
    (folder / "a_cat-jumps.gif").unlink()
    await catalogue.scan()
    assert await catalogue.count() == 3
    assert (await only(catalogue, "copy.gif")).title == "Copy"


async def test_of_equal_files_always_the_same_one_speaks(folder, database):
    """The first path names and rates the GIF, whichever file came last, before and after a restart."""
    (folder / "deep" / "z.gif").write_bytes(RED)
    (folder / "a_cat-jumps.gif").unlink()
    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    (folder / "a.gif").write_bytes(RED)
    assert await catalogue.scan() == Changes(added=1, unchanged=3)
    assert (await only(catalogue, "a.gif")).title == "A"
    again = catalogue_of(folder, database)
    await again.open()
    assert again.ids() == catalogue.ids()
    assert (await only(again, "a.gif")).title == "A"


async def test_one_file_becomes_two(folder, database):
    """A file that is moved and copied is one move and one new file; moved onto its copy, one is gone."""
    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    (folder / "a_cat-jumps.gif").rename(folder / "one.gif")
    (folder / "two.gif").write_bytes(RED)
    assert await catalogue.scan() == Changes(added=1, moved=1, unchanged=2)
    (folder / "two.gif").unlink()
    (folder / "one.gif").rename(folder / "three.gif")
    assert await catalogue.scan() == Changes(moved=1, removed=1, unchanged=2)


async def test_names_that_are_not_utf_8(folder, database):
    """Such files are listed under a name that can be printed; the rest is found."""
    (folder / os.fsdecode(b"caf\xe9.gif")).write_bytes(BLUE)
    assert await catalogue_of(folder, database).scan() == Changes(
        added=3, unreadable=(("caf\\xe9.gif", "The file name is not UTF-8."),)
    )


async def test_what_the_disk_refuses_is_tried_again(folder, database, monkeypatch):
    """A file that could not be opened is read by the next scan, though its time and size are as before."""

    def refuse(path, most):
        raise PermissionError(13, "Permission denied")

    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    (folder / "new.gif").write_bytes(BLUE)
    monkeypatch.setattr("deepgif.engine.providers.folder._bytes", refuse)
    reason = (("new.gif", "The file cannot be read (Permission denied)."),)
    assert await catalogue.scan() == Changes(added=1, unchanged=3, unreadable=reason)
    assert await catalogue.scan() == Changes(unchanged=4, unreadable=reason)
    with pytest.raises(MediaError, match="Permission denied"):
        await catalogue.read(catalogue.ids()[0])
    monkeypatch.undo()
    assert await catalogue.scan() == Changes(changed=1, unchanged=3)
    assert await catalogue.count() == 4


async def test_files_that_go_while_the_folder_is_looked_through(folder, database, monkeypatch):
    """A file that is listed but gone when it is looked at ends nothing."""
    inside = FolderCatalogue._inside

    def lose(self, relative):
        path = inside(self, relative)
        if relative == "c.webp":
            path.unlink()
        return path

    monkeypatch.setattr(FolderCatalogue, "_inside", lose)
    assert await catalogue_of(folder, database).scan() == Changes(added=2)


async def test_what_is_too_large_is_not_read(folder, database, monkeypatch):
    """Its true size is named, and nothing of it is read."""
    (folder / "huge.gif").write_bytes(RED + b"\0" * 5000)
    size = (folder / "huge.gif").stat().st_size
    probed = []
    probe = folder_module.probe
    monkeypatch.setattr(folder_module, "probe", lambda data, limits: probed.append(len(data)) or probe(data, limits))
    changes = await catalogue_of(folder, database, MediaLimits(max_bytes=2000)).scan()
    assert changes.unreadable == (("huge.gif", f"The file has {size:,} bytes; the limit is 2,000."),)
    assert len(probed) == 3
    assert max(probed) <= 2000


async def test_ratings_and_addresses_of_one_s_own(folder, database):
    """Unrated GIFs get the default; ratings are read in either case; media may be served elsewhere."""
    entries = [{"file": "a_cat-jumps.gif", "rating": "PG-13"}, {"file": "c.webp", "rating": " R"}]
    (folder / "catalogue.json").write_text(json.dumps({"gifs": entries}))
    catalogue = FolderCatalogue(
        "mine", folder, database, MediaLimits(), default_rating=Rating.PG, url_of=lambda key: f"x:{key.provider}"
    )
    await catalogue.scan()
    gifs = [await only(catalogue, path) for path in ("a_cat-jumps.gif", "c.webp", "deep/er/B.GIF")]
    assert [gif.rating for gif in gifs] == [Rating.PG_13, Rating.R, Rating.PG]
    assert {gif.url for gif in gifs} == {"x:mine"}


async def test_a_catalogue_gives_titles_alt_texts_and_ratings(folder, database):
    """What catalogue.json says goes before the file's name; entries for files that are not there do no harm."""
    entries = [
        {"file": "a_cat-jumps.gif", "title": "Cat", "alt_text": "A cat jumps high.", "rating": "pg"},
        {"file": "c.webp", "rating": "x", "title": 7},
        {"file": "none.gif", "title": "None"},
    ]
    (folder / "catalogue.json").write_text(json.dumps({"attribution": "Me", "gifs": entries}))
    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    cat, other = await only(catalogue, "a_cat-jumps.gif"), await only(catalogue, "c.webp")
    assert (cat.title, cat.alt_text, cat.rating, cat.attribution) == ("Cat", "A cat jumps high.", Rating.PG, "Me")
    assert (other.title, other.rating) == ("7", Rating.G)


@pytest.mark.parametrize("text", ["{", "[]", '{"gifs": 7}', '{"gifs": [{}]}', '{"gifs": ["x"]}', "[" * 9999])
async def test_a_broken_catalogue(folder, database, text):
    """One sentence names the file."""
    (folder / "catalogue.json").write_text(text)
    with pytest.raises(NotFoundError, match=r"catalogue\.json is invalid"):
        await catalogue_of(folder, database).scan()


async def test_no_folder(tmp_path, database):
    """A folder that is not there is named."""
    with pytest.raises(NotFoundError, match=r"There is no folder .*nowhere"):
        await catalogue_of(tmp_path / "nowhere", database).scan()


async def test_files_that_change_or_go_meanwhile(folder, database, tmp_path):
    """A file that is gone, replaced, or now leads out of the folder is not served and not embedded."""
    catalogue = catalogue_of(folder, database)
    await catalogue.scan()
    gif_id = (await only(catalogue, "a_cat-jumps.gif")).key.id
    (folder / "a_cat-jumps.gif").write_bytes(BLUE)
    with pytest.raises(MediaError, match="changed"):
        await catalogue.read(gif_id)
    (folder / "a_cat-jumps.gif").unlink()
    (tmp_path / "secret").write_text("x")
    (folder / "a_cat-jumps.gif").symlink_to(tmp_path / "secret")
    assert await catalogue.media(gif_id) is None
    with pytest.raises(MediaError, match="gone"):
        await catalogue.read(gif_id)
    assert await catalogue.media("../../etc/passwd") is None


async def test_folders_do_not_mix(folder, database, tmp_path):
    """Two folders in one database keep their own files."""
    await catalogue_of(folder, database).scan()
    (tmp_path / "other").mkdir()
    assert await catalogue_of(tmp_path / "other", database).scan() == Changes()
    again = catalogue_of(folder, database)
    await again.open()
    assert await again.count() == 3
