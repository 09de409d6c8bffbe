"""Pages with plots, in a real browser: as people see them on a phone, on a desk, in the dark, on paper."""
import os
import subprocess

import pytest

import browser
from conftest import PROGRAM

# Writes a page of a comparison and one of bad input into $PAGE_FOLDER; `make e2e` builds it beside the program.
WRITER = os.path.join(os.path.dirname(os.path.dirname(PROGRAM)), 'unit', 'report', 'test_page')
PAGES = ['comparison', 'bad-input']
PHONE, SMALLEST, DESK = (360, 800), (320, 568), (1280, 900)

# What of each drawing is shown, and where its texts are: all in CSS pixels of the window.
DRAWINGS = '''
[...document.querySelectorAll('figure > svg')].filter(s => getComputedStyle(s).display != 'none').map(s => {
  const box = s.getBoundingClientRect();
  const inside = e => { const r = e.getBoundingClientRect();
    return r.left >= box.left - 1 && r.right <= box.right + 1 && r.top >= box.top - 1 && r.bottom <= box.bottom + 1 };
  const rows = {};
  for (const t of s.querySelectorAll('text.middle, text.end:not(.name)')) {
    const r = t.getBoundingClientRect();
    (rows[t.className.baseVal] ??= []).push([r.left, r.right, r.top, r.bottom, t.textContent]) }
  const overlap = Object.values(rows).flatMap(r => r.flatMap((a, i) => r.filter((b, j) =>
    i < j && a[0] < b[1] - .5 && b[0] < a[1] - .5 && a[2] < b[3] - 4 && b[2] < a[3] - 4).map(b => [a[4], b[4]])));
  return { width: box.width, height: box.height, overlap,
    outside: [...s.querySelectorAll('text, path, line')].filter(e => !inside(e)).map(e => e.outerHTML.slice(0, 120)),
    marks: [...s.querySelectorAll('.mark')].map(e => { const r = e.getBoundingClientRect(); return Math.min(r.width, r.height) }),
    colours: new Set([...s.querySelectorAll('.mark')].map(e => getComputedStyle(e).fill)).size,
    font: parseFloat(getComputedStyle(s.querySelector('text')).fontSize) * box.width / s.viewBox.baseVal.width } })
'''

# Contrast of every text and series with what is behind it, as WCAG 2.1 computes it; the least.
CONTRAST = '''
(() => {
  const numbers = c => c.match(/[0-9.]+/g).map(Number);
  const light = c => { const [r, g, b] = numbers(c).slice(0, 3).map(v => v / 255)
      .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
      const n = numbers(c); if (n.length < 4 || n[3] > 0) return c } return 'rgb(255,255,255)' };
  const ratio = (e, c) => { const [a, b] = [light(c), light(behind(e))].sort((x, y) => y - x); return (a + .05) / (b + .05) };
  const least = (q, property) => Math.min(...[...document.querySelectorAll(q)].map(e => ratio(e, getComputedStyle(e)[property])));
  return { text: least('h1, h2, p, th, td, figcaption, li', 'color'), labels: least('svg text', 'fill'),
    marks: least('.mark', 'fill') } })()
'''


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    if not browser.PROGRAM:
        pytest.skip('no chromium on this machine: make deps-dev installs it')
    if not os.access(WRITER, os.X_OK):
        pytest.skip(f'no {WRITER}: `make e2e` or `make build-tests` builds it')
    folder = tmp_path_factory.mktemp('pages')
    subprocess.run([WRITER], env={**os.environ, 'PAGE_FOLDER': str(folder)}, check=True, capture_output=True)
    return folder


@pytest.fixture(scope='module')
def window(pages, tmp_path_factory):
    with browser.Browser(tmp_path_factory.mktemp('browser')) as b:
        yield b


def show(window, pages, name, size, **options):
    window.show(f'file://{pages}/{name}.html', *size, **options)


@pytest.mark.parametrize('size', [SMALLEST, PHONE, DESK])
@pytest.mark.parametrize('name', PAGES)
def test_a_page_is_never_wider_than_the_window(window, pages, name, size):
    show(window, pages, name, size)
    assert window.ask('innerWidth') == size[0]
    assert window.ask('document.documentElement.scrollWidth') <= size[0]


@pytest.mark.parametrize('name', PAGES)
def test_a_page_asks_for_nothing_but_itself_and_runs_no_script(window, pages, name):
    show(window, pages, name, DESK)
    assert [u for u in window.asked if not u.startswith('data:')] == [f'file://{pages}/{name}.html']
    assert window.complaints == []
    assert window.ask('document.scripts.length') == 0
    # What the tests of the package find well-formed, a browser reads in the same way.
    assert window.ask('document.body.children.length') == 1
    assert window.ask('document.compatMode') == 'CSS1Compat'


@pytest.mark.parametrize('size', [SMALLEST, PHONE, DESK])
@pytest.mark.parametrize('name', PAGES)
def test_plots_show_their_marks_and_their_text_stays_inside_and_apart(window, pages, name, size):
    show(window, pages, name, size)
    drawings = window.ask(DRAWINGS)
    assert drawings
    assert len(drawings) == window.ask("document.querySelectorAll('figure > svg.wide').length")
    for d in drawings:
        assert d['width'] >= size[0] * 0.7 and d['height'] >= 200 or size == DESK and d['width'] > 800, d
        assert d['outside'] == [] and d['overlap'] == []
        assert d['marks'] and min(d['marks']) > 4, d
        assert d['font'] >= 9, d


def test_series_have_colours_of_their_own_and_reach_as_far_as_the_plot(window, pages):
    show(window, pages, 'comparison', PHONE)
    for d in window.ask(DRAWINGS):
        assert len(d['marks']) == 4 and d['colours'] == 4, d
    assert window.ask("document.querySelectorAll('figcaption').length") == 4


@pytest.mark.parametrize('dark', [False, True])
def test_everything_stands_out_in_light_and_dark(window, pages, dark):
    show(window, pages, 'bad-input', DESK, dark=dark)
    background = window.ask('getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)')
    assert (max(background) < 64) == dark
    contrast = window.ask(CONTRAST)
    # WCAG 2.1: 4.5 for text (1.4.3), 3 for drawings (1.4.11).
    assert contrast['text'] >= 4.5 and contrast['labels'] >= 4.5 and contrast['marks'] >= 3, contrast


def test_paper_is_white_whatever_the_screen(window, pages):
    show(window, pages, 'comparison', DESK, dark=True, media='print')
    assert window.ask('getComputedStyle(document.body).backgroundColor') == 'rgb(255, 255, 255)'
    pdf = window.call('Page.printToPDF', printBackground=False)['data']
    assert len(pdf) > 10000


def test_a_wide_table_scrolls_in_its_own_box(window, pages):
    show(window, pages, 'comparison', PHONE)
    assert window.ask('''(() => { const b = document.querySelector('.scroll'); b.scrollLeft = 100000;
        return b.scrollWidth > b.clientWidth && b.scrollLeft > 100 && b.tabIndex == 0 })()''')
    assert window.ask("getComputedStyle(document.querySelector('th.n')).textAlign") == 'right'


def test_a_reader_who_sees_no_drawing_is_told_what_it_shows(window, pages):
    show(window, pages, 'comparison', DESK)
    tree = window.call('Accessibility.getFullAXTree')['nodes']
    images = [n for n in tree if n.get('role', {}).get('value') in ('image', 'img') and not n.get('ignored')]
    names = [n['name']['value'] for n in images]
    assert len(names) == 4
    assert all('C k8s.example.net' in n and 'points' in n for n in names), names
