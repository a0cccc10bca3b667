"""Every page of the site, as a reader's browser shows it."""

import re
from pathlib import Path

import pytest
import torch

import d2lrec
from tests.web.browser import LANGUAGES, OTHER, ROOT, Watch, notebooks, outputs


def plain(text):
    """Text without colors, and without what a browser does to spaces."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", "".join(text)).split())


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_shows_its_notebook(page, home, language):
    for name, notebook in notebooks(language).items():
        page.goto(f"{home}/{language}/{name}.html")
        text = plain(page.locator("main").text_content())
        pictures = page.eval_on_selector_all(
            ".output.picture img", "all => all.map(img => img.naturalWidth)"
        )
        data = [output.get("data", {}) for output in outputs(notebook)]
        assert len(pictures) == sum("image/png" in one for one in data)
        assert all(pictures), f"{name}: a picture does not show"
        for output, one in zip(outputs(notebook), data, strict=True):
            if output["output_type"] == "stream":
                assert plain(output["text"]) in text
            elif output["output_type"] == "error":
                assert plain(output["evalue"]) in text
            elif set(one) == {"text/plain"}:
                assert plain(one["text/plain"]) in text
        tables = sum("".join(d.get("text/html", "")).count("<table") for d in data)
        assert page.locator(".output.html table").count() == tables
        code = page.eval_on_selector_all(
            "pre > code.language-python", "all => all.map(one => one.textContent)"
        )
        sources = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code"]
        assert [one.strip() for one in code] == ["".join(s).strip() for s in sources]


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_front_page_and_print_version(page, home, language):
    page.goto(f"{home}/{language}/index.html")
    assert page.evaluate("document.documentElement.lang")[:2] == language
    for name in notebooks(language):
        assert page.locator(f'main a[href^="{name}.html"]').count()
        assert page.locator(f'#mdbook-sidebar a[href^="{name}.html"]').count() == 1
    page.goto(f"{home}/{language}/print.html")
    assert page.locator(".switch-button").get_attribute("href") == (
        f"{home}/{OTHER[language]}/print.html"
    )


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_reference_pages_stand_behind_the_chapters(page, home, language):
    page.goto(f"{home}/{language}/index.html")
    links = page.locator("#mdbook-sidebar a[href]").evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"
    )
    assert links[-2:] == ["layers.html", "api.html"]
    title = page.locator("#mdbook-sidebar .part-title").text_content()
    assert title == {"en": "Reference", "zh": "参考"}[language]
    page.goto(f"{home}/{language}/api.html")
    page.evaluate("document.getElementById('api-load_record').scrollIntoView()")
    page.click(".switch-button")
    page.wait_for_url(f"**/{OTHER[language]}/api.html#api-load_record")
    label = {"en": "Raises", "zh": "抛出"}[OTHER[language]]
    assert page.locator("main strong", has_text=label).count() > 5
    page.goto(f"{home}/{language}/layers.html")
    assert page.locator("main td code", has_text="weight_ih_l0").count() > 5


@pytest.mark.browser
def test_site_opens_as_files(browser, built):
    page = browser.new_page()
    watch = Watch(page, "file://")
    page.goto((built / "zh" / "index.html").as_uri())
    page.click(".switch-button")
    page.wait_for_url("file://**/en/index.html")
    page.click("#mdbook-search-toggle")
    page.fill("#mdbook-searchbar", "tensor")
    page.press("#mdbook-searchbar", "End")
    page.locator("#mdbook-searchresults li").first.wait_for()
    page.close()
    assert watch.troubles == []


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_link_is_broken(page, home, built, language):
    for path in sorted((built / language).glob("*.html")):
        if path.name in ("toc.html", "print.html"):
            continue
        page.goto(f"{home}/{language}/{path.name}")
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        for link in {link for link in links if link.startswith(home)}:
            file, _, fragment = link.removeprefix(f"{home}/").partition("#")
            target = built / file
            assert target.is_file(), f"{path.name} links to {link}"
            if fragment and target.suffix == ".html":
                found = page.evaluate(
                    """async ([url, id]) => new DOMParser().parseFromString(
                        await (await fetch(url)).text(), "text/html")
                        .getElementById(decodeURIComponent(id)) !== null""",
                    [f"{home}/{file}", fragment],
                )
                assert found, f"{path.name} links to {link}"


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_switch_leads_to_the_same_place_and_back(page, home, language):
    name, notebook = next(iter(notebooks(language).items()))
    page.goto(f"{home}/{language}/{name}.html")
    place = notebook["cells"][len(notebook["cells"]) // 2]["id"]
    page.evaluate("id => document.getElementById(id).scrollIntoView()", place)
    page.click(".switch-button")
    page.wait_for_url(f"**/{OTHER[language]}/{name}.html#*")
    there = page.url.partition("#")[2]
    assert abs(_number(there) - _number(place)) <= 1
    top = page.evaluate(
        "id => document.getElementById(id).getBoundingClientRect().top", there
    )
    assert -50 < top < 200
    page.evaluate("window.scrollTo(0, 0)")
    page.click("main .bar .switch")
    page.wait_for_url(f"**/{language}/{name}.html")


def _number(cell):
    return int(cell.rpartition("-")[2])


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_download_gives_the_notebook(page, home, language):
    for name in notebooks(language):
        page.goto(f"{home}/{language}/{name}.html")
        with page.expect_download() as download:
            page.click("main .bar .download")
        original = ROOT / "chapters" / language / f"{name}.ipynb"
        assert download.value.suggested_filename == original.name
        assert Path(download.value.path()).read_bytes() == original.read_bytes()


def test_the_bytes_on_the_front_page_are_those_of_a_file(tmp_path):
    source = (ROOT / "chapters" / "index.md").read_text("utf-8")
    shown = re.findall(r"^((?:[0-9a-f]{2} )+) {3}(.{8})$", source, re.M)
    assert len(shown) == 6, "three lines in each language"
    data = b"".join(bytes.fromhex(line) for line, _ in shown[:3])
    item = {"w": torch.tensor([0.5, -2.0])}
    path = d2lrec.NamedMpkFileRecorder().record(item, tmp_path / "tiny")
    assert data in path.read_bytes()
    for line, text in shown:
        letters = "".join(map(chr, bytes.fromhex(line)))
        assert re.sub(r"[^\x20-\x7e]", ".", letters) == text
