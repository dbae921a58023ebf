"""A researcher's way from the catalogue to a data lock in a browser, zh and en; a clerk explains one patient."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import open_platform
from rwd_platform.log.entry import Actor
from rwd_platform.settings import Settings
from rwd_platform.store.lake import Lake
from studies.cohorts.feasibility import protection
from tests.flows.sending import received
from tests.flows.test_study import PROTOCOL, thirty_patients
from tests.pages.conftest import Site, _serve
from tests.pages.test_in_a_browser import Reader
from tests.server.conftest import PASSWORD, settle_people

pytestmark = pytest.mark.pages

CLERK = Actor("user-hospital-a", "hospital", "hospital-a")
COHORT = """cohort:
  language: 2
  source: {zh: 一家医院的记录, en: Records of one hospital}
  entry:
    title: {zh: 首次乳腺癌手术, en: First operation for breast cancer}
    pick: first
    events:
      - table: procedure
        codes: {system: "http://hl7.org/fhir/sid/icd-9-cm", any_of: ["85.4"]}
        where: {status: completed}
  require:
    - id: gender
      reason: {zh: 非女性或性别未记录, en: "Not female, or gender not recorded"}
      patient: {gender: female}
    - id: middle_aged
      reason: {zh: 起始日未满 45 岁, en: Younger than 45 at index}
      patient: {age: {at_least: 45}}
    - id: diagnosis
      reason: {zh: 起始日前 60 天内没有确诊的乳腺癌诊断, en: No confirmed diagnosis in the 60 days up to index}
      events:
        table: condition
        codes: {system: "http://hl7.org/fhir/sid/icd-10", any_of: [C50.9]}
        where: {status: confirmed}
      days: [-60, 0]
      observed_only: false

"""
MENDED = "days: [-60, 0]\n      observed_only"  # a window that ends on the index date
PICKED = """(() => { const text = document.getElementById('definition');
  return text.value.slice(text.selectionStart, text.selectionEnd); })()"""
WIDE = "document.scrollingElement.scrollWidth <= innerWidth"


def protocol_text(project: str) -> str:
    """The demo's protocol with its cohort in the language, under a project id of its own."""
    old = PROTOCOL[PROTOCOL.index("\ncohort:\n") + 1 : PROTOCOL.index("exposure:\n")]
    text = PROTOCOL.replace(old, COHORT).replace("\nid: rotterdam-hormon\n", f"\nid: {project}\n")
    return text[text.index("format_version") :]


@pytest.fixture(scope="module")
def store_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hospital's thirty patients in the store, checked, and somebody who does the jobs."""
    platform = open_platform(Settings(home=tmp_path_factory.mktemp("journey") / "home", demo=True))
    settle_people(platform)
    upload = received(platform, {"all.ndjson": thirty_patients()}, CLERK)
    admit_upload(platform, CLERK, upload)
    check_quality(platform, Actor("user-operator", "operator", "org-operator"))
    url, server = _serve(platform)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            drain(platform, "journey")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    yield Site(platform, url)
    stop.set()
    worker.join()
    server.should_exit = True


PICTURES = os.environ.get(
    "RWD_PICTURES", ""
)  # a folder: the journeys put their pictures for the documents there


class Walk(Reader):
    """A reader who logs in at the door, and looks at each page with axe in a tab of its own."""

    def __init__(self, browser: Any, site: Site, login: str, language: str, width: int = 1280) -> None:
        super().__init__(browser, site, "", language, width)
        self.open("/login")
        self.page.fill("[name=login]", login)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(f"{site.url}/")

    def picture(self, name: str, path: str = "") -> None:
        """The page from its top, in both languages, where somebody asked for pictures (docs/pictures/README.md)."""
        if not PICTURES:
            return
        shown = path or self.page.url.removeprefix(self.site.url)
        tab = self.page.context.new_page()
        tab.set_viewport_size({"width": 1280, "height": 900})
        for language in ("en", "zh"):
            tab.goto(f"{self.site.url}/language/{language}?back={shown}")
            tab.wait_for_load_state("networkidle")
            tab.screenshot(path=str(Path(PICTURES) / f"{name}_{language}.png"))
        tab.close()

    def check(self, wait_for: str = "main") -> None:
        """axe leaves marks on what it measures, so it reads the page in another tab."""
        own, self.page = self.page, self.page.context.new_page()
        self.page.goto(own.url)
        self.page.wait_for_selector(wait_for, timeout=60_000)
        assert self.violations() == [], own.url
        self.page.close()
        self.page = own

    def numbers(self, selector: str) -> list[int | None]:
        """What stands there as numbers; None for "under so many"."""
        found = [one.text_content().strip() for one in self.page.query_selector_all(selector)]
        words = ("under", "少于")
        return [None if one.startswith(words) else int(re.sub(r"\D", "", one)) for one in found]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_from_the_catalogue_to_the_lock(browser: Any, store_site: Site, language: str):
    """Every page is accessible, nothing typed is lost, and the lock's steps are those that the editor showed."""
    text = protocol_text(f"journey-{language}")
    one = Walk(browser, store_site, "researcher", language)
    page = one.page
    look_at_the_catalogue(one)
    cohort, shown, reasons = write_the_cohort(one, text)
    explain_one_patient(browser, store_site, language, text)

    page.click(f'form[action="/cohorts/{cohort}/study"] button')
    page.fill("#reason", "approved")
    page.click(".next-step button")
    page.click('form[action$="/lock"] button')
    page.wait_for_selector('a[href^="/locks/L-"]', timeout=120_000)
    page.click('a[href^="/locks/L-"]')
    page.wait_for_load_state("networkidle")
    one.check(".drawing-attrition")
    exact = one.numbers("#steps tbody td:last-child")
    assert one.numbers(".drawing-attrition .remaining") == exact
    check_the_same(dict(zip(reasons, shown, strict=True)), dict(zip(step_reasons(page), exact, strict=True)))
    lock = page.url.removeprefix(store_site.url)
    assert one.foreign == [] and one.complaints == []

    narrow = Reader(browser, store_site, "researcher", language, width=390)
    for path in ("/catalogue", "/catalogue/procedure", "/code-lists", "/code-lists/mastectomy@1", "/cohorts",
                 f"/cohorts/{cohort}", "/locks", lock):  # fmt: skip
        narrow.page.goto(store_site.url + path)
        if path == f"/cohorts/{cohort}":
            narrow.page.wait_for_selector(".drawing-attrition", timeout=60_000)
        assert narrow.page.evaluate(WIDE), path


def look_at_the_catalogue(one: Walk) -> None:
    page, site = one.page, one.site
    page.click('nav.side a[href="/catalogue"]')
    count = page.query_selector('form[action="/catalogue/counts"] button')
    if count:  # the first who comes has it counted
        count.click()
    page.wait_for_selector('tr:has(a[href="/catalogue/procedure"]) td:text-is("30")', timeout=120_000)
    one.check()
    page.click('a[href="/catalogue/procedure"]')
    assert page.locator(".drawing-bars").count() == 1
    one.check()
    page.goto(f"{site.url}/code-lists")
    one.check()
    page.click('a[href="/code-lists/mastectomy@1"]')
    assert "85.43" in page.inner_text("main")
    one.check()


def write_the_cohort(one: Walk, text: str) -> tuple[str, list[int | None], list[str]]:
    """Paste with a mistake, be told its line, mend it. The saved id, the numbers by step, and the steps' reasons."""
    page = one.page
    page.click('nav.side a[href="/cohorts"]')
    page.select_option("#begin", "")
    page.click('form[action="/cohorts"] button')
    page.wait_for_load_state("load")  # what is typed before the page's script is there asks for nothing
    page.fill(
        "#definition",
        text.replace(MENDED, MENDED.replace("0]", "30]")),
    )
    page.wait_for_selector(".finding-error", timeout=60_000)
    assert "look_ahead" in page.inner_text(".finding-error")
    page.click(".finding-error [data-line]")
    assert page.evaluate(PICKED).strip() == "- id: diagnosis"
    page.fill("#definition", text)
    page.wait_for_selector(".drawing-attrition", timeout=120_000)
    shown = one.numbers(".drawing-attrition .remaining")
    by_sentence = one.numbers(".sentences .count")
    assert set(by_sentence) <= set(shown) and by_sentence[-1] == shown[-1]
    assert one.numbers("#steps tbody td:last-child") == shown
    one.check(".drawing-attrition")
    titles = step_reasons(page)
    page.reload()
    assert page.input_value("#definition") == text
    assert page.query_selector('form[action$="/explain"]') is None
    page.wait_for_selector(".drawing-attrition", timeout=60_000)
    return page.url.rsplit("/", 1)[-1], shown, titles


def step_reasons(page: Any) -> list[str]:
    return [one.text_content() for one in page.query_selector_all("#steps tbody th")]


def explain_one_patient(browser: Any, site: Site, language: str, text: str) -> None:
    """The hospital's clerk sees why one of their own patients is in, and nothing of one who is not theirs."""
    clerk = Walk(browser, site, "hospital-a", language)
    page = clerk.page
    page.goto(f"{site.url}/cohorts")
    page.select_option("#begin", "")
    page.click('form[action="/cohorts"] button')
    page.wait_for_load_state("load")  # what is typed before the page's script is there asks for nothing
    page.fill("#definition", text)
    page.wait_for_selector(".drawing-attrition", timeout=120_000)
    patients = Lake(site.platform.layout).read("patient", ["patient_id", "birth_date"])
    oldest = patients.sort_values("birth_date")["patient_id"].iloc[0]
    for pseudonym, seen in ((oldest, ".path li.past"), ("nobody", ".tone-quiet")):
        page.fill("[name=patient_id]", str(pseudonym))
        page.click('form[action$="/explain"] button')
        page.wait_for_selector(f"#explanation {seen}", timeout=60_000)
    assert clerk.foreign == [] and clerk.complaints == []


def check_the_same(shown: dict[str, int | None], exact: dict[str, int | None]) -> None:
    """Step by step the protected number is as near to the lock's as the protection lets it be."""
    rule = protection()
    named_alike = [reason for reason in shown if reason in exact]
    assert len(named_alike) >= 8, (shown, exact)
    for reason in named_alike:
        protected, number = shown[reason], exact[reason]
        assert number is not None
        if protected is None:
            assert number < rule.minimum + rule.noise + rule.base, reason
        else:
            assert abs(protected - number) <= rule.noise + rule.base / 2, reason
