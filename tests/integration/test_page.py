"""The search page in a real browser, over scripted answers on loopback."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.fakes.browser import CONTRASTS, Watched, chromium
from tests.fakes.page_server import PageServer, answer, moving_gif, problem, result, twelve
from tests.fakes.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = "Donaudampfschifffahrtsgesellschaftskapitänskajüte" * 3
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SMALL = {"width": 480, "height": 480}
PICTURES = ("#stage-picture", ".tile-picture >> nth=0", ".tile-picture >> nth=1")
Open = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[PageServer]:
    started = PageServer()
    await started.start()
    yield started
    await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser, server: PageServer) -> AsyncIterator[Open]:
    """Opens a path of the page in a browser of its own; at the end no such page may have complained on its console
    or asked another host for anything, except hosts named in ``also``."""
    watched: list[Watched] = []
    allowed = {urlsplit(server.origin).netloc}
    async with AsyncExitStack() as stack:

        async def open_path(path: str = "/", also: str = "", **options: Any) -> Page:
            context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
            stack.push_async_callback(context.close)
            if also:
                allowed.add(also)
                await context.route(f"https://{also}/**", elsewhere)
            page = await context.new_page()
            watched.append(Watched(page))
            await page.goto(server.origin + path)
            return page

        yield open_path
    assert [complaint for seen in watched for complaint in seen.complaints] == []
    assert set().union(*(seen.hosts for seen in watched)) <= allowed


async def elsewhere(route: Route) -> None:
    await route.fulfill(body=moving_gif(3), content_type="image/gif")


async def search(page: Page, words: str) -> None:
    await page.get_by_label("Describe the GIF").fill(words)
    await page.keyboard.press("Enter")


async def clipboard(page: Page) -> str:
    return str(await page.evaluate("navigator.clipboard.readText()"))


def answers(*results: dict[str, Any], **changes: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def respond(request: web.Request) -> web.Response:
        return web.json_response(answer(request.query["q"], list(results), **changes))

    return respond


async def painted(part: Locator) -> NDArray[np.int16]:
    """What is painted there: (H, W, 3) levels."""
    return np.asarray(Image.open(BytesIO(await part.screenshot())).convert("RGB"), np.int16)


def alike(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    """Whether no one would see a difference; the edges that Chromium paints may differ by a level each time."""
    return one.shape == other.shape and int(np.abs(one - other).max()) <= 8


async def moves(page: Page, picture: str) -> None:
    """Waits until what is painted there has changed twice."""
    seen: list[NDArray[np.int16]] = []

    async def changed() -> bool:
        shown = await painted(page.locator(picture))
        if not any(alike(shown, before) for before in seen):
            seen.append(shown)
        return len(seen) == 3

    await until(changed)


async def is_still(page: Page, *pictures: str) -> bool:
    """Whether what is painted there stays as it is for a few looks (the GIFs change every 70 ms)."""
    for part in map(page.locator, pictures):
        first = await painted(part)
        for _ in range(3):
            await asyncio.sleep(0.08)
            if not alike(await painted(part), first):
                return False
    return True


async def test_providers_are_thanked(open_page: Open, server: PageServer) -> None:
    """What must be said beside a provider's GIFs stands on the page."""
    server.respond = answers(result(0, width=0, height=0), attribution=["Powered by GIPHY", "Powered by KLIPY"])
    page = await open_page()
    await search(page, "a cat jumps")
    await expect(page.get_by_text("Powered by GIPHY. Powered by KLIPY.")).to_be_visible()
    await expect(page.get_by_text("0 × 0")).to_have_count(0)  # a size that is not known is not shown


async def test_typing_words_shows_the_best_gif_large_and_the_others_beside_it(
    open_page: Open, server: PageServer
) -> None:
    """Words and Enter lead to an answer: the best GIF, why, the others, what was looked at and how long it took."""
    page = await open_page()
    await expect(page.get_by_label("Describe the GIF")).to_be_focused()
    await search(page, "  a cat jumps  ")
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
    await expect(page.locator("#why")).to_have_text("It fits your words better than 99 of 100 GIFs here.")
    await expect(page.get_by_role("meter", name="Match")).to_have_attribute("aria-valuetext", "Strong match")
    await expect(page.locator(".tile")).to_have_count(12)
    await expect(page.locator("#effort")).to_have_text("Searched 320 GIFs in 12 ms with the model “small”.")
    await expect(page.locator("#notices")).to_be_hidden()
    await expect(page).to_have_title("a cat jumps – DeepGIF")
    assert page.url == f"{server.origin}/?q=a+cat+jumps"
    assert [dict(request.query) for request in server.asked] == [
        {"q": "a cat jumps", "limit": "12", "max_rating": "pg-13"}
    ]


async def test_every_gif_has_its_words(open_page: Open, server: PageServer) -> None:
    """Each picture carries its alt text, or its title where it has none."""
    server.respond = answers(result(0, alt_text="A cat leaps"), result(1, alt_text="", title="Second"))
    page = await open_page("/?q=cat")
    await expect(page.locator("#stage img")).to_have_attribute("alt", "A cat leaps")
    alts = await page.locator(".tile img").evaluate_all("images => images.map((image) => image.alt)")
    assert alts == ["A cat leaps", "Second"]


async def test_notices_and_coverage_are_shown(open_page: Open, server: PageServer) -> None:
    """What the engine wants said is said, and a partial look is called partial."""
    coverage = {"embedded": 1200, "total": 5000, "fraction": 0.24}
    server.respond = answers(result(0), notices=["One word is new to the model."], coverage=coverage, took_ms=2345.0)
    page = await open_page("/?q=cat")
    await expect(page.locator("#notices li")).to_have_text(["One word is new to the model."])
    await expect(page.locator("#effort")).to_contain_text("Searched 1,200 of 5,000 GIFs so far in 2.3 s")
    await expect(page.get_by_role("status")).to_have_text(
        "1 GIF found. Best: GIF number 0. One word is new to the model."
    )


async def test_everything_can_be_done_with_the_keyboard(open_page: Open, server: PageServer) -> None:
    """/ and Escape reach the box, arrows move in rows and columns, Enter chooses, c copies, ? shows the keys."""
    page = await open_page("/?q=cat", viewport={"width": 1280, "height": 800})
    await expect(page.locator(".tile")).to_have_count(12)
    box, tiles = page.get_by_label("Describe the GIF"), page.locator(".tile")
    await page.keyboard.press("ArrowDown")
    await expect(tiles.nth(0)).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(tiles.nth(1)).to_be_focused()
    await page.keyboard.press("ArrowDown")
    columns = await tiles.evaluate_all("all => all.filter((one) => one.offsetTop === all[0].offsetTop).length")
    assert columns > 1
    await expect(tiles.nth(1 + columns)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#chosen-title")).to_have_text(f"GIF number {1 + columns}")
    await expect(tiles.nth(1 + columns)).to_have_attribute("aria-current", "true")
    await expect(page.locator(".tile[aria-current]")).to_have_count(1)
    await expect(tiles.nth(1 + columns)).to_be_focused()
    await page.keyboard.press("c")
    await expect(page.get_by_role("status")).to_have_text("Copied.")
    assert await clipboard(page) == f"{server.origin}/media/{1 + columns}.gif"
    await page.keyboard.press("Escape")
    await expect(box).to_be_focused()
    await page.keyboard.type("c/?p")
    await expect(box).to_have_value("c/?p")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(box).to_be_focused()


async def test_focus_is_visible(open_page: Open) -> None:
    """Whatever has the focus shows a ring."""
    page = await open_page("/?q=cat")
    await expect(page.locator(".tile")).to_have_count(12)
    for _ in range(12):
        await page.keyboard.press("Tab")
        ring = await page.evaluate(
            "[document.activeElement.outerHTML.slice(0, 60), getComputedStyle(document.activeElement).outline]"
        )
        assert re.search(r"solid [23]px", ring[1]), ring


async def test_text_from_outside_stays_text(open_page: Open, server: PageServer) -> None:
    """Markup in the words, in an answer or in an address is shown or refused, and never runs."""
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    server.respond = answers(
        result(0, title=evil, alt_text=f'"{evil}', explanation=evil, attribution=evil, id=evil, fit=evil, rating=evil),
        result(1, url="javascript:window.hacked=1"),
        result(2, url="http://127.0.0.2/elsewhere.gif"),
        notices=[evil],
        model=evil,
    )
    page = await open_page()
    await search(page, evil)
    await expect(page.locator("#chosen-title")).to_have_text(evil)
    await expect(page.locator("#why")).to_have_text(evil)
    await expect(page.locator("#notices li")).to_have_text(evil)
    await expect(page.locator(".tile").nth(1)).to_contain_text("This GIF can't be loaded")
    await expect(page.locator(".tile").nth(2)).to_contain_text("This GIF can't be loaded")
    await page.locator(".tile").nth(1).click()
    await expect(page.get_by_role("button", name="Copy link")).to_be_disabled()
    assert await page.locator("main script, main [onerror]").count() == 0
    assert await page.evaluate("window.hacked") is None

    async def refuse(_request: web.Request) -> web.Response:
        return problem(400, evil, evil)

    server.respond = refuse
    await search(page, "more")
    await expect(page.locator("#state-title")).to_have_text(evil)
    await expect(page.locator("#state-text")).to_have_text(evil)
    assert await page.evaluate("window.hacked") is None


async def test_a_link_shows_the_same_search_and_gif_again(open_page: Open, server: PageServer) -> None:
    """Choosing changes the address; it survives a reload, and works for somebody else."""
    page = await open_page()
    await search(page, "hot & cold? 100%")
    await page.locator(".tile").nth(3).click()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 3")
    await page.get_by_role("button", name="Share this search").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    shared = await clipboard(page)
    assert shared == page.url
    await page.reload()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 3")
    other = await open_page(shared.removeprefix(server.origin))
    await expect(other.locator("#chosen-title")).to_have_text("GIF number 3")
    await expect(other.get_by_label("Describe the GIF")).to_have_value("hot & cold? 100%")
    assert {request.query["q"] for request in server.asked} == {"hot & cold? 100%"}


async def test_back_and_forward_go_through_searches_and_choices(open_page: Open, server: PageServer) -> None:
    """History has a step for each search and choice, and choices of one search ask the engine only once."""
    page = await open_page()
    await search(page, "cat")
    await page.locator(".tile").nth(2).click()
    await page.locator(".tile").nth(5).click()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 5")
    await page.go_back()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 2")
    await page.go_back()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
    assert len(server.asked) == 1
    await page.go_back()
    await expect(page.locator("#home")).to_be_visible()
    await expect(page.locator("#answer")).to_be_hidden()
    await page.go_forward()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
    await search(page, "dog")
    await expect(page).to_have_title("dog – DeepGIF")
    await page.go_back()
    await expect(page).to_have_title("cat – DeepGIF")
    await expect(page.get_by_label("Describe the GIF")).to_have_value("cat")


async def test_a_link_to_a_gif_that_is_gone_says_so(open_page: Open, server: PageServer) -> None:
    """The best GIF is shown instead, with a notice."""
    page = await open_page("/?q=cat#catalogue:gone")
    for damaged in ("", "%E0%A4%A"):
        if damaged:
            await page.goto(f"{server.origin}/?q=dog#{damaged}")
        await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
        await expect(page.locator("#notices")).to_contain_text("not among these results")


async def test_markdown_is_copied_with_its_text_made_safe(open_page: Open, server: PageServer) -> None:
    """Brackets in an alt text or an address do not end the Markdown early."""
    server.respond = answers(result(0, alt_text="A [cat]\n(jumps)", url="/media/0.gif?(x)"))
    page = await open_page("/?q=cat")
    await page.get_by_role("button", name="Copy Markdown").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await clipboard(page) == rf"![A \[cat\] (jumps)]({server.origin}/media/0.gif?%28x%29)"


async def test_where_copying_is_forbidden_the_link_is_shown(open_page: Open, server: PageServer) -> None:
    """A browser without clipboard (plain http in a network) shows the link, selected."""
    page = await open_page("/?q=cat")
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.locator("#copy-text")).to_have_value(f"{server.origin}/media/0.gif")
    assert await page.evaluate("getSelection().toString()") == f"{server.origin}/media/0.gif"


async def test_examples_run(open_page: Open, server: PageServer) -> None:
    """Each example on the empty page is a search that runs when pressed."""
    page = await open_page()
    examples = await page.locator("#examples button").all_inner_texts()
    assert len(examples) >= 4
    for words in examples:
        await page.get_by_role("button", name=words).click()
        await expect(page).to_have_title(f"{words} – DeepGIF")
        await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
        await page.go_back()
        await expect(page.locator("#home")).to_be_visible()
    assert [request.query["q"] for request in server.asked] == examples


async def test_the_rating_is_sent_and_remembered(open_page: Open, server: PageServer) -> None:
    """A new upper rating searches again, keeps the choice, and is there after a reload."""
    page = await open_page("/?q=cat#catalogue:gif-4")
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 4")
    await page.get_by_label("Highest rating").select_option("g")
    await until(lambda: page.evaluate("document.getElementById('answer').ariaBusy === 'false'"))
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 4")
    await page.reload()
    await expect(page.locator(".tile")).to_have_count(12)
    assert [request.query["max_rating"] for request in server.asked] == ["pg-13", "g", "g"]
    await page.evaluate("localStorage.setItem('deepgif.rating', 'x')")
    await page.reload()
    await expect(page.get_by_label("Highest rating")).to_have_value("pg-13")


async def test_an_empty_answer_says_why(open_page: Open, server: PageServer) -> None:
    """No GIFs at all, none looked at yet and none that may be shown are three different things."""
    page = await open_page()
    for seen, total, title in (
        (0, 0, "No GIFs yet"),
        (0, 9, "Still indexing"),
        (9, 9, "No GIF found"),
    ):
        server.respond = answers(coverage={"embedded": seen, "total": total, "fraction": 1.0}, notices=["A notice."])
        await search(page, "cat")
        await expect(page.locator("#state-title")).to_have_text(title)
        await expect(page.locator("#state-text")).to_contain_text("A notice.")
    server.respond = twelve
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")


async def test_words_that_cannot_be_searched_are_not_sent(open_page: Open, server: PageServer) -> None:
    """Nothing, and far too much, get one clear sentence without asking the engine."""
    page = await open_page()
    await search(page, "   ")
    await expect(page.locator("#hint")).to_have_text("Describe the GIF first.")
    await search(page, "🐈" * 1001)
    await expect(page.locator("#state-text")).to_have_text("Use at most 1,000 characters.")
    assert server.asked == []
    await search(page, "🐈" * 1000)
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")


async def test_errors_are_told_in_words_and_can_be_tried_again(open_page: Open, server: PageServer) -> None:
    """The engine's own sentence is shown; foreign, broken and missing answers get one of the page's."""

    async def fails(_request: web.Request) -> web.Response:
        return problem(500, "The search failed", "The log says why.")

    async def foreign(_request: web.Request) -> web.Response:
        return web.Response(text="<h1>Bad gateway</h1>", status=502, content_type="text/html")

    async def hangs_up(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    page = await open_page("/?q=cat")
    for respond, title, text in (
        (fails, "The search failed", "The log says why."),
        (foreign, "Unexpected answer", "status 502"),
        (hangs_up, "Can't reach the engine", "Check that it is running"),
    ):
        server.respond = respond
        await search(page, "dog")
        await expect(page.locator("#state-title")).to_have_text(title)
        await expect(page.locator("#state-text")).to_contain_text(text)
        await expect(page.get_by_role("status")).to_contain_text(title)
    server.respond = twelve
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")


async def test_a_starting_engine_is_asked_again(open_page: Open, server: PageServer) -> None:
    """While the engine starts the page says so, and the search runs by itself once it can."""
    ready = asyncio.Event()

    async def starting(request: web.Request) -> web.Response:
        if len(server.asked) == 1:
            return problem(503, "Not ready", "The engine is loading.", Retry_After="0")
        await ready.wait()
        return await twelve(request)

    server.respond = starting
    page = await open_page("/?q=cat")
    await expect(page.locator("#state-title")).to_have_text("Starting…")
    ready.set()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")


async def test_a_token_is_asked_for_and_kept_in_the_tab_only(open_page: Open, server: PageServer) -> None:
    """401 shows the form; a wrong token is told; the right one runs the search and is not kept for longer."""

    async def guarded(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer sesame":
            return problem(401, "Unauthorized", "A token is needed.")
        return await twelve(request)

    server.respond = guarded
    page = await open_page("/?q=cat")
    field = page.get_by_label("Access token")
    await expect(field).to_be_focused()
    await expect(page.locator("#token-hint")).to_have_text("")
    await field.fill("schlüssel")
    await page.keyboard.press("Enter")
    await expect(page.locator("#token-hint")).to_contain_text("only ASCII letters")
    await field.fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#token-hint")).to_contain_text("rejected that token")
    await field.fill("sesame")
    await page.keyboard.press("Enter")
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
    await page.reload()
    await expect(page.locator("#chosen-title")).to_have_text("GIF number 0")
    assert "sesame" not in str(await page.evaluate("[JSON.stringify(localStorage), document.cookie]")) + page.url


async def test_only_the_latest_search_is_shown(open_page: Open, server: PageServer) -> None:
    """While an answer is on its way the page is busy; an older answer that comes later is never shown."""
    release, answered, hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow_or_quick(request: web.Request) -> web.StreamResponse:
        text = json.dumps(answer(request.query["q"], [result(0, title=f"For {request.query['q']}")]))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if request.query["q"] == "slow":
            await release.wait()
        if request.query["q"] == "quick":
            await hurry.wait()
        try:
            await response.prepare(request)
            await response.write_eof(text.encode())
        finally:
            if request.query["q"] == "slow":
                answered.set()
        return response

    server.respond = slow_or_quick
    page = await open_page("/?q=before")
    await expect(page.locator("#chosen-title")).to_have_text("For before")
    await search(page, "slow")
    await expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    await expect(page.get_by_role("status")).to_have_text("Searching…")
    await search(page, "quick")
    await page.evaluate(PAINTED)
    await expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    hurry.set()
    await expect(page.locator("#chosen-title")).to_have_text("For quick")
    await expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    release.set()
    await answered.wait()
    await page.evaluate("fetch('/v1/search?q=after').then((response) => response.text())")
    await page.evaluate(PAINTED)
    await expect(page.locator("#chosen-title")).to_have_text("For quick")
    assert [request.query["q"] for request in server.asked] == ["before", "slow", "quick", "after"]


async def test_gifs_play_unless_paused(open_page: Open) -> None:
    """GIFs move; the button and the p key stop all of them and let them go on."""
    page = await open_page("/?q=cat", viewport=SMALL)
    await expect(page.locator(".tile")).to_have_count(12)
    await moves(page, "#stage-picture")
    await moves(page, ".tile-picture >> nth=4")
    await page.get_by_role("button", name="Pause GIFs").click()
    await expect(page.locator("#answer img")).to_have_count(0)
    await expect(page.locator("#answer canvas[width='120']")).to_have_count(13)
    assert await is_still(page, *PICTURES)
    await page.keyboard.press("p")
    await expect(page.locator("#answer img")).to_have_count(13)
    await moves(page, "#stage-picture")


async def test_reduced_motion_shows_stills_until_asked(open_page: Open, server: PageServer) -> None:
    """Whoever asks for less motion sees first frames, from here and from elsewhere, and may play the large one."""
    server.respond = answers(result(0), result(1, url="https://media.example/1.gif"))
    page = await open_page("/?q=cat", also="media.example", reduced_motion="reduce", viewport=SMALL)
    await expect(page.locator("#answer canvas[width='120']")).to_have_count(3)
    await expect(page.locator("#answer img")).to_have_count(0)
    await expect(page.get_by_role("img", name="A square jumps, picture 1")).to_have_count(1)
    assert await is_still(page, *PICTURES)
    painted = await page.locator("#stage canvas").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(10, 2, 1, 1).data]"
    )
    assert painted == [192, 57, 43, 255]  # the square of the first frame
    await page.get_by_role("button", name="Play this GIF").click()
    await expect(page.get_by_role("button", name="Play this GIF")).to_be_hidden()
    await moves(page, "#stage-picture")
    assert await is_still(page, ".tile-picture >> nth=0")
    await page.locator(".tile").nth(1).click()
    await expect(page.locator("#stage canvas[width='120']")).to_have_count(1)
    assert await is_still(page, "#stage-picture")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_has_contrast(scheme: Any, open_page: Open, server: PageServer) -> None:
    """In light and in dark every visible text reaches 4.5:1 (WCAG AA), in every state of the page."""

    async def refuse(_request: web.Request) -> web.Response:
        return problem(401, "Unauthorized", "A token is needed.")

    server.respond = answers(*(result(place) for place in range(3)), notices=["A notice."])
    page = await open_page(color_scheme=scheme)
    checked = await page.evaluate(CONTRASTS)
    background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    await search(page, " ")
    checked += await page.evaluate(CONTRASTS)
    await search(page, "cat")
    await page.locator("summary").click()
    await expect(page.locator("#answer")).to_have_css("opacity", "1")
    checked += await page.evaluate(CONTRASTS)
    await page.locator("#keys").click()
    checked += await page.evaluate(CONTRASTS)
    await page.keyboard.press("Escape")
    server.respond = answers()
    await search(page, "dog")
    await expect(page.locator("#state")).to_be_visible()
    checked += await page.evaluate(CONTRASTS)
    server.respond = refuse
    await search(page, "cow")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.locator("#token-hint")).not_to_be_empty()
    checked += await page.evaluate(CONTRASTS)
    texts = {text for text, _ in checked}
    assert {
        "A notice.",
        "GIF number 0",
        "Try again",
        "Describe the GIF first.",
        "Keyboard shortcuts",
        "Rating",
        "cat",
    } <= texts
    assert [(text, round(ratio, 2)) for text, ratio in checked if ratio < 4.5] == []


async def test_nothing_is_wider_than_the_screen(open_page: Open, server: PageServer) -> None:
    """From 320 pixels up nothing scrolls sideways or is cut off, however long the words are."""

    async def refuse(_request: web.Request) -> web.Response:
        return problem(401 if len(server.asked) > 2 else 400, LONG, LONG)

    server.respond = answers(
        *(result(place, title=LONG, alt_text=LONG, id=LONG, explanation=LONG, width=3000) for place in range(12)),
        notices=[LONG],
    )
    page = await open_page()
    for view in ("#home", "#answer", "#state", "#access"):
        if view != "#home":
            await search(page, LONG)
        await expect(page.locator(view)).to_be_visible()
        if view != "#home":
            server.respond = refuse
        if view == "#answer":
            await page.locator("summary").click()
        for width in (320, 600, 800, 1280):
            await page.set_viewport_size({"width": width, "height": 640})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, view
            beyond = await page.evaluate(
                "(width) => [...document.querySelectorAll('header *, main :not(.unseen)')].filter((one) => "
                "one.checkVisibility() && one.getBoundingClientRect().right > width).map((one) => one.outerHTML)",
                width,
            )
            assert beyond == [], (view, width)


async def test_without_javascript_the_page_says_what_to_do(open_page: Open) -> None:
    """A browser that runs no scripts shows a sentence with another way to search."""
    page = await open_page(f"/?q={quote('a cat')}", java_script_enabled=False)
    await expect(page.locator("noscript h2")).to_be_visible()
    await expect(page.locator("noscript h2")).to_have_text("This page needs JavaScript")
