"""The pages in a browser: accessible in both languages, silent towards the network, and working."""

# ruff: noqa: E501 - tables are easier to read on one line
from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.pages.conftest import AXE, Site
from tests.server import seed
from tests.server.conftest import open_session

pytestmark = pytest.mark.pages

# What each role opens. axe reads these at a desk's width; none of them is wider than a phone.
PAGES = {
    "hospital-a": ("/", "/uploads", "/uploads/new", f"/uploads/{seed.UPLOAD}", f"/uploads/{seed.UPLOAD}/receipt", "/quality", "/cohorts", "QUESTION", "/withdrawals", "/withdrawals/new", "/erasures/new", "/break-glass", "/break-glass/new", "/break-glass/bg-1", "/papers/new?kind=standard_contract", "/account"),
    "researcher": ("/", "/studies", "/studies/new", f"/studies/{seed.STUDY}", "SEALED", f"/studies/{seed.STUDY}/fitness", f"/studies/{seed.STUDY}/dossier", "/transfers/new", f"/packages/{seed.PACKAGE}", "/catalogue", "/catalogue/procedure", "/code-lists", "/code-lists/mastectomy@1", "/cohorts", "/locks", f"/locks/{seed.LOCK}", "/questions", "QUESTION", "/linkage", "/releases", f"/releases/new?package={seed.PACKAGE}", "/transfers/inbound", "/rules/inbound/2025.1"),
    "regulator": ("/packages", f"/packages/{seed.PACKAGE}/numbers/{seed.NUMBER}", "/transfers", "HELD", "/log", "/no-such-page", "/locks", f"/studies/{seed.STUDY}/fitness", f"/erasures/{seed.ERASURE}", "/holds/new"),
    "operator": ("/", "/quality", f"/studies/{seed.STUDY}", "/linkage", "/questions"),
    "auditor": ("/", "/log", "/log/1", "/log/checkpoints", "/log/verify", "/log/reviews", "/log/reviews/new"),
    "privacy": ("/", "/policies", "/policies/lake", "/classification", "/classification?zone=package", "/risk", "/texts", "/log", "/releases/release-1", "/linkage", "/withdrawals", f"/erasures/{seed.ERASURE}", "WAITING", "/provisions", "WANTING", "REPORT", "/papers", "/papers/new?kind=standard_contract", "/parties", "/parties/hospital-a", "/inspections", "/rules", "/rules/national/2026.1"),
    "security": ("/", "/people", "/account"),
}  # fmt: skip
# Pages of the same template and role as one above: their width alone is looked at.
WIDTH_ALONE = {
    "auditor": (),
    "hospital-a": ("/policies", "/policies/cross_border", "/classification", "/log", "/provisions", "/papers", "/rules"),
    "researcher": ("/quality", "/packages", "/transfers", "/releases/release-1", "/risk", "/log", "/provisions", "/rules"),
    "regulator": ("/", f"/studies/{seed.STUDY}", f"/packages/{seed.PACKAGE}", f"/uploads/{seed.UPLOAD}/receipt", "/releases/release-1", "/risk", "/break-glass", "/catalogue", f"/locks/{seed.LOCK}", "/linkage", "/withdrawals", "/provisions", "REPORT", "/papers", "/rules/hainan/2024.1"),
    "operator": ("/uploads", f"/uploads/{seed.UPLOAD}", "/log", "/policies"),
    "privacy": ("/policies/limited_dataset", "/classification?page=2", "/releases", "/break-glass/bg-1", "/withdrawals/new", "/holds/new", "/account", "/transfers"),
    "security": (),
}  # fmt: skip
EMPTY = {
    "hospital-a": ("/", "/uploads", "/quality", "/log"),
    "researcher": ("/", "/studies", "/packages", "/transfers", "/catalogue", "/cohorts", "/locks", "/questions", "/linkage"),
    "regulator": ("/",),
    "privacy": ("/", "/policies", "/texts", "/withdrawals"),
}  # fmt: skip
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 900}
FITS = "document.scrollingElement.scrollWidth <= innerWidth"
# Only what is wrong comes back: a large page has thousands of elements that pass, and each would be described.
VIOLATIONS = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.flatMap(
  one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)}`)))"""
# Boxes that hide what is wider than they are: with one of these the page's own width proves nothing.
CLIPPED = """[document.documentElement, document.body, ...document.querySelectorAll('main, section')]
  .filter(e => ['hidden', 'clip'].includes(getComputedStyle(e).overflowX)).map(e => e.tagName)"""


class Reader:
    """A person before the browser, and everything the browser complained of."""

    def __init__(self, browser: Any, site: Site, login: str, language: str = "zh", width: int = 1280) -> None:
        self.site, self.foreign, self.complaints = site, [], []
        context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=False)
        cookies = [{"name": "rwd_language", "value": language, "url": site.url}]
        if login:
            token, _ = open_session(site.platform, login)
            cookies.append({"name": "rwd_session", "value": token, "url": site.url})
        context.add_cookies(cookies)
        self.page = context.new_page()
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note_request(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != urlsplit(self.site.url).netloc:
            self.foreign.append(request.url)

    def _note_console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "404" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> None:
        """Until everything the page names has arrived, and what its own script asked for has been put in."""
        for name, address in self.site.made.items():
            path = path.replace(name, address)
        self.page.goto(self.site.url + path, wait_until="load")
        self.page.wait_for_function("!document.querySelector('.htmx-request')")

    def violations(self) -> list[str]:
        """What axe finds. It runs in the page's own world through the debugger, past the content policy."""
        if not AXE.exists():
            pytest.skip("axe-core is not installed: `npm ci` in frontend/ brings it")
        self.page.evaluate(AXE.read_text("utf-8"))
        return list(self.page.evaluate(VIOLATIONS))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("login", PAGES)
def test_every_page_is_accessible_asks_no_other_host_and_fits_a_phone(
    browser: Any, full_site: Site, login: str, language: str
):
    """axe finds nothing, the content policy stops nothing, and no request leaves the host.

    On a narrow screen wide tables and figures scroll in their own frame; the page does not, and nothing is cut off
    to hide it. Each page is opened once, narrow, and then widened for axe.
    """
    reader = Reader(browser, full_site, login, language)
    for path in (*PAGES[login], *WIDTH_ALONE[login]):
        reader.page.set_viewport_size(PHONE)
        reader.open(path)
        assert reader.page.evaluate(FITS), path
        assert reader.page.evaluate(CLIPPED) == [], path
        if path in PAGES[login]:
            reader.page.set_viewport_size(DESK)
            assert reader.violations() == [], path
    reader.page.wait_for_load_state("networkidle")
    assert reader.foreign == [] and reader.complaints == []


@pytest.mark.parametrize("login", EMPTY)
def test_empty_pages_are_accessible_too(browser: Any, empty_site: Site, login: str):
    """The first day of a deployment is read by everybody."""
    reader = Reader(browser, empty_site, login)
    for path in EMPTY[login]:
        reader.open(path)
        assert reader.violations() == [], path


def test_the_login_page_is_accessible(browser: Any, empty_site: Site):
    """Before anybody is known."""
    reader = Reader(browser, empty_site, "")
    reader.open("/login")
    assert reader.violations() == [] and reader.complaints == []


def test_the_check_of_the_width_sees_what_is_too_wide(browser: Any, full_site: Site):
    """A line that does not break is found, and so is a page that hides it: the test above can fail."""
    reader = Reader(browser, full_site, "researcher", width=390)
    reader.open("/studies")
    assert reader.page.evaluate(FITS)
    reader.page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<p class=nowrap>' + 'x '.repeat(99))"
    )
    assert not reader.page.evaluate(FITS)
    reader.page.evaluate("document.body.style.overflowX = 'clip'")
    assert reader.page.evaluate(CLIPPED) == ["BODY"]


def test_the_table_of_what_was_left_behind_reads_on_a_phone(browser: Any, full_site: Site):
    """Each element is a small list: its whole name on a line, then each hospital with its number."""
    reader = Reader(browser, full_site, "privacy", width=390)
    reader.open("/")
    table = reader.page.locator("table.dropped")
    assert table.evaluate("t => t.scrollWidth <= t.parentElement.clientWidth")
    line = table.locator("tbody tr").first
    assert line.locator("th").bounding_box()["height"] < 40, "the element's name is not broken"
    words = line.locator("td").first.evaluate("e => getComputedStyle(e, '::before').content")
    assert "演示医院" in words


def test_a_number_opens_its_chain_in_one_click_and_escape_closes_it(browser: Any, full_site: Site):
    """The drawer shows the source line; the keyboard gets in and out, and the focus comes back."""
    reader = Reader(browser, full_site, "regulator")
    reader.open(f"/packages/{seed.PACKAGE}")
    number = reader.page.locator(".number-link").first
    number.focus()
    reader.page.keyboard.press("Enter")
    drawer = reader.page.locator("#drawer[open]")
    drawer.wait_for()
    assert seed.ARD_ID in drawer.inner_text() and "d" * 64 in drawer.inner_text()
    assert reader.violations() == []
    reader.page.keyboard.press("Escape")
    reader.page.locator("#drawer:not([open])").wait_for(state="attached")
    assert reader.page.evaluate("document.activeElement.className") == "number-link"
    assert reader.complaints == []


def test_verifying_shows_its_answer_without_leaving_the_page(browser: Any, full_site: Site):
    """The seeded package is none, and the page says so where the button is."""
    reader = Reader(browser, full_site, "regulator")
    reader.open(f"/packages/{seed.PACKAGE}")
    reader.page.locator("form[hx-post] button").click()
    answer = reader.page.locator("#verification .verification")
    answer.wait_for(timeout=60_000)
    assert "核对不成立" in answer.inner_text()
    assert reader.page.url.endswith(seed.PACKAGE)


def test_a_hospital_sends_two_files_and_sees_the_job(browser: Any, empty_site: Site, tmp_path: Any):
    """Terms, two files with their progress, and the page of the batch with its job at the end."""
    for name in ("一.ndjson", "二.ndjson"):
        (tmp_path / name).write_bytes(b'{"resourceType":"Patient"}\n' * 200_000)
    reader = Reader(browser, empty_site, "hospital-b")
    page = reader.page
    reader.open("/uploads/new")
    for field in ("agreement", "consent_version", "ethics_id", "source_system"):
        page.fill(f"#{field}", "DEMO-1")
    page.select_option("#platform_role", "joint")
    page.set_input_files("#files", [tmp_path / "一.ndjson", tmp_path / "二.ndjson"])
    assert page.locator("#file-list li").count() == 2
    page.click("#send")
    page.wait_for_url("**/uploads/upload-*", timeout=60_000)
    assert "二.ndjson" in page.content() and page.locator(".job").count() == 1
    assert reader.violations() == [] and reader.complaints == []


def test_an_upload_that_is_refused_keeps_what_was_filled_in(browser: Any, empty_site: Site):
    """The reason stands above the button; nothing that was typed is gone."""
    reader = Reader(browser, empty_site, "hospital-b")
    page = reader.page
    reader.open("/uploads/new")
    page.set_input_files("#files", {"name": "a.json", "mimeType": "application/json", "buffer": b"{}"})
    for field in ("agreement", "consent_version", "ethics_id"):
        page.fill(f"#{field}", "DEMO-1")
    page.fill("#source_system", "   ")
    page.select_option("#platform_role", "joint")
    page.click("#send")
    page.locator("#upload-problem .card-problem").wait_for()
    assert "upload.term_missing" in page.locator("#upload-problem").inner_text()
    assert page.input_value("#agreement") == "DEMO-1" and page.locator("#file-list li").count() == 1
