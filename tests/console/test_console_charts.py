"""Charts: well-formed pictures whose every number is inside, and whose texts are only text."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.console.charts import Band, Chart, Curve, Dot, Limit, Mark, Tone, clock, svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "\"><script>alert('x')</script><b a='&\x00\u202e\x1b[31m"


def drawn(chart: Chart, **options: bool) -> ET.Element:
    return ET.fromstring(svg(chart, **options))


def texts(root: ET.Element) -> list[str]:
    return [item.text or "" for item in root.iter(SVG + "text")]


def lines(root: ET.Element, kind: str) -> list[ET.Element]:
    return [item for item in root.iter(SVG + "line") if item.get("class", "").split()[0] == kind]


def heights(root: ET.Element, ink: int) -> list[float]:
    path = next(item for item in root.iter(SVG + "path") if item.get("class") == f"curve k{ink}")
    return [float(number) for number in re.findall(r"[ML][\d.]+ ([\d.]+)", path.get("d", ""))]


def curve(*values: float | None, ink: int = 0, name: str = "canary") -> Curve:
    points = tuple((10.0 * number, value) for number, value in enumerate(values))
    return Curve(name=name, points=points, ink=ink)


def test_both_sides_are_drawn_on_one_scale_and_named_at_their_end():
    chart = Chart(
        title="Error rate",
        unit="%",
        curves=(curve(1, 2, 6), curve(1, 1, 1, ink=1, name="stable")),
        limits=(Limit(value=5, name="limit 5 %"),),
    )
    root = drawn(chart)
    canary, stable = heights(root, 0), heights(root, 1)
    assert canary[0] == stable[0] > canary[1] > canary[2]  # up is less in SVG
    limit = float(lines(root, "limit")[0].get("y1", ""))
    assert canary[2] < limit < canary[1]
    assert {"Error rate (%)", "canary 6 %", "stable 1 %", "limit 5 %"} <= set(texts(root))


def test_whoever_cannot_see_it_is_told_the_same():
    chart = Chart(
        title="p99",
        unit="ms",
        curves=(curve(120, math.inf), curve(ink=1, name="stable")),
        limits=(Limit(value=2000, name="limit 2000 ms"),),
        marks=(Mark(at=10, name="rolled back", tone=Tone.BAD),),
    )
    root = drawn(chart)
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "p99; canary between 120 ms and beyond, beyond at the end; stable not measured; "
        "limit 2000 ms; rolled back at 10 s"
    )


def test_a_limit_far_above_everything_is_named_and_does_not_flatten_the_curves():
    chart = Chart(
        title="p99",
        unit="ms",
        curves=(curve(100, 200),),
        limits=(Limit(value=2000, name="limit 2000 ms"),),
    )
    root = drawn(chart)
    assert not lines(root, "limit")
    assert "limit 2000 ms: far above" in texts(root)
    first, last = heights(root, 0)
    assert first - last > 50


def test_a_limit_is_drawn_where_everything_is_zero_and_no_share_is_more_than_the_whole():
    limits = (Limit(value=5, name="limit 5 %"),)
    nothing = drawn(Chart(title="t", unit="%", curves=(curve(0, 0),), limits=limits))
    assert len(lines(nothing, "limit")) == 1
    everything = texts(drawn(Chart(title="Weight", unit="%", curves=(curve(100, 100),))))
    assert "100" in everything
    assert "150" not in everything


def test_a_gap_is_a_gap_and_a_step_is_a_step():
    gap = drawn(Chart(title="t", curves=(curve(1, None, 2),)))
    assert next(gap.iter(SVG + "path")).get("d", "").count("M") == 2
    steps = Curve(name="weight", points=((0, 5), (10, 20), (20, 20)), stepped=True)
    step = drawn(Chart(title="t", curves=(steps,)))
    assert next(step.iter(SVG + "path")).get("d", "").count("H") == 2


def test_powers_of_ten_are_equally_far_apart_and_what_is_below_stands_on_the_floor():
    chart = Chart(
        title="Evidence",
        curves=(curve(1, 10, 100, 0, 1e-9, math.inf),),
        limits=(Limit(value=100, name="100"), Limit(value=20, name="20")),
        log=True,
    )
    root = drawn(chart)
    one, ten, hundred, zero, tiny, endless = heights(root, 0)
    assert math.isclose(one - ten, ten - hundred, abs_tol=0.11)
    assert zero == tiny == max(one, zero)
    assert endless < hundred
    assert len(lines(root, "limit")) == 2


def test_names_at_the_end_do_not_stand_on_each_other():
    curves = tuple(curve(3.0, ink=number, name=f"rule {number}") for number in range(6))
    root = drawn(Chart(title="t", curves=curves))
    places = sorted(
        float(item.get("y", ""))
        for item in root.iter(SVG + "text")
        if (item.get("class") or "").startswith("name")
    )
    assert len(places) == 6
    assert min(after - before for before, after in itertools.pairwise(places)) >= 12.9


def test_names_of_moments_that_are_close_have_lines_of_their_own():
    marks = tuple(Mark(at=at, name="a rather long name") for at in (100.0, 110.0, 120.0))
    root = drawn(Chart(title="t", curves=(curve(1),), until=300, marks=marks))
    places = {
        item.get("y")
        for item in root.iter(SVG + "text")
        if (item.get("class") or "").startswith("mark-name")
    }
    assert len(places) == 3


def test_nothing_measured_is_said():
    assert "nothing measured" in texts(drawn(Chart(title="p99", unit="ms", curves=(curve(None),))))


def test_a_strangers_text_is_only_text():
    chart = Chart(
        title=HOSTILE,
        unit=HOSTILE,
        curves=(curve(1, 2, name=HOSTILE),),
        limits=(Limit(value=1, name=HOSTILE),),
        marks=(Mark(at=1, name=HOSTILE),),
        dots=(Dot(at=1, value=1, name=HOSTILE),),
        bands=(Band(start=0, end=5, name=HOSTILE),),
    )
    text = svg(chart)
    assert "<script" not in text
    assert not {"\x00", "\u202e", "\x1b"} & set(text)
    names = {item.tag.removeprefix(SVG) for item in drawn(chart).iter()}
    assert names <= {"svg", "text", "line", "path", "circle", "rect", "title"}


def test_a_chart_alone_carries_its_style():
    style = next(drawn(Chart(title="t"), alone=True).iter(SVG + "style"))
    assert "prefers-color-scheme:dark" in (style.text or "")
    assert "<style" not in svg(Chart(title="t"))


def test_moments_are_short():
    assert [clock(each) for each in (0, 59, 60, 150, 3900)] == [
        "0 s",
        "59 s",
        "1:00",
        "2:30",
        "1:05:00",
    ]


VALUES = st.none() | st.floats(0, allow_nan=False)


@settings(max_examples=40)
@given(
    st.lists(st.lists(VALUES, max_size=12), max_size=3),
    st.lists(st.floats(0, 1e12), max_size=2),
    st.booleans(),
)
def test_whatever_is_measured_stays_inside(series, limits, log):
    chart = Chart(
        title="t",
        curves=tuple(curve(*values, ink=ink) for ink, values in enumerate(series)),
        limits=tuple(Limit(value=value, name="limit") for value in limits),
        log=log,
    )
    root = drawn(chart)
    _, _, width, height = (float(each) for each in root.get("viewBox", "").split())
    for item in root.iter():
        for name, most in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            if item.get(name) is not None:
                assert 0 <= float(item.get(name, "")) <= most
        numbers = [float(each) for each in re.findall(r"[\d.]+|nan|inf", item.get("d", ""))]
        assert all(math.isfinite(number) and 0 <= number <= width for number in numbers)
