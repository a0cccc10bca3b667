"""The site in the reader's own language."""

import re

import pytest

from tests.web.browser import OTHER, notebooks


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
            .concat(Array.from(
                document.querySelectorAll(".theme, #mdbook-help-popup p"),
                element => element.textContent))"""
    )
    assert len(words) > 20
    assert [word for word in words if not re.search("[\u4e00-\u9fff]", word)] == []
