'use strict';

/* Chinese in mdBook's search bar.

   mdBook's index cuts text into words at spaces, so that no Chinese word is ever found.
   The index keeps the text of every section, though; a Chinese query is looked up there,
   as it stands. The results go through mdBook's own list, with its keys and links. */

/* global elasticlunr */

(function chineseSearch() {
    if (!window.elasticlunr) {
        return;
    }
    const chinese = /\p{Script=Han}/u;
    const bookIsChinese = document.documentElement.lang.startsWith('zh');
    const mdbookSearch = elasticlunr.Index.prototype.search;
    let found = []; // of the last query: {ref, score, doc, terms}, in order
    let asked = '';

    elasticlunr.Index.prototype.search = function(query, options) {
        asked = query;
        found = [];
        if (!chinese.test(query)) {
            const results = mdbookSearch.call(this, query, options);
            if (bookIsChinese) {
                found = withMissed(this, query, results);
            }
            return bookIsChinese ? found : results;
        }
        found = lookUp(this, query.split(/\s+/));
        if (!found.length) {
            found = lookUp(this, query.split(/\s+/).flatMap(pieces));
        }
        return found;
    };

    // In Chinese prose `torch.save` has no space beside it, and mdBook's index takes it
    // for a part of a longer word.
    function withMissed(index, query, results) {
        const terms = query.toLowerCase().split(/\s+/);
        const known = new Set(results.map(result => result.ref));
        const more = lookUp(index, terms).filter(result => !known.has(result.ref));
        return results.map(result => shortened(result, terms)).concat(more);
    }

    // The words of a Chinese phrase, for a query that stands nowhere as it is.
    function pieces(term) {
        if (!chinese.test(term)) {
            return [term];
        }
        if (window.Intl && Intl.Segmenter) {
            const cut = new Intl.Segmenter('zh', {granularity: 'word'}).segment(term);
            return Array.from(cut).filter(part => part.isWordLike).map(part => part.segment);
        }
        return Array.from(term).slice(1).map((letter, i) => Array.from(term)[i] + letter);
    }

    // Every section that has all terms, best first.
    function lookUp(index, terms) {
        terms = terms.filter(Boolean).map(term => term.toLowerCase());
        if (!terms.length) {
            return [];
        }
        const results = [];
        for (const doc of Object.values(index.documentStore.docs)) {
            const title = doc.title.toLowerCase();
            const body = doc.body.toLowerCase();
            const scores = terms.map(term =>
                (title.includes(term) ? 10 : 0) + Math.min(9, body.split(term).length - 1));
            if (Math.min(...scores) > 0) {
                const score = scores.reduce((sum, one) => sum + one, 0);
                results.push(shortened({ref: doc.id, score, doc}, terms));
            }
        }
        return results.sort((a, b) => b.score - a.score || a.ref - b.ref);
    }

    // A short body: mdBook's teaser counts words by their spaces, and Chinese has none.
    function shortened(result, terms) {
        const body = surroundings(result.doc.body, terms);
        return {...result, doc: {...result.doc, body}, terms};
    }

    // The text around the first term that occurs.
    function surroundings(body, terms) {
        const lower = body.toLowerCase();
        const places = terms.map(term => lower.indexOf(term)).filter(at => at >= 0);
        const at = Math.max(0, Math.min(...places, body.length) - 24);
        const end = Math.min(body.length, at + 110);
        const text = places.length ? body.slice(at, end) : body.slice(0, 110);
        return (places.length && at ? '…' : '') + text + (end < body.length ? '…' : '');
    }

    // mdBook has just filled its list: mark the terms, which it does word by word, and
    // say in Chinese how many there are.
    const list = document.getElementById('mdbook-searchresults');
    const header = document.getElementById('mdbook-searchresults-header');
    if (!list || !header) {
        return;
    }
    new MutationObserver(() => {
        Array.from(list.children).forEach((item, i) => {
            const teaser = item.querySelector('.teaser');
            if (found[i] && teaser) {
                teaser.replaceChildren(...marked(found[i].doc.body, found[i].terms));
            }
        });
    }).observe(list, {childList: true});
    if (bookIsChinese) {
        let said = '';
        new MutationObserver(() => {
            if (header.textContent !== said) {
                const count = parseInt(header.textContent, 10) || 0;
                said = count ? `“${asked}”：${count}条结果` : `没有找到“${asked}”。`;
                header.textContent = said;
            }
        }).observe(header, {childList: true, characterData: true, subtree: true});
    }

    // The text as nodes, its terms inside <em>.
    function marked(text, terms) {
        const escaped = terms.map(term => term.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
        const parts = text.split(new RegExp(`((?:${escaped.join('|')})+)`, 'giu'));
        return parts.map((part, i) => {
            if (i % 2 === 0) {
                return document.createTextNode(part);
            }
            const em = document.createElement('em');
            em.textContent = part;
            return em;
        });
    }
})();
