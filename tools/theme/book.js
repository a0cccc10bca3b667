'use strict';

/* What mdBook leaves out: the way to the other language, and Chinese words on its
   buttons. mdBook's own scripts have run when this one starts. */

/* global path_to_root */

const inChinese = document.documentElement.lang.startsWith('zh');

(function languageSwitch() {
    const link = document.querySelector('main .bar .switch');
    const buttons = document.querySelector('.right-buttons');
    if (!link || !buttons) {
        return;
    }
    const other = inChinese ? 'en' : 'zh';
    const button = link.cloneNode();
    button.className = 'switch-button';
    button.textContent = inChinese ? 'EN' : '中';
    button.title = inChinese ? 'Read this page in English' : '阅读本页的中文版';
    button.setAttribute('aria-label', button.title);
    button.href = sibling(other);
    buttons.prepend(button);
    for (const each of [button, link]) {
        each.addEventListener('click', () => {
            // Before the browser follows the link, so that a new tab has it as well.
            each.hash = place();
            remember(other);
        });
    }

    // The same page of the other book. It holds on the print page too, where the
    // links in the text are those of many chapters.
    function sibling(language) {
        const here = window.location;
        const root = new URL(path_to_root || './', here.href);
        const page = here.pathname.slice(root.pathname.length);
        return new URL(`../${language}/${page}`, root).href;
    }

    // The cell at the top of the window: cells have the same ids in both languages.
    function place() {
        if (window.scrollY < 100) {
            return '';
        }
        const above = Array.from(document.querySelectorAll('main .cell'))
            .filter(cell => cell.getBoundingClientRect().top < 120);
        return above.length ? above[above.length - 1].id : '';
    }

    // For the site's first page.
    function remember(language) {
        try {
            localStorage.setItem('d2lrec-language', language);
        } catch {
            // A private window: nothing is lost but the memory.
        }
    }
})();

(function printSwitches() {
    // In the print version every chapter brings its own links: they lead nowhere.
    if (window.location.pathname.endsWith('/print.html')) {
        document.body.classList.add('print-version');
    }
})();

(function chineseWords() {
    if (!inChinese) {
        return;
    }
    const words = {
        'Toggle Table of Contents': '显示或隐藏目录',
        'Table of contents': '目录',
        'Change theme': '换配色',
        'Themes': '配色',
        'Auto': '跟随系统',
        'Light': '明亮',
        'Rust': '暖褐',
        'Coal': '炭黑',
        'Navy': '藏青',
        'Ayu': '墨蓝',
        'Search (`/`)': '搜索（按 / 键）',
        'Toggle Searchbar': '打开或关闭搜索栏',
        'Search this book ...': '搜索本书……',
        'Print this book': '打印全书',
        'Page navigation': '翻页',
        'Previous chapter': '上一章',
        'Next chapter': '下一章',
        'Copy to clipboard': '复制代码',
        'Copied!': '已复制',
        'Clipboard error!': '复制失败',
        'Keyboard shortcuts': '快捷键',
        'Note': '说明',
        'Tip': '提示',
        'Important': '重要',
        'Warning': '注意',
        'Caution': '当心',
    };
    const help = {
        'to navigate between chapters': '：前后翻章',
        'to search in the book': '：搜索本书',
        'to show this help': '：显示这份说明',
        'to hide this help': '：关闭这份说明',
    };

    for (const name of ['title', 'aria-label', 'placeholder']) {
        document.querySelectorAll(`[${name}]`).forEach(element => {
            const word = words[element.getAttribute(name)];
            if (word) {
                element.setAttribute(name, word);
            }
        });
    }
    document.querySelectorAll('.theme, .mdbook-help-title, .blockquote-tag-title')
        .forEach(element => translateText(element, words));
    document.querySelectorAll('#mdbook-help-popup p').forEach(line => {
        translateText(line, {'Press': '按', 'or': '或', ...help});
    });
    document.querySelectorAll('.clip-button .tooltiptext').forEach(tip => {
        new MutationObserver(() => translateText(tip, words))
            .observe(tip, {childList: true});
    });

    // Each text directly inside an element, where the table has it.
    function translateText(element, table) {
        for (const node of element.childNodes) {
            const word = node.nodeType === Node.TEXT_NODE && table[node.data.trim()];
            if (word) {
                node.data = word;
            }
        }
    }
})();
