"""Looks at the status page with Chromium: nothing on the console, no other host, small, live, accessible, harmless.

    page.py BIN_DIR PICTURES [HISTORY_SECONDS | --essential]

BIN_DIR holds statusd and examples/scene. Pictures of three widths go to PICTURES, taken after so many seconds of history.
Prints its results in the form of Rust's tests.
"""

import base64
import json
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from chromium import Browser

BIN, PICTURES = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
ESSENTIAL = sys.argv[3:] == ["--essential"]
HISTORY = int(sys.argv[3]) if len(sys.argv) > 3 and not ESSENTIAL else 0
ACCESS = (pathlib.Path(__file__).parent / "access.js").read_text()

CONFIG = """
[status]
listen = "127.0.0.1:{port}"
title = "Resolvers, Frankfurt"
[[virtual_server]]
name = "resolver"
address = "192.0.2.53"
services = ["udp/53"]
check.dns.qname = "resolve.test"
real_server = [{{ name = "dns1", address = "192.0.2.1" }}]
"""


class World:
    """A played agent and a real statusd."""

    def __init__(self, state):
        self.folder = tempfile.TemporaryDirectory(prefix="holdfast-page-")
        folder = pathlib.Path(self.folder.name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "holdfast.toml").write_text(CONFIG.format(port=port))
        self.url = f"http://127.0.0.1:{port}"
        self.scene = subprocess.Popen(
            [BIN / "examples/scene", folder / "agent.sock", state], stdin=subprocess.PIPE, text=True)
        self.statusd = subprocess.Popen(
            [BIN / "statusd", "--config", folder / "holdfast.toml", "--socket", folder / "agent.sock",
             "--state", folder / "none", "--log-level", "error"])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as client:
                    client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                    if b" 200 " in client.recv(64):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise TimeoutError("statusd does not serve")

    def say(self, line):
        self.scene.stdin.write(line + "\n")
        self.scene.stdin.flush()

    def close(self):
        for process in (self.statusd, self.scene):
            process.terminate()
            process.wait()
        self.folder.cleanup()


def size(browser, width, height, dark=False):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.call("Emulation.setEmulatedMedia", features=[scheme])


def complaints(browser):
    """What the console, the log and the network have to complain of."""
    browser.evaluate("0")
    found = []
    for event in browser.events:
        method, params = event["method"], event["params"]
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            found.append(json.dumps(params)[:400])
        if method == "Network.loadingFailed" and not params.get("canceled"):
            found.append(json.dumps(params)[:400])
    return found


def pages(browser, world):
    """Every page that is linked from the first view, within the site."""
    browser.open(world.url + "/")
    links = browser.evaluate("[...document.links].map(a => a.getAttribute('href'))")
    return sorted({link for link in links if link.startswith("/") and not link.startswith(("/metrics", "/api"))})


def quiet_and_alone(browser, world):
    for path in pages(browser, world):
        browser.open(world.url + path)
        browser.until("document.getElementById('live').className === 'on'", 10)
        assert not complaints(browser), (path, complaints(browser))
        asked = [event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
        assert asked and all(url.startswith(world.url) for url in asked), asked


def small_and_fast(browser, world):
    browser.call("Network.setCacheDisabled", cacheDisabled=True)
    times = []
    for _ in range(5):
        browser.open(world.url + "/")
        times.append(browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    size_all = browser.evaluate(
        "['navigation', 'resource'].flatMap(t => performance.getEntriesByType(t)).reduce((sum, e) => sum + e.transferSize, 0)")
    browser.call("Network.setCacheDisabled", cacheDisabled=False)
    print(f"  first view: {size_all} bytes, loaded after {', '.join(f'{t:.0f}' for t in times)} ms")
    assert 10_000 < size_all < 60_000, size_all


def live(browser, world):
    browser.open(world.url + "/")
    browser.until("document.getElementById('live').className === 'on'", 10)
    assert browser.evaluate("document.title.startsWith('All is well')")
    browser.evaluate("document.querySelector('a[href=\"/real-servers/resolver/dns2\"]').focus()")
    world.say("kill resolver/dns2")
    took = browser.until("document.querySelector('#judgement').classList.contains('warning')", 10)
    print(f"  a change was seen after {took * 1000:.0f} ms")
    assert browser.evaluate("document.activeElement.getAttribute('href') === '/real-servers/resolver/dns2'"), "focus is kept"
    assert browser.evaluate("document.getElementById('said').textContent.startsWith('Warning')"), "it is said aloud"
    assert browser.evaluate("document.querySelector('.state.down') !== null")
    assert not complaints(browser), complaints(browser)


def accessible(browser, world):
    for width in (1280, 390):
        for dark in (False, True):
            size(browser, width, 900, dark)
            for path in pages(browser, world):
                browser.open(world.url + path)
                found = browser.evaluate(ACCESS)
                assert not found, (width, dark, path, found)


def keyboard(browser, world):
    browser.open(world.url + "/")
    reached = []
    for _ in range(6):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(browser.evaluate("document.activeElement.getAttribute('href')"))
    assert reached[:4] == ["#main", "/", "/", "/events"], reached
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def without_script(browser, world):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(world.url + "/")
    root = browser.call("DOM.getDocument", depth=-1)["root"]["nodeId"]
    html = browser.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "resolver" in html and "dns1" in html and " UTC</time>" in html
    assert "http-equiv=\"refresh\"" in html


def harmless(browser, world):
    for path in pages(browser, world) + ["/events?before=%3Cscript%3E", "/virtual-servers/resolver?name=%22%3E%3Cscript%3E", "/%3Cscript%3Ealert(1)%3C/script%3E"]:
        browser.open(world.url + path)
        complaint = [text for text in complaints(browser) if "404" not in text]
        assert not complaint, (path, complaint)
        odd = browser.evaluate(
            "[...document.querySelectorAll('script:not([src]), img:not([alt=\"\"]), textarea, style, iframe, [onerror], [onload]')].length")
        assert odd == 0, path
    browser.open(world.url + "/")
    assert "<script>alert(1)</script>" in browser.evaluate("document.body.textContent")


def usable_when_large(browser, world):
    size(browser, 1280, 900)
    browser.open(world.url + "/")
    load = browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    nodes = browser.evaluate("document.getElementsByTagName('*').length")
    bytes_all = browser.evaluate("performance.getEntriesByType('navigation')[0].transferSize")
    print(f"  10,000 servers: {bytes_all} bytes, {nodes} elements, loaded after {load:.0f} ms")
    assert bytes_all < 46_000 and nodes < 3_000
    browser.until("document.getElementById('live').className === 'on'", 10)
    world.say("kill pool0000/dns7")
    browser.until("document.querySelector('#vs-pool0000 a[href$=\"/dns7\"], #judgement') && document.body.textContent.includes('pool0000/dns7 went down')", 10)
    browser.open(world.url + "/virtual-servers/pool0000?name=dns1999")
    assert browser.evaluate("document.querySelectorAll('.servers tbody tr').length") == 1


def pictures(browser, world):
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, path, width, height, dark in [
        ("status-wide", "/", 1280, 800, False), ("status-dark", "/", 1280, 800, True),
        ("status-tablet", "/", 820, 1100, False), ("status-phone", "/", 390, 844, False),
        ("status-server", "/real-servers/resolver/dns2", 1280, 800, False),
    ]:
        size(browser, width, height, dark)
        browser.open(world.url + path)
        browser.until("document.getElementById('live').className === 'on'", 10)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name}: no sideways scrolling"
        png = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
        (PICTURES / f"{name}.png").write_bytes(png)


def timeline(browser, world):
    """The picture of `holdfast timeline`: it stands alone, is named, and is drawn in light and in dark."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    picture = PICTURES / "timeline.svg"
    subprocess.run(
        [BIN / "holdfast", "--socket", pathlib.Path(world.folder.name) / "agent.sock", "timeline", "--since", "24h", "--svg", picture],
        check=True)
    for dark in (False, True):
        size(browser, 1220, 480, dark)
        browser.open(picture.as_uri())
        assert not complaints(browser), complaints(browser)
        asked = [event for event in browser.events if event["method"] == "Network.requestWillBeSent"]
        assert len(asked) == 1, asked
        root = browser.evaluate("document.documentElement.tagName + ' ' + document.documentElement.getAttribute('role')")
        assert root == "svg img", root
        named = browser.evaluate("document.documentElement.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent).join('|')")
        assert named.startswith("Holdfast: who was up") and "resolver: " in named, named
        # Nothing lies outside, no label is covered by another, and the background follows the system.
        outside = browser.evaluate(
            "[...document.querySelectorAll('text,rect:not(pattern *),path:not(pattern *)')].filter(e => { const b = e.getBoundingClientRect(), v = document.documentElement.getBoundingClientRect();"
            " return b.left < v.left - 1 || b.right > v.right + 1 || b.bottom > v.bottom + 1; }).map(e => e.outerHTML)")
        assert not outside, outside
        overlapping = browser.evaluate(
            "(() => { const t = [...document.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);"
            " return t.flatMap(([a, p], i) => t.slice(i + 1).filter(([, q]) => p.left < q.right && q.left < p.right && p.top + 3 < q.bottom && q.top + 3 < p.bottom).map(([b]) => a + ' / ' + b)); })()")
        assert not overlapping, overlapping
        background = browser.evaluate("getComputedStyle(document.querySelector('.bg')).fill")
        assert background == ("rgb(16, 21, 19)" if dark else "rgb(255, 255, 255)"), background
        png = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
        (PICTURES / f"timeline-{'dark' if dark else 'light'}.png").write_bytes(png)


def run(state, tests):
    passed = failed = 0
    world, browser = World(state), Browser()
    try:
        browser.call("DOM.enable")
        if pictures in tests:
            for seed in range(HISTORY // 10):
                world.say(f"latency {random.Random(seed).getrandbits(40)}")
                time.sleep(10)
        for test in tests:
            size(browser, 1280, 900)
            try:
                test(browser, world)
                passed += 1
                print(f"test {test.__name__} ({state}) ... ok", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc()
                print(f"test {test.__name__} ({state}) ... FAILED", flush=True)
    finally:
        browser.close()
        world.close()
    return passed, failed


if ESSENTIAL:
    RESULTS = [
        run("good", [quiet_and_alone, small_and_fast, keyboard, without_script, live, accessible]),
        run("bad", [pictures, timeline]),
        run("hostile", [harmless]),
        run("large", [usable_when_large]),
    ]
else:
    RESULTS = [
        run("good", [quiet_and_alone, small_and_fast, keyboard, without_script, live, accessible]),
        run("bad", [quiet_and_alone, accessible, pictures, timeline]),
        run("hostile", [harmless, accessible]),
        run("large", [quiet_and_alone, usable_when_large, accessible]),
    ]
PASSED, FAILED = (sum(column) for column in zip(*RESULTS))
print(f"\ntest result: {'ok' if FAILED == 0 else 'FAILED'}. {PASSED} passed; {FAILED} failed")
sys.exit(FAILED != 0)
