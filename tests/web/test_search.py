"""The site's search, in Chinese and in English."""

import pytest


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
def test_chinese_search_finds_its_page(page, home):
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
    # Two terms; a phrase that stands nowhere as it is; and a word of code, which has
    # no space beside it in Chinese prose.
    for query in ("张量 torch", "张量文件", "torch.save"):
        page.goto(f"{home}/zh/index.html")
        results = search(page, query)
        assert results, query
        assert any(marks for *_, marks in results)


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
