"""The narrative: every word kept, valid XHTML, nothing active."""

import re

import pytest
from lxml import etree

import mappings
from tests.mappings import samples

ALLOWED = {
    *("div", "p", "span", "a", "b", "i", "br", "sub", "sup", "ul", "ol", "li", "table", "caption"),
    *("thead", "tbody", "tfoot", "tr", "th", "td", "col", "colgroup"),
}


def converted(text: str, entries: str = "") -> tuple[str, list[mappings.Issue]]:
    conversion = mappings.convert(samples.document(samples.section(text, entries)))
    composition = samples.resources(conversion, "Composition")[0]
    return composition["section"][0]["text"]["div"], list(conversion.issues)


def words(xhtml: str) -> str:
    return " ".join("".join(map(str, etree.fromstring(xhtml).itertext())).split())


@pytest.mark.parametrize(
    ("cda", "xhtml"),
    [
        ("a &lt;b&gt; &amp; c", "a &lt;b&gt; &amp; c"),
        ("<paragraph>a<br/>b</paragraph>", "<p>a<br/>b</p>"),
        ("H<sub>2</sub>O<sup>+</sup>", "H<sub>2</sub>O<sup>+</sup>"),
        ('<content ID="x1" styleCode="Bold">a</content>', '<span id="x1" style="font-weight: bold">a</span>'),
        ("<list><item>a</item><item>b</item></list>", "<ul><li>a</li><li>b</li></ul>"),
        (
            '<list listType="ordered" styleCode="LittleAlpha"><caption>t</caption><item>a</item></list>',
            '<p>t</p><ol style="list-style-type: lower-alpha"><li>a</li></ol>',
        ),
        (
            '<table border="1"><caption>t</caption><thead><tr><th colspan="2">h</th></tr></thead>'
            "<tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
            '<table border="1"><caption>t</caption><thead><tr><th colspan="2">h</th></tr></thead>'
            "<tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        ),
        ('<linkHtml href="https://a.fr/?b=1&amp;c=2">lien</linkHtml>', '<a href="https://a.fr/?b=1&amp;c=2">lien</a>'),
        (
            'a<footnote ID="f1">note</footnote><footnoteRef IDREF="f1"/>',
            'a<span id="f1">note</span><sup><a href="#f1"></a></sup>',
        ),
        ("<paragraph>a<list><item>b</item></list></paragraph>", "<div>a<ul><li>b</li></ul></div>"),
        (
            "<table>x<tbody><tr>y<td>z</td></tr></tbody></table>",
            "<table><tr><td>x</td></tr><tbody><tr><td>y</td><td>z</td></tr></tbody></table>",
        ),
    ],
)
def test_markup(cda: str, xhtml: str) -> None:
    assert converted(cda)[0] == f'<div xmlns="http://www.w3.org/1999/xhtml">{xhtml}</div>'


@pytest.mark.parametrize(
    "attack",
    [
        "a<script>alert(1)</script>",
        'a<linkHtml href="javascript:alert(1)">b</linkHtml>',
        'a<linkHtml href=" java&#10;script:alert(1)">b</linkHtml>',
        'a<linkHtml href="data:text/html,x">b</linkHtml>',
        'a<content onclick="alert(1)" style="x:y" class="z">b</content>',
        'a<iframe src="https://a"/>',
        'a<table width="1&quot; onload=&quot;alert(1)"><tbody><tr><td>b</td></tr></tbody></table>',
        'a<content ID="&quot; onload=&quot;x">b</content>',
        'a<img xmlns="http://www.w3.org/1999/xhtml" src="https://a" onerror="alert(1)"/>',
    ],
)
def test_nothing_active_passes(attack: str) -> None:
    xhtml, _ = converted(attack)
    root = etree.fromstring(xhtml)
    for element in root.iter():
        assert etree.QName(element).localname in ALLOWED
        for name, value in element.attrib.items():
            assert not str(name).startswith("on")
            assert not re.match(r"\s*(javascript|data):", str(value))
    assert "alert" not in xhtml
    assert words(xhtml).startswith("a")


def test_what_is_removed_is_reported() -> None:
    _, issues = converted('a<script>x</script><linkHtml href="javascript:x">b</linkHtml><blink>c</blink>')
    assert len([issue for issue in issues if issue.code == "not-supported"]) == 3


def test_ids_stay_once() -> None:
    xhtml, _ = converted('<content ID="a">1</content><content ID="a">2</content><content ID="b c">3</content>')
    assert re.findall(r'id="([^"]*)"', xhtml) == ["a"]


def test_an_image_links_to_its_resource() -> None:
    media = (
        '<entry><observationMedia classCode="OBS" moodCode="EVN" ID="img">'
        '<value mediaType="image/png" representation="B64">QUJD</value></observationMedia></entry>'
    )
    conversion = mappings.convert(
        samples.document(
            samples.section(
                '<renderMultiMedia referencedObject="img"><caption>Courbe</caption></renderMultiMedia>', media
            )
        )
    )
    entry = next(e for e in conversion.bundle["entry"] if e["resource"]["resourceType"] == "DocumentReference")
    section = samples.resources(conversion, "Composition")[0]["section"][0]
    assert f'<a href="{entry["fullUrl"]}">Courbe</a>' in section["text"]["div"]
    assert section["entry"] == [{"reference": entry["fullUrl"]}]
    assert entry["resource"]["content"][0]["attachment"] == {"contentType": "image/png", "data": "QUJD"}


def test_sections_nest_and_an_empty_one_still_says_something() -> None:
    inner = "<component><section><title>Dedans</title><text>mot</text></section></component>"
    body = (
        "<component><structuredBody><component><section><title>Dehors</title>"
        f"{inner}</section></component><component><section><title>Vide</title><text/></section></component>"
        "</structuredBody></component>"
    )
    sections = samples.resources(mappings.convert(samples.document(body)), "Composition")[0]["section"]
    assert sections[0]["section"][0]["title"] == "Dedans"
    assert "text" not in sections[0]
    assert sections[1]["text"]["status"] == "empty"
