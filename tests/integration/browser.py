# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's Chromium in a host's namespace, by playwright-core and axe-core of npm: see npm/browser.mjs."""
import json
import shutil
import subprocess

from harness import BUILD, ROOT, run, stop, wait_for
import pytest

RESULTS = BUILD / "tests/integration/screenshots"


class Browser:
    """One process; each page has cookies, users and a history of its own."""

    def __init__(self, host):
        self.host = host
        for program in ("chromium", "node", "npm"):
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")
        modules = run(ROOT / "tests/npm/install.sh").strip()
        self.process = host.popen(
            "node", ROOT / "tests/npm/browser.mjs", modules,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def call(self, on, name, *args):
        self.process.stdin.write(json.dumps({"on": on, "call": name, "args": args}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the browser has ended"}')
        assert "error" not in answer, f"{name}{args}: {answer['error']}"
        return answer["value"]

    def page(self, **options):
        return Page(self, self.call("browser", "newPage", options))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            stop(self.process, deadline_s=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Page:
    """Playwright's methods of a page, and those of browser.mjs. At the end of its block it has had no
    problem."""

    def __init__(self, browser, number):
        self.browser, self.number = browser, number

    def __getattr__(self, name):
        return lambda *args: self.browser.call(self.number, name, *args)

    def evaluate(self, script, *args):
        """`script` is a function."""
        return self.browser.call(
            self.number, "evaluate", f"({script})(...{json.dumps(args)})"
        )

    def wait(self, script, *args):
        """Until the function returns something true, which is returned. Playwright's own way is to evaluate
        a text in the page, which the page's policy forbids."""
        return wait_for(lambda: self.evaluate(script, *args), lambda: f"{script} {args}:\n{self.innerText('body')}")

    def picture(self, name):
        """Kept with the results of the tests."""
        RESULTS.mkdir(exist_ok=True, parents=True)
        self.screenshot({"path": str(RESULTS / f"{name}.png"), "fullPage": True})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        problems = self.problems()
        self.close()
        assert kind or not problems, problems
