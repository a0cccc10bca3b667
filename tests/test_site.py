"""The site, as a reader's browser shows it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import Watch, chromium, serve
from tools import mdbook_preprocessor as preprocessor
from tools import site

ROOT = Path(__file__).resolve().parent.parent
OTHER = {"en": "zh", "zh": "en"}
LANGUAGES = tuple(OTHER)
THEMES = ("light", "rust", "coal", "navy", "ayu")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site of this repository, made by the command that `make book` runs."""
    out = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "tools/site.py", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(f"Open {out}/index.html in a browser.")
    return out


@pytest.fixture(scope="module")
def home(built):
    with serve(built) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser, home):
    """A page at a desk; a test that ends with troubles on it fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = Watch(page, home)
    yield page
    context.close()
    assert watch.troubles == []


def notebooks(language):
    paths = sorted((ROOT / "chapters" / language).glob("*.ipynb"))
    assert paths, "no notebooks: run `make book`"
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}


def outputs(notebook):
    return [output for cell in notebook["cells"] for output in cell.get("outputs", [])]


def plain(text):
    """Text without colors, and without what a browser does to spaces."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", "".join(text)).split())


# ---- the pages ----


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


# ---- the language ----


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "language"), [("zh-CN", "zh"), ("de-DE", "en")])
def test_first_page_leads_to_the_readers_language(browser, home, locale, language):
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.goto(f"{home}/index.html")
    page.wait_for_url(f"{home}/{language}/index.html")
    page.click(".switch-button")
    page.wait_for_url(f"{home}/{OTHER[language]}/index.html")
    page.goto(f"{home}/index.html")  # it remembers what was chosen
    page.wait_for_url(f"{home}/{OTHER[language]}/index.html")
    context.close()


@pytest.mark.browser
def test_pages_work_without_scripts(browser, home):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{home}/index.html")
    assert page.locator("a").all_text_contents() == ["English", "中文"]
    page.click("a[lang=zh]")
    page.wait_for_url(f"{home}/zh/index.html")
    page.click("main .bar .switch")
    page.wait_for_url(f"{home}/en/index.html")
    context.close()


@pytest.mark.browser
def test_buttons_are_chinese(page, home):
    name = next(iter(notebooks("zh")))
    page.goto(f"{home}/zh/{name}.html")
    words = page.evaluate(
        """() => ["title", "aria-label", "placeholder"].flatMap(name =>
            Array.from(document.querySelectorAll(`[${name}]:not([lang=en])`))
                .map(element => element.getAttribute(name)))
            .concat(Array.from(document.querySelectorAll(".theme, #mdbook-help-popup p"))
                .map(element => element.textContent))"""
    )
    assert len(words) > 20
    assert [word for word in words if not re.search("[\u4e00-\u9fff]", word)] == []


# ---- the search ----


def search(page, query):
    """Type a query as a reader does; return titles, teasers and what is marked."""
    page.click("#mdbook-search-toggle")
    page.fill("#mdbook-searchbar", query)
    page.press("#mdbook-searchbar", "End")
    page.wait_for_selector("#mdbook-searchresults-outer:not(.hidden)")
    results = page.locator("#mdbook-searchresults li")
    results.first.wait_for()
    # The marks are set when the list is there, in the browser's next turn.
    page.wait_for_timeout(50)
    return [
        (
            one.locator("a").text_content(),
            one.locator(".teaser").text_content(),
            one.locator("em").all_text_contents(),
        )
        for one in results.all()
    ]


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_chinese_search_finds_its_page(page, home, language):
    if language == "en":
        pytest.skip("the English book has no Chinese text")
    page.goto(f"{home}/zh/index.html")
    results = search(page, "张量")
    assert all("张量" in title + teaser for title, teaser, _ in results)
    assert all(set(marks) <= {"张量"} for _, _, marks in results)
    assert any(marks for _, _, marks in results)
    assert all(len(teaser) < 150 for _, teaser, _ in results)
    assert page.inner_text("#mdbook-searchresults-header").startswith("“张量”：")
    page.click('#mdbook-searchresults a[href^="01-"] >> nth=0')
    page.wait_for_url("**/zh/01-*.html?highlight=*")
    assert page.locator("main mark").first.text_content() == "张量"


@pytest.mark.browser
def test_chinese_search_of_several_words(page, home):
    page.goto(f"{home}/zh/index.html")
    for query in ("张量 torch", "张量文件"):  # two terms; a phrase that stands nowhere
        assert search(page, query), query
        page.reload()
    # A word of code in Chinese prose has no space beside it.
    assert len(search(page, "torch.save")) > 2


@pytest.mark.browser
def test_english_search_is_mdbooks_own(page, home):
    page.goto(f"{home}/en/index.html")
    results = search(page, "tensor")
    assert page.inner_text("#mdbook-searchresults-header").startswith(
        f"{len(results)} search results for 'tensor'"
    )
    assert any("tensor" in mark.lower() for *_, marks in results for mark in marks)
    page.click('#mdbook-searchresults a[href^="01-"] >> nth=0')
    page.wait_for_url("**/en/01-*.html?highlight=tensor*")
    assert page.locator("main mark").count()


# ---- the looks ----

CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d");
    const rgb = color => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return Array.from(canvas.getImageData(0, 0, 1, 1).data);
    };
    const light = color => {
        const [r, g, b] = rgb(color).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        const color = getComputedStyle(element).backgroundColor;
        return rgb(color)[3] > 250 ? color : ground(element.parentElement);
    };
    const found = {};
    for (const selector of SELECTORS) {
        for (const element of document.querySelectorAll(selector)) {
            const pair = [getComputedStyle(element).color, ground(element)].map(light);
            const [low, high] = pair.sort((a, b) => a - b);
            const ratio = (high + 0.05) / (low + 0.05);
            found[selector] = Math.min(found[selector] ?? 99, ratio);
        }
    }
    return found;
}"""
SELECTORS = [
    "main p",
    "main h2 a",
    "main p a",
    "main p code",
    "main li",
    "main th",
    "main td",
    "main .bar > *",
    "main .run",
    "pre > code.hljs",
    "pre > code.hljs span",
    ".outputs pre",
    ".outputs pre span",
    ".output.error b",
    ".output.html td:not([style])",
    "#mdbook-sidebar a",
    ".switch-button",
]


@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_in_every_theme(page, home, theme):
    page.add_init_script(f"localStorage.setItem('mdbook-theme', '{theme}')")
    for name in ("index", *notebooks("zh")):
        page.goto(f"{home}/zh/{name}.html")
        assert theme in page.evaluate("document.documentElement.className").split()
        script = CONTRAST.replace("SELECTORS", json.dumps(SELECTORS))
        ratios = page.evaluate(script)
        low = {where: round(r, 2) for where, r in ratios.items() if r < 4.5}
        assert low == {}, f"{name}: contrast below 4.5"


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_wider_than_a_phone(page, home, language):
    page.set_viewport_size(PHONE)
    for name in ("index", *notebooks(language)):
        page.goto(f"{home}/{language}/{name}.html")
        wide = page.evaluate(
            """() => [document.documentElement, document.querySelector(".content")]
                .map(element => element.scrollWidth - element.clientWidth)"""
        )
        assert wide == [0, 0], name
        sizes = page.eval_on_selector_all(
            "main img",
            "all => all.map(img => [img.width, img.height, img.naturalWidth"
            " / img.naturalHeight])",
        )
        for width, height, shape in sizes:
            assert width <= PHONE["width"]
            assert width / height == pytest.approx(shape, rel=0.05)


# ---- the preprocessor ----


def test_alerts_links_and_language_line():
    source = (
        "**English** · [中文](../zh/01-a.ipynb)\n\n# A\n\n"
        '<div class="alert alert-warning">\n\nMind `the` gap.\n\nTwice.\n\n</div>\n\n'
        "[b](02-b.ipynb#x), [c](../zh/03-c.ipynb), `[d](04-d.ipynb)`\n\n"
        "```\n[e](05-e.ipynb)\n```\n"
    )
    assert preprocessor.prose(source) == (
        "\n# A\n\n> [!WARNING]\n> Mind `the` gap.\n>\n> Twice.\n\n"
        "[b](02-b.md#x), [c](../zh/03-c.html), `[d](04-d.ipynb)`\n\n"
        "```\n[e](05-e.ipynb)\n```\n"
    )


def test_html_without_blank_lines():
    assert preprocessor.solid("<table>\n\n<tr></tr>\n \n</table>") == (
        "<table>\n<tr></tr>\n</table>"
    )
    assert preprocessor.solid("<pre>a\n\nb</pre>\n\n<p>") == (
        "<pre>a&#10;&#10;b</pre>\n<p>"
    )


def test_fence_is_longer_than_what_it_holds():
    assert preprocessor.fence("x = 1") == "```"
    assert preprocessor.fence('"""\n```python\n"""') == "````"


# ---- the commands ----


def test_mdbook_by_itself_builds_the_english_book(tmp_path):
    command = [site.find_mdbook(), "build", "--dest-dir", str(tmp_path / "book")]
    # Any `python3` may be first on the path: one without nbconvert, too.
    fake = tmp_path / "python3"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    if not (ROOT / ".venv" / "bin" / "python").exists():
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert "WARN" not in done.stderr
    page = (tmp_path / "book" / "index.html").read_text("utf-8")
    assert '<html lang="en"' in page
    assert 'class="switch"' not in page, "there is no other language to switch to"


def copy_of_book(folder):
    for name in ("book.toml", "chapters", "tools"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def test_no_notebooks_is_one_clear_line(tmp_path, capsys):
    root = copy_of_book(tmp_path)
    shutil.rmtree(root / "chapters" / "zh")
    assert site.main(["--root", str(root)]) == 1
    assert capsys.readouterr().err == (
        "site: chapters/zh/SUMMARY.md is missing. "
        "Run `python tools/book.py build` first: it writes the notebooks.\n"
    )
    assert not (root / "site").exists()


def test_a_broken_notebook_is_named_and_the_old_site_stays(tmp_path, capsys):
    root = copy_of_book(tmp_path)
    (root / "site").mkdir()
    (root / "site" / "kept").touch()
    name = f"{next(iter(notebooks('en')))}.ipynb"
    (root / "chapters" / "en" / name).write_text('{"cells": [')
    assert site.main(["--root", str(root)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("site: mdBook on chapters/en:\n")
    assert f"{name}: cannot make a page:" in error
    assert [path.name for path in (root / "site").iterdir()] == ["kept"]
    assert not list(root.glob(".site-*"))


def test_mdbook_missing_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(site.SiteError, match="mdbook is missing"):
        site.find_mdbook()
