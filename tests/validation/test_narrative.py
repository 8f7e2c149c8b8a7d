import pytest

from fhir_server.validation.narrative import check_narrative

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


@pytest.mark.spec("narrative.html#xhtml")
@pytest.mark.parametrize(
    "div",
    [
        f"{DIV}text</div>",
        f"{DIV}<!-- why --><p style='color: red'>a<br/><b>b</b> &#160; &lt;</p></div>",
        f'{DIV}<table class="grid"><tr><td colspan="2">1</td></tr></table></div>',
        f'{DIV}<img src="data:image/png;base64,AAAA" alt="x"/></div>',
        f'{DIV}<img src="#photo" alt=""/></div>',
        f'{DIV}<a href="http://x/y" name="z">link</a><a href="mailto:a@b">mail</a></div>',
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml">text</h:div>',
    ],
)
def test_static_xhtml_passes(div):
    assert check_narrative(div) is None


@pytest.mark.spec("security.html#narrative")
@pytest.mark.parametrize(
    ("div", "sentence"),
    [
        (12, "a number"),
        ("", "no well-formed"),
        ("text", "no well-formed"),
        ("<div>text</div>", "namespace"),
        ('<p xmlns="http://www.w3.org/1999/xhtml">text</p>', "namespace"),
        (f"{DIV}<p>text</div>", "no well-formed"),
        (f"{DIV}&nbsp;</div>", "no well-formed"),
        (f"{DIV} <p> </p></div>", "txt-2"),
        (f"<!DOCTYPE div [<!ENTITY a 'b'>]>{DIV}&a;</div>", "document type"),
        (f"{DIV}<?php x?>text</div>", "processing instruction"),
        (f"{DIV}<script>alert(1)</script>text</div>", "'script'"),
        (f"{DIV}<iframe src='x'/>text</div>", "'iframe'"),
        (f"{DIV}<form action='x'/>text</div>", "'form'"),
        (f"{DIV}<object data='x'/>text</div>", "'object'"),
        (f"{DIV}<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>text</div>", "'svg'"),
        (f"{DIV}<p onclick='x()'>text</p></div>", "'onclick'"),
        (f"{DIV}<p ONCLICK='x()'>text</p></div>", "'ONCLICK'"),
        (f"{DIV}<a href='javascript:x()'>text</a></div>", "'href'"),
        (f"{DIV}<a href=' java&#9;script&#10;:x()'>text</a></div>", "'href'"),
        (f"{DIV}<a href='data:text/html,x'>text</a></div>", "'href'"),
        (f"{DIV}<img src='data:image/svg+xml,x'/></div>", "'src'"),
        (f"{DIV}<p style='width: expression(x())'>text</p></div>", "'style'"),
        (f"{DIV}<style>@import 'http://x'</style>text</div>", "'style'"),
    ],
)
def test_active_or_broken_content_is_refused(div, sentence):
    problems = check_narrative(div)
    assert problems is not None
    assert any(sentence in problem.sentence() for problem in problems)
