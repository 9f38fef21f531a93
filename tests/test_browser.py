"""Pages and notebooks as a reader meets them: in a real Chromium, without a network."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import nbformat
import pytest

import chatdata as cd
from chatdata import demo
from chatdata.notebook import export
from chatdata.notebook.lab import command, copies, environment
from chatdata.report import report

pytestmark = pytest.mark.browser

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTH = 1280
NARROW = 400
SLOW = 120_000
# Boxes of everything that a reader should see, and whether it is cut off by its frame.
BOXES = """(selector) => [...document.querySelectorAll(selector)]
  .filter((each) => !each.closest("details:not([open])"))
  .map((each) => { const box = each.getBoundingClientRect(); return [box.width, box.height]; })"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def chromium():
    """
    A Chromium without a window.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine (Debian's package is `chromium`)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(chromium, url, **options):
    """
    A page in a context of its own, and what it complained about or asked other hosts for.
    """
    context = chromium.new_context(viewport={"width": WIDTH, "height": 900}, **options)
    page = context.new_page()
    wrong = []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if foreign(asked.url, url) else None)
    page.on("requestfailed", lambda asked: wrong.append(f"failed: {asked.url}"))
    page.goto(url)
    try:
        yield page, wrong
    finally:
        context.close()


def foreign(asked, url):
    """
    Whether a request leaves the page's own host or file.
    """
    parts = urlsplit(asked)
    return parts.scheme not in ("data", "blob", "about") and parts.netloc != urlsplit(url).netloc


def test_the_watch_sees(chromium, tmp_path):
    """
    The tests below have something to fail on: an error, a request and a failed one are noticed.
    """
    path = tmp_path / "bad.html"
    path.write_text('<img src="http://127.0.0.2:9/x.png"><script>console.error("no")</script>')
    with opened(chromium, path.as_uri()) as (shown, wrong):
        shown.wait_for_load_state()

    assert {"no", "http://127.0.0.2:9/x.png", "failed: http://127.0.0.2:9/x.png"} <= set(wrong)


@pytest.fixture(scope="module", params=["report", "demo"])
def page(request, tmp_path_factory):
    """
    A page that is handed on: a report, and the demo's notebooks as they are stored.
    """
    place = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    if request.param == "report":
        return report(cd.sample(200), place)
    return export([path for path in demo.notebooks() if path.stem in demo.NOTEBOOKS], place)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_whole_and_ask_for_nothing(chromium, page, scheme):
    """
    No error, no request, every chart drawn, every table there, nothing wider than the window.
    """
    with opened(chromium, page.as_uri(), color_scheme=scheme) as (shown, wrong):
        charts, tables = (shown.evaluate(BOXES, selector) for selector in ("svg", ".gt_table"))
        overflow = shown.evaluate(OVERFLOW)
        shown.set_viewport_size({"width": NARROW, "height": 900})

        assert shown.evaluate(OVERFLOW) <= 0
    text = page.read_text(encoding="utf-8")

    assert [] == wrong
    assert overflow <= 0
    assert text.count("<svg") == len(charts) >= 8
    assert len(tables) >= 4
    assert [] == [box for box in charts if box[0] < 300 or box[1] < 40]
    assert [] == [box for box in tables if box[0] < 100 or box[1] < 40]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read(chromium, page, scheme):
    """
    Words stand out from their ground, at least 4.5 to 1, in either theme.
    """
    with opened(chromium, page.as_uri(), color_scheme=scheme) as (shown, _):
        found = shown.evaluate(CONTRASTS, "h1, h2, p, summary, small, td, th, a, pre, li")

    assert len(found) > 100
    assert [] == [(text, ratio) for text, ratio in found if ratio < 4.5]


CONTRASTS = """(selector) => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3)
      .map((each) => each / 255)
      .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll(selector)]
    .filter((each) => each.innerText?.trim() && each.getClientRects().length)
    .map((each) => {
      const [one, other] = [getComputedStyle(each).color, ground(each)].map(light);
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      return [each.innerText.slice(0, 40), ratio];
    });
}"""


def test_queries_unfold(chromium, tmp_path):
    """
    The query of a figure is hidden until its sentence is clicked.
    """
    path = report(cd.sample(20), tmp_path / "report.html")
    with opened(chromium, path.as_uri()) as (shown, _):
        query = shown.locator("details.finding pre").first
        before = query.is_visible()
        shown.locator("details.finding summary").first.click()
        after = query.is_visible()

    assert (False, True) == (before, after)


def test_pages_print(chromium, page, tmp_path):
    """
    On paper a page has its title, dark words whatever the theme, and no control.
    """
    with opened(chromium, page.as_uri(), color_scheme="dark") as (shown, _):
        shown.emulate_media(media="print", color_scheme="dark")
        ink = shown.evaluate("getComputedStyle(document.body).color")
        title, links = (shown.locator(each).first.is_visible() for each in ("header h1", "nav"))
        printed = shown.pdf(path=tmp_path / "page.pdf", format="A4")

    assert ("rgb(31, 35, 40)", True, False) == (ink, title, links)
    assert printed.startswith(b"%PDF")


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def lab(request, tmp_path_factory):
    """
    A running JupyterLab on copies of our notebooks, as `chatdata lab` starts it, in either theme.

    Gives the folder of the notebooks, the address of one, and the theme.
    """
    home = tmp_path_factory.mktemp("lab")
    folder, settings = home / "notebooks", home / "settings"
    first, *_ = copies(demo.notebooks(), folder)
    settings.mkdir()
    told = environment(["sample?conversations=60"], settings)
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        told[f"JUPYTER_{name}"] = str(home / name.lower())
    for name in ("WORKSPACES_DIR", "SETTINGS_DIR"):
        told[f"JUPYTERLAB_{name}"] = str(home / "user" / name.lower())
    theme = home / "user" / "settings_dir" / "@jupyterlab" / "apputils-extension"
    theme.mkdir(parents=True)
    (theme / "themes.jupyterlab-settings").write_text(json.dumps({"theme": request.param}))
    token = secrets.token_hex(8)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    words = [*command(folder, first), "--no-browser", "--allow-root", *options]
    log = home / "lab.log"
    with log.open("w") as out, subprocess.Popen(words, stdout=out, stderr=out, env=told) as server:
        while "is running at" not in log.read_text():
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        address = f"http://127.0.0.1:{port}/lab/workspaces/{{0}}/tree/{{0}}.ipynb?token={token}"
        yield folder, address, request.param
        server.terminate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_charts", "n_tables"),
    [
        pytest.param("02_tool_calls", 3, 2, id="tool calls"),
        pytest.param("06_survival_and_sessions", 2, 2, id="survival"),
    ],
)
def test_lab_runs_all(chromium, lab, name, n_charts, n_tables):
    """
    The notebook is open at once, Run All gives charts and tables without an error, and nobody else
    is asked for anything.
    """
    folder, address, theme = lab
    path = folder / f"{name}.ipynb"
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    with opened(chromium, address.format(name)) as (shown, wrong):
        shown.get_by_text("| Idle").wait_for(timeout=SLOW)
        shown.get_by_role("menuitem", name="Run", exact=True).click()
        shown.get_by_text("Run All Cells", exact=True).click()
        panel = shown.locator(".jp-NotebookPanel:visible")
        panel.get_by_text(f"[{len(code)}]:", exact=True).wait_for(timeout=SLOW)
        shown.keyboard.press("Control+s")
        asked = shown.get_by_text("Would you like").count()
        dark = shown.evaluate("document.body.dataset.jpThemeLight") == "false"
        charts, tables = (seen(panel, each) for each in (".vega-embed svg, canvas", ".gt_table"))
        faint = [
            words
            for words, ratio in shown.evaluate(CONTRASTS, ".gt_table td, .gt_table th")
            if ratio < 4.5
        ]
    outputs = [each for cell in saved(path, len(code)) for each in cell.outputs]

    assert [] == wrong
    assert (0, theme.endswith("Dark")) == (asked, dark)
    assert [] == [each for each in outputs if each.output_type == "error" or "stderr" in str(each)]
    assert [] == faint
    assert n_charts == charts
    assert n_tables <= tables


def seen(panel, selector):
    """
    How many of something there are on the way from the first cell to the last, and of some size.
    """
    cells = panel.locator(".jp-Cell")
    found = 0
    for place in range(cells.count()):
        cell = cells.nth(place)
        cell.scroll_into_view_if_needed()
        boxes = [each.bounding_box() for each in cell.locator(selector).all()]
        found += any(box and box["width"] > 100 and box["height"] > 40 for box in boxes)
    return found


def saved(path, n_cells):
    """
    The code cells of a notebook, once it is saved with that many run.
    """
    for _ in range(100):
        code = [cell for cell in nbformat.read(path, as_version=4).cells if "outputs" in cell]
        if [*range(1, n_cells + 1)] == [cell.execution_count for cell in code]:
            return code
        time.sleep(0.2)
    raise AssertionError("the notebook was not saved")
