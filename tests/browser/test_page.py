"""The page in real browsers: found, looked at, rated, and come back to, with the keyboard alone."""

import importlib.util
import json
import math
import os
import pathlib
import shutil
import socket

import pytest
from browsers import Browser
from browsing import HOSTILE, PHOTOS
from gateways import Gateway
from PIL import Image
from running import DEADLINE_S, RunningDaemon

ACTIVE = "document.querySelector('.cell.active')"
COUNT = "document.querySelector('.count')?.textContent ?? ''"


def test_from_search_to_rating_by_keyboard(page, daemon):
    page.press("/")
    page.press("a cat", "Enter")
    page.until(f"/found|nearest/.test({COUNT})")
    assert "Nearest first" in page.js("document.querySelector('#grid').textContent")
    assert page.js("document.activeElement.id") == "grid"
    page.press("Enter")
    page.until("document.querySelector('.pswp--open')")
    page.press("i")
    page.until("document.querySelector('#panel h2')")
    page.press("4")
    page.until("document.querySelector('.star[aria-pressed=true]')")
    page.press("t")
    page.until("document.activeElement.id === 'new-tag'")
    page.press("whiskers", "Enter")
    page.until("document.querySelector('.tags .chip')?.textContent.includes('whiskers')")
    name = page.js("document.querySelector('#panel h2').textContent")
    images = daemon.get("/v1/images", limit=1000)["images"]
    (found,) = (image["id"] for image in images if image["files"][0]["path"].endswith(name))
    said = {"rating": 4, "tags": ["whiskers"]}  # shown before it is kept
    daemon.wait_until(lambda: daemon.get(f"/v1/images/{found}").get("user_metadata") == said)
    page.press("Escape")
    page.until("document.querySelector('#panel').hidden")
    page.press("Escape")
    page.until("!document.querySelector('.pswp')")
    page.press("2")  # in the grid: the panel must not tell what it knew before
    page.until("document.querySelector('#notice').textContent.includes('Rated 2')")
    page.press("i")
    page.until("document.querySelectorAll('#panel .star.lit').length === 2")
    daemon.request("PATCH", f"/v1/images/{found}/metadata", {"rating": None, "tags": None})


PASTED = (
    "fetch('/v1/images?limit=1').then(r => r.json())"
    ".then(({ images: [image] }) => fetch(`/v1/images/${image.id}/thumbnail`))"
    ".then(r => r.blob()).then(data => { const clipboardData = new DataTransfer();"
    " clipboardData.items.add(new File([data], 'a.jpg', { type: 'image/jpeg' }));"
    " const pasted = new ClipboardEvent('paste', { clipboardData, bubbles: true });"
    # Firefox lets no script paste a file, but drop it
    " dispatchEvent(pasted.clipboardData?.files.length ? pasted"
    " : new DragEvent('drop', { dataTransfer: clipboardData, bubbles: true })); })"
)


@pytest.mark.long
def test_back_returns_to_the_very_same_place(page):
    page.resize(500, 500)
    page.press("End")
    page.until(f"{ACTIVE} && document.querySelector('#grid').scrollTop > 0")
    place = "[document.querySelector('#grid').scrollTop, document.activeElement.id,"
    place += f" {ACTIVE}?.dataset.index]"
    before = page.js(place)
    page.press("Enter")
    page.until("document.querySelector('.pswp--open')")
    page.press("Escape")
    page.until("!document.querySelector('.pswp') && document.activeElement.id === 'grid'")
    page.until(
        f"JSON.stringify({place}) === {json.dumps(json.dumps(before, separators=(',', ':')))}"
    )
    page.press("s")
    page.until(f"/found|nearest/.test({COUNT})")
    page.js("history.back()")
    page.until("!location.hash")
    page.until(
        f"JSON.stringify({place}) === {json.dumps(json.dumps(before, separators=(',', ':')))}"
    )
    page.js(PASTED)
    page.until(
        f"document.querySelector('#by-picture:not([hidden])') && /found|nearest/.test({COUNT})"
    )
    page.js("history.back()")
    page.until(f"!document.querySelector('#by-picture:not([hidden])') && ({COUNT}) === '13 photos'")
    page.js("history.forward()")
    page.until(
        f"document.querySelector('#by-picture:not([hidden])') && /found|nearest/.test({COUNT})"
    )
    page.js("history.back()")
    page.until(f"({COUNT}) === '13 photos'")
    page.press("/")
    for typed in ("a", " cat"):  # what is searched for on the way is nothing to go back to
        page.press(typed)
        page.until(f"location.hash.endsWith({json.dumps(typed.strip())})")
    page.press("Enter")
    page.until(f"/found|nearest/.test({COUNT})")
    page.js("history.back()")
    page.until(f"!location.hash && ({COUNT}) === '13 photos'")
    page.click("#bar button.state")
    page.until("location.hash === '#view=status'")
    page.js("history.back()")
    page.until("!location.hash && document.activeElement.id === 'grid'")  # keys move in it again


def reloaded(browser, place, ready="true"):
    """Load the page anew, and return where it was before: it is there again."""
    kept = "JSON.stringify(history.state)"
    seen = [None, browser.js(kept)]
    while seen[-1] != seen[-2]:  # something moves yet
        browser.js("new Promise(done => setTimeout(done, 500))")
        seen.append(browser.js(kept))
    before = browser.js(place)
    browser.ask("browsingContext.reload", context=browser.context, wait="complete")
    browser.until(f"({ready}) && ({place}) === {json.dumps(before)}")
    return before


GRID = (
    "(({ scrollTop }, place) =>"
    " JSON.stringify([Math.round(scrollTop), place?.index, place?.active]))"
    "(document.querySelector('#grid'), history.state?.place)"
)
GROUP = "document.querySelector('.duplicates .count')?.textContent"
PANEL = "document.querySelector('#panel h2')?.textContent"
SHOWN = "document.querySelectorAll('.cell.shown').length >= 3"


@pytest.mark.long
def test_a_reload_returns_to_the_very_same_photos(browser, own_daemon):
    """Though the daemon was started anew meanwhile."""
    gateway = Gateway(own_daemon)
    browser.resize(500, 400)
    browser.open(gateway.address)
    browser.until(SHOWN)
    browser.press("End", "Up")
    browser.until("history.state.place?.active > 0")
    own_daemon.stop()
    again = type(own_daemon)(own_daemon.home, [own_daemon.home / "Pictures"])
    try:
        reloaded(browser, GRID, SHOWN)
        browser.js("void (location.hash = 'q=a cat')")
        browser.until(f"/found|nearest/.test({COUNT})")
        browser.press("End")
        browser.until("history.state.place?.active > 0")
        reloaded(browser, GRID, SHOWN)
        browser.press("i")
        browser.until(f"{PANEL} && history.state.panel")
        reloaded(browser, PANEL, "document.querySelector('.pswp--open')")
        browser.press("Escape")
        browser.until("!document.querySelector('.pswp') && history.state.viewing === undefined")
        browser.js("history.back()")
        browser.until("!location.hash && history.state.place?.active > 0")
    finally:
        browser.open("about:blank")
        gateway.close()
        again.kill()


def copy_some(daemon):
    """Have each photo of 2020 there twice."""
    for photo in (daemon.home / "Pictures" / "2020").glob("*.jpg"):
        photo.with_name(f"copy of {photo.name}").write_bytes(photo.read_bytes())
    daemon.wait_until(lambda: daemon.status()["files"]["indexed"] == 16)


@pytest.mark.long
def test_a_reload_returns_to_the_very_same_place_of_other_views(browser, own_daemon):
    copy_some(own_daemon)
    gateway = Gateway(own_daemon)
    try:
        browser.resize(500, 400)
        browser.open(gateway.address)
        browser.until(SHOWN)
        browser.press("d")
        browser.until(f"{GROUP}?.startsWith('1 of')")
        browser.press("n")
        browser.until("history.state.group === 1")
        assert reloaded(browser, GROUP).startswith("2 of")
        browser.press("m")
        browser.until("history.state.spot")
        browser.press("+", "Right")
        reloaded(browser, "JSON.stringify(history.state.spot)", SPOT)
        browser.click(".state")
        browser.until("document.querySelector('.roots')")
        browser.js("void (document.querySelector('#view').scrollTop = 60)")
        browser.until("history.state.scrolled === 60")
        assert reloaded(browser, "document.querySelector('#view').scrollTop") == 60
        browser.js("history.back()")
        browser.until(SPOT)
        browser.js("history.back()")
        browser.until(f"{GROUP}?.startsWith('2 of')")
    finally:
        browser.open("about:blank")
        gateway.close()


def test_a_search_that_was_scrolled_far_is_come_back_to(page):
    """As many hits are asked for as it takes."""
    page.js(
        "void (() => { const real = fetch; window.fetch = (path, options) => real(path,"
        " path === '/v1/search' ? { ...options, body: JSON.stringify("
        " { ...JSON.parse(options.body), limit: 2 }) } : options); })()"
    )
    opened = (
        "import('/web/sources.js').then(({ Results }) =>"
        " new Results({ text: 'a cat', terms: [] }).open(undefined, %s)).then(r => r.length)"
    )
    assert page.js(opened % 0) == 2
    assert page.js(opened % 7) > 7


def test_a_picture_that_was_searched_by_outlives_a_reload(page):
    page.js(PASTED)
    page.until(f"document.querySelector('#by-picture:not([hidden])') && /nearest/.test({COUNT})")
    before = page.js(COUNT)
    page.ask("browsingContext.reload", context=page.context, wait="complete")
    page.until(f"document.querySelector('#by-picture:not([hidden])') && ({COUNT}) === '{before}'")
    page.js("sessionStorage.clear()")  # as where it was too large
    page.ask("browsingContext.reload", context=page.context, wait="complete")
    page.until("document.querySelector('#notice.shown')?.textContent.includes('paste or drop')")


def test_text_is_dropped_where_one_writes(page):
    dropped = page.js(
        "['#query', '#when', '#grid'].map(place => ['dragover', 'drop'].map(kind => {"
        " const dataTransfer = new DataTransfer(); dataTransfer.setData('text/plain', 'a cat');"
        " return document.querySelector(place).dispatchEvent("
        "new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true })) }))"
    )
    assert dropped == [[True, True], [True, True], [False, False]]  # elsewhere nothing is left


def test_pictures_may_be_kept_for_good(page):
    """Wherever they are shown: their addresses have their hash."""
    page.press("/")
    page.press("a cat", "Enter")
    page.until(f"/found|nearest/.test({COUNT})")
    page.press("i")
    page.until("document.querySelector('.strip img')?.complete")
    page.press("Escape")
    page.until("!document.querySelector('.pswp')")
    open_map(page)
    page.until("document.querySelector('.spot img').complete")
    asked = {url for url in page.requested if "/thumbnail" in url}
    assert len(asked) > 10
    assert [url for url in asked if "hash=" not in url] == []


def test_pictures_are_asked_for_a_few_at_a_time(page):
    """What goes out of sight meanwhile is not asked for, nor what comes after it kept waiting."""
    page.js(
        "(window.most = 0, new MutationObserver(() => { most = Math.max(most, document"
        ".querySelectorAll('.cell:not(.shown, .broken) img[src]').length) })"
        ".observe(document.querySelector('#grid'),"
        " { subtree: true, attributeFilter: ['src'] }))"
    )
    page.press("/")
    page.press("a cat", "Enter")
    page.until(f"/found|nearest/.test({COUNT}) && most")
    cells = page.js("document.querySelectorAll('.cell').length")
    page.until(f"document.querySelectorAll('.cell.shown').length === {cells} && {cells} > 4")
    assert page.js("most") <= 4


def test_what_was_understood_is_told_and_can_be_refused(page):
    page.press("/")
    page.press("a cat in 2021", "Enter")
    said = "document.querySelector('.said').innerText"
    page.until(f"({said}).includes('“a cat”, taken 2021-01-01 to 2021-12-31')")
    few = page.js(COUNT)
    page.js("document.querySelector('.said button').click()")
    page.until(f"({said}) === '' && ({COUNT}) !== {json.dumps(few)}")
    page.js("history.back()")
    page.until(f"({said}).includes('2021-12-31') && ({COUNT}) === {json.dumps(few)}")
    page.press("/")
    page.press("a cat in 2021 ", "Enter")  # typed anew, it is understood anew
    page.until(f"({said}).includes('2021-12-31')")


def test_more_hits_that_do_not_come_are_told_of(page):
    page.js(
        "void (() => { const real = fetch; window.away = true; window.fetch = (path, options) => {"
        " const body = path === '/v1/search' && JSON.parse(options.body);"
        " if (body.cursor && window.away) return Promise.reject(new TypeError('away'));"
        " const few = body ? { ...options, body: JSON.stringify({ ...body, limit: 4 }) } : options;"
        " return real(path, few); }; })()"
    )
    page.press("/")
    page.press("a cat", "Enter")
    again = "document.querySelector('#notice.shown button')"
    page.until(f"{again} && document.querySelector('#notice').innerText.includes('not connected')")
    cells = "document.querySelectorAll('.cell').length"
    assert page.js(cells) == 4
    page.js(f"(() => {{ window.away = false; {again}.click(); }})()")
    page.until(f"{cells} > 4 && !{again}")


def test_what_is_the_owners_alone_is_hidden_from_members_and_said_in_words(page):
    page.js("void document.body.classList.add('member')")
    page.press("x")
    page.press("i")
    page.until("document.querySelector('.strip img')")
    hidden = [
        *(".to-duplicates", ".note", ".tags form"),
        *("#selection .stars", "#selection [data-key=t]"),
    ]
    for each in hidden:
        assert page.js(f"document.querySelector('{each}').offsetParent === null"), each
    assert page.js("document.querySelector('.to-map').offsetParent !== null")
    page.js(
        "void (() => { const real = fetch; window.fetch = (path, options) =>"
        " options?.method === 'PATCH' ? Promise.resolve(new Response('{}', { status: 403 }))"
        " : real(path, options); })()"
    )
    page.press("4")
    page.until("document.querySelector('#notice.shown')?.textContent.startsWith('Only the owner')")
    assert page.js("document.querySelectorAll('#panel .star.lit').length") == 0
    page.press("Escape")


def test_arrows_move_and_shift_selects(page):
    page.press("Home")
    page.press("Right", "Right")
    page.until(f"{ACTIVE}?.dataset.index === '2'")
    shown = "document.querySelector('#grid').getAttribute('aria-activedescendant')"
    page.until(f"{shown} === 'photo-2'")
    page.press("Right", "Right", held=["Shift"])
    page.until("document.querySelector('#selection').textContent.includes('3 selected')")
    page.press("Escape")
    page.until("document.querySelector('#selection').hidden")
    page.press("x")
    page.until("document.querySelector('#selection').textContent.includes('1 selected')")


def test_every_key_of_the_grid_does_what_the_help_says(page):
    page.resize(500, 400)
    index = f"Number({ACTIVE}?.dataset.index)"

    def moved(key, condition):
        before = page.until(f"{index} + 1") - 1
        page.press(key)
        page.until(condition.replace("now", index).replace("before", str(before)))

    page.press("Home")
    page.until(f"{index} === 0")
    for key, condition in (
        ("Down", "now > before"),
        ("Right", "now === before + 1"),
        ("Left", "now === before - 1"),
        ("Up", "now < before"),
        ("PageDown", "now > before"),
        ("PageUp", "now < before"),
        ("End", "now === 12"),
    ):
        moved(key, condition)
    page.press("?")
    page.until("document.querySelector('#help[open]')")
    page.press("Escape")
    page.until("!document.querySelector('#help[open]')")
    page.press("g")
    page.until("document.querySelector('#dialog[open]')")
    page.press("2021", "Enter")
    month = f"{ACTIVE}?.getAttribute('aria-label').includes('2021')"
    page.until(f"!document.querySelector('#dialog[open]') && {month}")
    for key, said in (("3", "Rated 3 of 5"), ("0", "No rating")):
        page.press(key)
        page.until(f"document.querySelector('#notice.shown')?.textContent === '{said}'")
    photo = page.js(f"{ACTIVE}.dataset.photo")
    page.press("s")
    page.until(f"location.hash === '#q=%23{photo}' && /found|nearest/.test({COUNT})")
    page.press("Escape")
    page.until(f"!location.hash && {ACTIVE}?.dataset.photo === '{photo}'")
    page.press("t")
    page.until("document.querySelector('#dialog[open]')")
    page.press("Escape")


def test_keys_are_meant_for_what_is_seen(page):
    """Not for the photo that was left behind by scrolling, or by the strip of months."""
    page.resize(500, 300)
    page.press("Home")
    page.js("void (document.querySelector('#grid').scrollTop = 1e6)")
    page.until(
        "document.querySelector('#grid').scrollTop > 300 && !document.querySelector('#photo-0')"
    )
    page.press("x")
    page.until("!document.querySelector('#selection').hidden")
    chosen = "document.querySelector('.cell[aria-selected=true]').getBoundingClientRect()"
    assert page.js(f"{chosen}.bottom > 0 && {chosen}.top < innerHeight")


def test_the_strip_of_months_goes_month_by_month(page):
    page.resize(500, 300)
    thumb = "document.querySelector('#scrubber .thumb')"
    month = f"{thumb}.getAttribute('aria-valuetext')"
    page.js(f"void {thumb}.focus()")
    months = page.js("fetch('/v1/timeline').then(r => r.json()).then(t => t.months.length)")
    seen = [page.js(month)]
    for _ in range(3):
        page.press("Down")
        page.until(f"({month}) !== {json.dumps(seen[-1])}")
        seen.append(page.js(month))
    assert len(set(seen)) == 4 <= months
    headings = "[...document.querySelectorAll('.heading')]"
    top = "document.querySelector('#grid').getBoundingClientRect().top"
    at_top = f"h.getBoundingClientRect().top - {top} < 100"
    page.until(f"{headings}.some(h => {at_top} && h.textContent === {month})")
    page.press("Up")
    page.until(f"({month}) === {json.dumps(seen[-2])}")


def test_rows_fit_whatever_the_width_is(page):
    for width in (1200, 390, 800):
        page.resize(width, 700)
        page.until(
            "(cells => cells.length && Math.max(...cells.map(c => c.getBoundingClientRect().right))"
            f" <= {width} && document.documentElement.scrollWidth <= {width})"
            "([...document.querySelectorAll('.cell')])"
        )


def test_what_scrolls_lies_on_a_ground_of_its_own(page):
    """Else browsers draw everything anew for every frame, as text may blend with what is below."""
    grounds = (
        "['#grid', '#view', '#panel'].map(each =>"
        " getComputedStyle(document.querySelector(each)).backgroundColor)"
    )
    for ground in page.js(grounds):
        assert ground.startswith("rgb("), ground  # opaque


def test_names_that_mean_harm_are_only_names(page):
    page.press("End")
    for _ in range(len(HOSTILE) + 2):
        page.press("Enter")
        page.until("document.querySelector('.pswp--open')")
        page.press("i")
        page.until("document.querySelector('#panel h2')")
        page.press("Escape")
        page.until("!document.querySelector('.pswp')")
        page.press("Left")
    assert page.js("document.title") == "imgvecd"
    assert page.js("document.querySelectorAll('#panel img[onerror], #panel script').length") == 0


def test_keys_count_while_a_photo_is_still_opening(page):
    page.press("Home")
    page.press("Enter", "Right", "Right", "Left")  # faster than it opens
    page.until("document.querySelector('.pswp__counter')?.innerText.startsWith('2 /')")
    page.press("Right")  # and afterwards, once each
    page.until("document.querySelector('.pswp__counter').innerText.startsWith('3 /')")


def test_the_panel_opens_and_closes_without_a_key(page):
    page.click(".cell")
    page.until("document.querySelector('.pswp--open .pswp__button--about')")
    for hidden in ("false", "true"):
        page.click(".pswp__button--about")
        page.until(f"document.querySelector('#panel').hidden === {hidden}")


def test_on_a_phone_nothing_covers_anything_else(page):
    page.resize(390, 780)
    page.press("x", "5")
    page.until("document.querySelector('#notice.shown')?.getAnimations().length === 0")
    (left, right, top), bottom = page.js(
        "[(({left, right, top}) => [left, right, top])"
        "(document.querySelector('#selection').getBoundingClientRect()),"
        " document.querySelector('#notice').getBoundingClientRect().bottom]"
    )
    assert bottom <= top
    assert abs(left - (390 - right)) <= 1
    assert right - left > 300
    page.press("0", "Escape", "?")
    page.until("document.querySelector('#help[open]')")
    assert page.js("document.querySelector('#help').scrollTop") == 0  # it begins at its beginning
    page.press("Escape")
    page.click("[popovertarget]")
    page.until("document.querySelector('[data-kind=camera] li')")
    kinds = "[...document.querySelectorAll('#filters fieldset')].filter(f => f.offsetHeight)"
    assert "person" not in page.js(f"{kinds}.map(f => f.dataset.kind)")  # nobody is named here


def test_what_the_daemon_does_is_told_as_it_changes(page, daemon):
    """Whoever else pauses it: null in its state is not sent."""
    page.click(".state")
    resume = "[...document.querySelectorAll('#view button')].some(b => b.textContent === 'Resume')"
    page.until("document.querySelector('.roots')")
    for paused in ("true", "false"):
        daemon.post("/v1/pause" if paused == "true" else "/v1/resume")
        page.until(f"String({resume}) === '{paused}'")
    live = (
        "import('/web/api.js').then(({ Live }) => { const told = { status() {}, back() {} };"
        " const live = new Live(told); live.start(); window.live = live; })"
    )
    page.js(live)
    page.until("live.state?.roots")
    page.js(
        "void live.events.dispatchEvent(new MessageEvent('model', { data:"
        " JSON.stringify({ model: { model: {}, move: { name: 'other' } } }) }))"
    )
    assert page.js("live.state.move.name") == "other"
    page.js(
        "void live.events.dispatchEvent(new MessageEvent('model', { data:"
        " JSON.stringify({ model: { model: {} } }) }))"
    )
    assert page.js("live.state.move") is None  # it is complete
    page.js("live.stop()")


def test_keys_scroll_what_is_no_grid(page):
    page.resize(500, 300)
    page.click(".state")
    page.until("document.querySelector('.roots')")
    page.press("PageDown")
    page.until("document.querySelector('#view').scrollTop > 0")


def test_a_film_that_the_browser_cannot_play_is_told_of_and_downloaded(page, daemon):
    images = daemon.get("/v1/images", limit=100)["images"]
    (photo,) = (i["id"] for i in images if i["files"][0]["path"].endswith("portrait.heic"))
    page.js(f"void (location.hash = 'q=%23{photo}')")
    page.until(f"document.querySelector('.cell')?.dataset.photo === '{photo}'")
    page.press("Home", "i")
    page.until("document.querySelector('#panel video')")
    page.js("document.querySelector('#panel video').play().catch(() => {})")
    page.until("document.querySelector('#notice.shown')?.textContent.includes('cannot play')")
    film = "document.querySelector('#panel video + a[download]').href"
    assert page.js(f"fetch({film}).then(r => r.text())") == "no film that a browser knows"


def test_many_duplicates_are_told_apart_on_a_phone(page):
    page.resize(390, 780)
    page.js(
        "import('/web/duplicates.js').then(({ Duplicates }) => {"
        " const box = document.querySelector('#view'); box.hidden = false;"
        " const shown = new Duplicates(box, () => {}); shown.visible = true; shown.total = 1;"
        " const all = { id: 1, hash: 'h', format: 'jpeg', size_bytes: 1e5, width: 640,"
        " modified_at: '2023-01-01T00:00:00Z' };"
        " const files = [...Array(9).keys()].map(i => ({ ...all, keep: !i, height: 480 - i,"
        " path: `/a folder/one name of nine ${i}.jpg` }));"
        " shown.groups = [{ kind: 'similar', files }]; window.shown = shown; shown._go(0); })"
    )
    told = "[...document.querySelectorAll('figure')].map(f => f.innerText.replace(/\\s+/g, ' '))"
    seen = [f"{i + 1} {'Goes' if i else 'Stays'} 100 kB Pixels 640 × {480 - i}" for i in range(9)]
    seen = [f"{line} Name one name of nine {i}.jpg" for i, line in enumerate(seen)]
    for over in ("false", "true"):  # the slider, too
        page.until(f"String(shown.over) === '{over}'")
        assert page.js(told) == seen
        widths = "[...document.querySelectorAll('dd')].map(d => d.getBoundingClientRect().width)"
        assert page.js(f"Math.min(...{widths}.filter(Boolean))") > 200
        page.js("shown.key('o')()")
    touched = "getComputedStyle(document.querySelector('.lens')).touchAction"
    assert page.js(touched) == "pan-y"  # a finger scrolls past the pictures
    page.js("shown.key('+')()")
    assert page.js(touched) == "none"


@pytest.mark.long
def test_all_places_are_seen_when_the_map_opens(browser, tmp_path):
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    for i in range(12):  # some at the edges of the large cells that are asked for first
        picture = Image.new("RGB", (60, 40), (20 * i, 90, 60))
        exif = picture.getexif()
        exif.get_ifd(0x8825).update(
            {1: "N", 2: (39 + 0.7 * i, 0, 0), 3: "E", 4: (8 + 0.5 * i, 0, 0)}
        )
        picture.save(pictures / f"{i}.jpg", exif=exif)
    daemon = RunningDaemon(tmp_path, [pictures])
    gateway = None
    try:
        daemon.wait_until_indexed(12)
        gateway = Gateway(daemon)
        browser.open(gateway.address)
        browser.resize(1200, 800)
        browser.until("document.querySelector('.cell.shown')")
        browser.press("m")
        browser.until(
            "document.querySelector('.map-foot button')?.innerText === 'Show 12 photos here'"
        )
        outside = browser.js(
            "(box => [...document.querySelectorAll('.spot')].map(s => s.getBoundingClientRect())"
            " .filter(s => s.top < box.top || s.bottom > box.bottom"
            " || s.left < box.left || s.right > box.right).length)"
            "(document.querySelector('.map').getBoundingClientRect())"
        )
        assert outside == 0
    finally:
        browser.open("about:blank")
        if gateway:
            gateway.close()
        daemon.kill()


def test_a_heic_is_shown(page):
    page.press("/")
    page.press("#0", "Enter")  # no such photo: an error that is told, not a broken page
    page.until("document.querySelector('#notice.shown')")
    images = page.js("fetch('/v1/images?limit=100').then(r => r.json())")["images"]
    (heic,) = (image for image in images if image["files"][0]["path"].endswith(".heic"))
    size = page.js(
        "(async () => { const i = new Image();"
        f" i.src = '/v1/images/{heic['id']}/thumbnail?size=2048';"
        " await i.decode(); return [i.naturalWidth, i.naturalHeight]; })()"
    )
    assert size == [320, 480]


def test_filters_are_chips(page):
    page.click("[popovertarget]")
    page.until(
        "[...document.querySelectorAll('#filters li')]"
        ".some(li => li.textContent.includes('Camera 1'))"
    )
    page.js(
        "[...document.querySelectorAll('#filters li button')]"
        ".find(b => b.textContent.includes('Camera 1')).click()"
    )
    page.until(f"({COUNT}) === '4 photos'")
    assert "Camera 1" in page.js("document.querySelector('.chips .chip').textContent")
    page.js("document.querySelector('.chips .chip button').click()")
    page.until(f"({COUNT}) === '13 photos'")
    many = {"tags": [f"{number}th tag of many that are long" for number in range(80)]}
    page.js(f"location.hash = 'filters=' + encodeURIComponent('{json.dumps(many)}')")
    page.until("document.querySelectorAll('.chips .chip').length > 80")
    assert page.js("document.querySelector('main').clientHeight") > 500  # of 800: the grid stays
    page.resize(390, 780)
    bottom = "document.querySelector('[popovertarget]').getBoundingClientRect().bottom"
    page.js("document.querySelector('#filters').showPopover()")
    menu = "document.querySelector('#filters').getBoundingClientRect()"
    page.until(f"{menu}.height > 0")
    assert page.js(f"{menu}.top >= {bottom} && {menu}.right <= innerWidth && {menu}.left >= 0")


@pytest.mark.long
def test_views_that_are_left_and_come_back_to_show_what_is_there(browser, own_daemon):
    """Whichever answer comes last, and while the daemon is away; who types is left alone."""
    copy_some(own_daemon)
    gateway = Gateway(own_daemon)
    try:
        browser.resize(1200, 800)
        browser.open(gateway.address)
        browser.until(SHOWN)
        browser.press("d")
        browser.until(GROUP)
        groups = browser.js(GROUP)
        browser.js(
            "void (() => { const real = fetch; const slow = []; window.slow = slow;"
            " window.fetch = async (path, options) => { const answer = await real(path, options);"
            " if (path === '/v1/duplicates') await new Promise((go) => slow.push(go));"
            " return answer; }; })()"
        )
        browser.press("m", "d", "m", "d")
        browser.until("slow.length === 2")
        browser.js("void slow.forEach((go) => go())")
        browser.until(GROUP)
        browser.press("n", "n", "n", "n", "n", "n")
        assert browser.js(GROUP).split(" of ") == [groups.split(" of ")[1]] * 2
        own_daemon.stop()
        browser.press("m")
        refused = "document.querySelector('#notice.shown button')"
        browser.until(refused)
        assert not browser.js("document.querySelector('#view').checkVisibility()")
        browser.press("/")
        browser.js("void (window.asked = performance.getEntriesByType('resource').length)")
        browser.until("performance.getEntriesByType('resource').length > window.asked + 2")
        assert browser.js("document.activeElement.id") == "query"
    finally:
        browser.open("about:blank")
        gateway.close()


@pytest.mark.long
def test_a_restarted_daemon_is_found_again(browser, own_daemon):
    gateway = Gateway(own_daemon)
    try:
        browser.open(gateway.address)
        browser.until("document.querySelectorAll('.cell.shown').length >= 5")
        browser.resize(500, 300)
        own_daemon.stop()
        browser.press("End")  # photos that cannot come
        browser.until("document.querySelector('#notice.shown')?.textContent.includes('not answer')")
        browser.until("document.querySelector('.state').title === 'Status'")
        browser.click(".state")
        browser.until("location.hash === '#view=status'")
        again = type(own_daemon)(own_daemon.home, [own_daemon.home / "Pictures"])
        try:
            browser.until("!document.querySelector('#notice').textContent")
            browser.until("document.querySelector('.roots')")
            browser.js("history.back()")
            browser.until(f"{ACTIVE}?.classList.contains('shown')")
            browser.press("/")
            browser.press("a cat", "Enter")
            browser.until(f"/found|nearest/.test({COUNT})")
            away = own_daemon.home / "away"
            (own_daemon.home / "Pictures").rename(away)
            browser.until("document.querySelector('.state').textContent.includes('offline')")
            browser.press("Escape")
            browser.until("document.querySelectorAll('.cell.shown').length >= 3")
            gateway.close()
            browser.until("document.querySelector('#notice').textContent.includes('browse again')")
        finally:
            again.kill()
    finally:
        browser.open("about:blank")
        gateway.close()


@pytest.mark.long
def test_new_photos_appear(browser, own_daemon):
    """Even where the page was left often, and come back to: a browser keeps pages, as they were."""
    gateway = Gateway(own_daemon)
    try:
        browser.open(gateway.address)
        browser.until(f"({COUNT}) === '13 photos'")
        for _ in range(7):  # connections are six for all pages
            browser.open("about:blank")
            browser.open(f"http://{gateway.host}/")
            browser.until(f"({COUNT}) === '13 photos'")
        browser.open("about:blank")
        browser.ask("browsingContext.traverseHistory", context=browser.context, delta=-1)
        browser.until(f"({COUNT}) === '13 photos'")
        browser.press("Home", "Right")
        photo = f"{ACTIVE}?.dataset.photo"
        active = browser.until(photo)
        pictures = own_daemon.home / "Pictures"
        old = next(pictures.rglob("rocket.jpg"))
        with Image.open(old) as picture:
            picture.resize((2000, 100)).save(pictures / "panorama.jpg")
        browser.until(f"({COUNT}) === '14 photos'")
        assert browser.js(photo) == active  # what is rated next is the same as before
        browser.press("Home", "Enter")
        large = "document.querySelector('.pswp__item[aria-hidden=false] img.pswp__img')"
        browser.until(f"(i => i?.naturalWidth && i.offsetWidth > 15 * i.offsetHeight)({large})")
        browser.press("Escape")
        browser.until("!document.querySelector('.pswp')")
        browser.press("/")
        browser.press("a rocket", "Enter")
        browser.until(f"/found|nearest/.test({COUNT})")
        browser.press("Home", "Right", "x")
        chosen = "document.querySelector('.cell[aria-selected=true]')?.dataset.photo"
        selected = browser.until(chosen)
        with Image.open(old) as picture:
            picture.save(pictures / "new.jpg", quality=50)
        browser.until("document.querySelector('#notice').textContent.includes('matches')")
        assert browser.js(chosen) == selected
    finally:
        browser.open("about:blank")
        gateway.close()


@pytest.mark.long
def test_one_photo_is_looked_at_while_its_drive_goes_and_while_it_is_deleted(browser, tmp_path):
    folder = tmp_path / "Pictures"
    folder.mkdir()
    shutil.copy(PHOTOS / "rocket.jpg", folder)
    daemon = RunningDaemon(tmp_path, [folder])
    gateway = None
    name = "document.querySelector('#panel h2')?.textContent"
    try:
        daemon.wait_until_indexed(1)
        gateway = Gateway(daemon)
        browser.resize(1200, 800)
        browser.open(gateway.address)
        browser.until(f"({COUNT}) === '1 photo'")
        browser.press("Enter", "i")
        browser.until(f"{name} === 'rocket.jpg'")
        for key in ("Right", "Left", "End", "Home", "PageDown"):
            browser.press(key)  # there is no other
        browser.until("document.querySelector('.pswp__img')?.naturalWidth")
        folder.rename(tmp_path / "away")
        daemon.wait_until(lambda: not daemon.status()["roots"][0].get("online", True))
        browser.press("i", "i")
        browser.until("document.querySelector('#panel .badge')?.textContent.includes('Offline')")
        assert browser.js(name) == "rocket.jpg"
        browser.until("document.querySelector('.pswp__img')?.naturalWidth")
        (tmp_path / "away").rename(folder)
        daemon.wait_until(lambda: daemon.status()["roots"][0].get("online", True))
        (folder / "rocket.jpg").unlink()
        daemon.wait_until(lambda: daemon.status()["files"]["seen"] == 0)
        browser.press("i", "i")
        browser.until("document.querySelector('#panel .wrong')")
        browser.press("Escape")
        browser.until(
            "document.querySelector('#view .empty')?.textContent.includes('No photos yet')"
        )
        browser.until("!document.querySelector('.pswp')")
        browser.press("Enter", "Down", "x", "s", "5")
        assert browser.js("document.querySelectorAll('.pswp--open').length") == 0
    finally:
        browser.open("about:blank")
        if gateway is not None:
            gateway.close()
        daemon.kill()


def groups_come_as_one_goes_on(browser, names):
    """Go through all groups, of which the page has only the first two at the beginning."""
    browser.js(
        "(async () => { const { Duplicates } = await import('/web/duplicates.js');"
        " window.groups = new Duplicates(document.querySelector('#view'), () => {});"
        " groups.page = 2; await groups.show(); })()"
    )
    assert browser.js("groups.groups.length") == 2
    seen, total = set(), browser.js("groups.total")
    for number in range(total):
        place = f"{number + 1} of {total}"
        browser.until(f"document.querySelector('.duplicates .count').textContent === '{place}'")
        pictures = browser.js("[...document.querySelectorAll('.lens img')].map(i => i.alt)")
        seen |= {path.rpartition("/")[2] for path in pictures}
        browser.until(f"groups.at + 1 < groups.groups.length || {number + 1} === groups.total")
        # what is on its way is not seen, nor what was there before
        as_far_as_here = "image => image.style.opacity === String(Number(image.complete))"
        pictures = "[...document.querySelectorAll('.lens img')]"
        assert browser.js(f"groups.key('n')() ?? {pictures}.every({as_far_as_here})")
        browser.until(f"{pictures}.every(image => image.style.opacity === '1')")
    assert total > 2
    assert seen >= names


@pytest.mark.long
def test_duplicates_go_to_the_trash_and_come_back(browser, own_daemon):
    photos = sorted((own_daemon.home / "Pictures" / "2020").glob("*.jpg"))
    copies = [photo.with_name(f"copy of {photo.name}") for photo in photos]
    for photo, copy in zip(photos, copies, strict=True):
        copy.write_bytes(photo.read_bytes())
    own_daemon.wait_until(lambda: own_daemon.status()["files"]["indexed"] == 16)
    gateway = Gateway(own_daemon)
    try:
        browser.open(gateway.address)
        browser.until("document.querySelectorAll('.cell.shown').length >= 5")
        browser.press("d")
        title = "document.querySelector('.duplicates h2')?.textContent"
        browser.until(f"{title} === 'The very same file'")
        zoom = "document.querySelector('.lens img').style.transform"
        for keys, seen in (
            ("++", "scale(2.25) translate(0%, 0%)"),
            (("Right", "Down"), "scale(2.25) translate(-4.444%, -4.444%)"),
            ("-", "scale(1.5) translate(-4.444%, -4.444%)"),
            ("0", "scale(1) translate(0%, 0%)"),
        ):
            browser.press(*keys)
            rounded = f"({zoom}).replace(/\\d+\\.\\d{{4,}}/g, (n) => Number(n).toFixed(3))"
            browser.until(f"{rounded} === '{seen}'")
        marks = "[...document.querySelectorAll('figcaption button')].map(b => b.textContent.trim())"
        for key, seen in (
            ("1", ["1 Goes", "2 Goes"]),
            ("1", ["1 Stays", "2 Goes"]),
            (" ", ["2 Goes", "1 Stays"]),
            (" ", ["1 Stays", "2 Goes"]),
        ):
            browser.press(key)
            browser.until(f"String({marks}) === {json.dumps(','.join(seen))}")
        place = "document.querySelector('.duplicates .count').textContent"
        for key, seen in (("n", "2 of"), ("p", "1 of")):
            browser.press(key)
            browser.until(f"{place}.startsWith('{seen}')")
        for seen in ("true", "false"):
            browser.press("o")
            browser.until(f"String(Boolean(document.querySelector('.overlaid'))) === '{seen}'")
        browser.js("document.querySelector('.duplicates button.main').click()")
        browser.until("document.querySelector('#notice').textContent.includes('1 moved')")
        left = [path for path in photos + copies if path.exists()]
        assert len(left) == 5
        buttons = "[...document.querySelectorAll('#view button')]"
        back = f"{buttons}.find(b => b.textContent === 'Put 1 back')"
        browser.until(back)
        browser.js(f"{back}.click()")
        browser.until("document.querySelector('#notice').textContent.includes('1 are back')")
        assert all(path.exists() for path in photos + copies)
        browser.until(f"document.querySelector('.duplicates') && !{back}")
        own_daemon.wait_until(
            lambda: own_daemon.is_idle() and own_daemon.status()["files"]["indexed"] == 16
        )
        groups_come_as_one_goes_on(browser, {path.name for path in photos + copies})
        browser.press("d")
        everywhere = f"{buttons}.find(b => b.textContent.startsWith('The same in all'))"
        browser.until(everywhere)
        browser.js(f"{everywhere}.click()")
        browser.until("document.querySelector('#notice').textContent.includes(' moved to')")
        assert sum(path.exists() for path in photos + copies) == 3
    finally:
        browser.open("about:blank")
        gateway.close()


SPOT = "document.querySelector('.spot')"
SPOTS = "[...document.querySelectorAll('.spot')].map(s => s.getAttribute('aria-label'))"


def open_map(page):
    page.press("m")
    page.until(f"({SPOTS}).some(label => label.includes('Rome')) && ({SPOTS}).length === 3")


def test_the_map_leads_to_photos_and_back_by_keyboard(page):
    open_map(page)
    assert page.js("document.activeElement.className") == "map"
    (first, *_) = page.js(SPOTS)
    assert first.startswith("2 photos near Z")
    page.until("history.state.spot")
    zoom = page.js("history.state.spot.zoom")
    page.press("-")
    page.until(f"history.state.spot.zoom < {zoom - 0.9}")
    page.until(f"({SPOTS}).length === 2")  # Rome is with Zürich now
    page.press("Tab")
    assert page.js("document.activeElement.className").startswith("spot")
    label = page.js("document.activeElement.getAttribute('aria-label')")
    if page.kind == "firefox":  # headless, its window has no focus, and Enter clicks no button
        page.js("document.activeElement.click()")
    else:
        page.press("Enter")
    page.until("document.querySelector('.chips .chip')?.textContent.includes('part of the map')")
    page.until(f"({COUNT}) === '{label.partition(' near')[0]}'")
    page.js("history.back()")
    page.until(f"({SPOTS}).includes({json.dumps(label)})")
    assert page.js("history.state.spot.zoom") == pytest.approx(zoom - 1)


@pytest.mark.long
def test_the_map_is_moved_and_zoomed_by_hand(page, gateway):
    open_map(page)
    zoom, longitude = "history.state.spot.zoom", "history.state.spot.longitude"
    page.until("history.state.spot")
    start = page.js(longitude)
    page.drag((500, 500), (350, 500))
    page.until(f"{longitude} > {start}")
    near = page.js(zoom)
    page.scroll((500, 400), -400)
    page.until(f"{zoom} > {near}")
    page.click(".map-tools button + button")
    page.until(f"{zoom} < {near} + 1")
    page.press("Home")
    page.until("document.querySelector('.map-foot button').textContent === 'Show 4 photos here'")
    page.click(".map-foot button")
    page.until(f"({COUNT}) === '4 photos'")
    asked = {url.split("/")[2] for url in page.requested if url.startswith("http")}
    assert asked == {gateway.host}


@pytest.mark.long
def test_the_map_is_zoomed_by_two_fingers(page):
    open_map(page)
    page.until("history.state.spot")
    zoom = page.js("history.state.spot.zoom")
    page.js(
        "(() => { const map = document.querySelector('.map');"
        " const at = (kind, to, pointerId, clientX) => to.dispatchEvent(new PointerEvent("
        " kind, { pointerId, clientX, clientY: 400, bubbles: true, pointerType: 'touch' }));"
        " at('pointerdown', map, 11, 500); at('pointerdown', map, 12, 600);"
        " at('pointermove', window, 11, 400); at('pointermove', window, 12, 700);"
        " at('pointerup', window, 11, 400); at('pointerup', window, 12, 700); })()"
    )
    page.until(f"history.state.spot.zoom > {zoom + 1.4}")  # three times as far apart
    assert page.js("history.state.spot.zoom") == pytest.approx(zoom + math.log2(3), abs=0.01)


def test_photos_on_both_sides_of_the_date_line_lie_together(page):
    (fiji,) = page.js(
        "import('/web/map.js').then(({ PhotoMap }) => {"
        " const map = new PhotoMap(document.querySelector('#view'), {});"
        " map.spot = { latitude: -17, longitude: -179, zoom: 4 };"
        " return map._together([{ latitude: -17, longitude: 179.9, count: 3, id: 1 },"
        " { latitude: -17.1, longitude: -179.9, count: 2, id: 2 }], 0.5); })"
    )
    assert (fiji["count"], fiji["box"]) == (5, [-17.5, 179.5, -16.5, -179.5])
    seen = page.js(
        "import('/web/map.js').then(({ PhotoMap }) => {"
        " const box = document.querySelector('#view'); box.hidden = false;"
        " const map = new PhotoMap(box, {});"
        " return map._fitting([-17.5, 179.5, -16.5, -179.5]); })"
    )
    assert abs(seen["longitude"]) == pytest.approx(180)
    assert seen["zoom"] > 5


def test_the_first_photos_do_not_wait_for_the_whole_timeline(page):
    page.js(
        "(() => { const whole = new Promise((go) => { window.go = go; }); const real = fetch;"
        " window.fetch = (path, options) => path.startsWith('/v1/timeline?')"
        " ? whole.then(() => real(path, options)) : real(path, options);"
        " import('/web/sources.js').then(async ({ Timeline }) => {"
        " window.timeline = await new Timeline({}).open(true); }); })()"
    )
    page.until("window.timeline")
    told = (
        "[timeline.complete, timeline.length, timeline.sections.map(section => section.title),"
        " [...Array(timeline.length).keys()].map(i => timeline.at(i))]"
    )
    complete, *first = page.js(told)
    assert not complete
    page.js("(async () => { go(); await timeline.whole; })()")
    assert page.js(told) == [True, *first]
    page.until("timeline._loaded.size === timeline.sections.length")
    assert page.js(told) == [True, *first]


@pytest.mark.long
def test_closing_leaves_no_listener(browser, daemon):
    gateway = Gateway(daemon)
    browser.open(gateway.address)
    browser.until("document.querySelectorAll('.cell.shown').length >= 5")
    browser.js(
        "[...document.querySelectorAll('nav button')].find(b => b.textContent === 'Close').click()"
    )
    gateway.process.wait(DEADLINE_S)
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5),
    ):
        pass
    browser.until("document.body.innerText.includes('Closed')")
    browser.open("about:blank")


AXE = importlib.util.find_spec("axe_core_python")


def serious(browser):
    """Return what axe-core finds that keeps somebody from using what is seen."""
    source = pathlib.Path(AXE.submodule_search_locations[0], "axe.min.js").read_text()
    browser.js(f"(() => {{ if (!window.axe) {{ {source}; window.axe = axe; }} }})()")
    # what fades in has its own colours then
    browser.until(
        "document.getAnimations().every(a => a.effect.getTiming().iterations === Infinity)"
    )
    run = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)"
    return {
        violation["id"]: [node["html"][:200] for node in violation["nodes"]]
        for violation in browser.js(run)
        if violation["impact"] in {"serious", "critical"}
    }


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
@pytest.mark.parametrize("view", ["grid", "viewer", "map"])
def test_axe_finds_nothing_serious(page, view):
    if view == "viewer":
        page.press("i")
        page.until("document.querySelector('.strip img')")
    elif view == "map":
        open_map(page)
    assert serious(page) == {}


MADE_OF_NAMES = "document.querySelectorAll('img[onerror], script:not([src]), b.ours').length"


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_every_screen_names_are_only_names_and_axe_finds_nothing_serious(
    kind, scheme, own_daemon
):
    """Wide and narrow, with all that a screen can tell of."""
    pictures = bytes(own_daemon.home / "Pictures")
    folder = os.path.join(pictures, b"\xff<b class=ours>folder")
    os.mkdir(folder)
    for name in HOSTILE:
        shutil.copy(os.path.join(pictures, name), folder)
    with open(os.path.join(folder, b"torn " + HOSTILE[0]), "wb") as file:
        file.write(b"\xff\xd8\xff\xe0 torn")
    own_daemon.wait_until(
        lambda: own_daemon.is_idle() and own_daemon.status()["files"]["failed"] == 1
    )
    first = own_daemon.get("/v1/images")["images"][0]["id"]
    own_daemon.post("/v1/tags", {"ids": [first], "add": ["<b class=ours>tag</b>", "W" * 200]})
    browser, gateway = Browser(kind, dark=scheme == "dark"), Gateway(own_daemon)
    try:
        browser.open(gateway.address)
        browser.until("document.querySelectorAll('.cell.shown').length >= 5")
        wrong = {}
        boxes = "[...document.querySelectorAll('#panel, #view, #filters, dialog')]"
        for size in ((1200, 800), (390, 780)):
            browser.resize(*size)
            for screen in SCREENS:
                show(browser, gateway, screen)
                assert browser.js(f"{boxes}.every(b => b.scrollWidth <= b.clientWidth)"), screen
                assert browser.js(f"[document.title, {MADE_OF_NAMES}]") == ["imgvecd", 0]
                if AXE and (found := serious(browser)):
                    wrong[screen, size] = found
        assert wrong == {}
        for command in (["search", "a circle"], ["duplicates"]):
            sheet = own_daemon.home / f"{command[0]}.html"
            own_daemon.imgvec(*command, "--html", str(sheet))
            browser.open(f"file://{sheet}")
            browser.until("document.images.length >= 8")
            assert browser.js("[...document.images].every(image => image.naturalWidth)")
            assert browser.js(MADE_OF_NAMES) == 0
    finally:
        browser.close()
        gateway.close()


SCREENS = {  # what is opened, the keys that are pressed then, and what is seen after them
    "timeline": ("", (), "document.querySelector('.cell.shown')"),
    "selection": ("", "x", "!document.querySelector('#selection').hidden"),
    "tags": ("", "t", "document.querySelector('#dialog[open]')"),
    "help": ("", "?", "document.querySelector('#help[open]')"),
    "filters": ("", (), "document.querySelector('#filters li')"),
    "nothing": ('#filters={"min_rating":5}', (), "document.querySelector('.empty')"),
    "search": ("#q=a cat in 2021", (), "document.querySelector('.said button')"),
    "error": ("#q=%230", (), "document.querySelector('#notice.shown')"),
    "viewer": ("", ["Enter"], "document.querySelector('.pswp__img')?.complete"),
    "panel": ("", "i", "document.querySelector('.strip img')?.complete"),
    "duplicates": ("#view=duplicates", (), "document.querySelectorAll('.lens').length === 2"),
    "slider": ("#view=duplicates", "o", "document.querySelector('.overlaid')"),
    "map": ("#view=map", (), "document.querySelector('.spot')"),
    "status": ("#view=status", (), "document.querySelector('.failures')"),
}


def show(browser, gateway, screen):
    """Show one of `SCREENS` as somebody does who has just opened the page."""
    address, keys, seen = SCREENS[screen]
    browser.open("about:blank")
    browser.open(f"http://{gateway.host}/{address}")
    if keys or screen == "filters":
        browser.until("document.querySelector('.cell.shown, .lens')")
    browser.press(*keys)
    if screen == "filters":
        browser.click("[popovertarget]")
    browser.until(seen)
