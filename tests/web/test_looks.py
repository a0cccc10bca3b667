"""Whether the site can be read: in every theme, and on a phone."""

import json

import pytest

from tests.web.browser import LANGUAGES, notebooks

THEMES = ("light", "rust", "coal", "navy", "ayu")
PHONE = {"width": 390, "height": 844}
CONTRAST = """() => {
    const canvas = document.createElement("canvas")
        .getContext("2d", {willReadFrequently: true});
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
