"""HTML templates: a value is escaped for the place where it is printed, and refused where nothing makes it safe."""

# ruff: noqa: E501 - a row of a table is one line, however long its template

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.templates import TemplateError, read_templates, template_data
from tests.builders import NOON, alert, notification
from tests.domain.test_templates import DATA, render

EVIL = "\"'><script>alert(1)</script>"
ESCAPED = "&#34;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"


def page(text: str, value: str) -> str:
    """The page about an alert with that summary."""
    data = template_data(notification(alert(annotations={"x": value})), "http://am")
    text = "{{ $x := (index .Alerts 0).Annotations.x }}" + text
    return render(text, data=data, html=True)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        pytest.param("<p>{{ $x }}</p>", EVIL, f"<p>{ESCAPED}</p>", id="between tags"),
        pytest.param("{{ $x }}", "a+b & c\0", "a&#43;b &amp; c\ufffd", id="also + and NUL"),
        pytest.param("<title>{{ $x }}</title>", "</title><b>", "<title>&lt;/title&gt;&lt;b&gt;</title>", id="in a title"),
        pytest.param("<textarea>{{ $x }}</textarea>{{ $x }}", "<", "<textarea>&lt;</textarea>&lt;", id="in a text area"),
        pytest.param('<p title="{{ $x }}">', EVIL, f'<p title="{ESCAPED}">', id="in double quotes"),
        pytest.param("<p title='{{ $x }}'>", EVIL, f"<p title='{ESCAPED}'>", id="in single quotes"),
        pytest.param("<p title={{ $x }}>", "a b=`", "<p title=a&#32;b&#61;&#96;>", id="without quotes"),
        pytest.param("<p title={{ $x }} id=x{{ $x }}>", "", "<p title=ZgotmplZ id=xZgotmplZ>", id="nothing without quotes"),
        pytest.param("<p title= \n{{ $x }}>", "a", "<p title= \na>", id="after spaces"),
        pytest.param("<br/><p\ntitle = '{{ $x }}'/>", "<", "<br/><p\ntitle = '&lt;'/>", id="in a closed tag"),
        pytest.param("<p data-x='{{ $x }}' svg:title='{{ $x }}'>", "'", "<p data-x='&#39;' svg:title='&#39;'>", id="prefixes"),
        # Addresses
        pytest.param('<a href="{{ $x }}">', "http://x/?a=b&c='\"", '<a href="http://x/?a=b&amp;c=%27%22">', id="an address"),
        pytest.param('<a href="{{ $x }}">', "javascript:alert(1)", '<a href="#ZgotmplZ">', id="one that runs a script"),
        pytest.param('<a href="{{ $x }}">', "JaVaScRiPt:alert(1)", '<a href="#ZgotmplZ">', id="in any letters"),
        pytest.param('<a href="{{ $x }}">', " javascript:alert(1)", '<a href="#ZgotmplZ">', id="after a space"),
        pytest.param('<a href="{{ $x }}">', "java\nscript:alert(1)", '<a href="#ZgotmplZ">', id="over lines"),
        pytest.param('<a href="{{ $x }}">', "data:text/html,x", '<a href="#ZgotmplZ">', id="one that is data"),
        pytest.param('<a href="{{ $x }}">', "vbscript:x", '<a href="#ZgotmplZ">', id="one of another script"),
        pytest.param('<a href="{{ $x }}">', "&#106;avascript:x", '<a href="#ZgotmplZ">', id="one in entities"),
        pytest.param('<a href="{{ $x }}">', "mailto:a@b", '<a href="mailto:a@b">', id="one to write to"),
        pytest.param('<a href="{{ $x }}">', "/a:b", '<a href="/a:b">', id="a path with a colon"),
        pytest.param("<a href={{ $x }}>", "javascript:x", "<a href=#ZgotmplZ>", id="an address without quotes"),
        pytest.param("<a href=http://x/{{ $x }}?q={{ $x }}>", "a b", "<a href=http://x/a%20b?q=a%20b>", id="parts without quotes"),
        pytest.param('<img src="{{ $x }}">', "javascript:x", '<img src="#ZgotmplZ">', id="a picture's"),
        pytest.param('<form action="{{ $x }}">', "javascript:x", '<form action="#ZgotmplZ">', id="a form's"),
        pytest.param('<p data-url="{{ $x }}">', "javascript:x", '<p data-url="#ZgotmplZ">', id="by a part of its name"),
        pytest.param('<p svg:href="{{ $x }}">', "javascript:x", '<p svg:href="#ZgotmplZ">', id="in a name space"),
        pytest.param('<p xmlns:x="{{ $x }}">', "javascript:x", '<p xmlns:x="#ZgotmplZ">', id="of a name space"),
        pytest.param('<a href="{{ $x }}{{ $x }}">', "javascript:", '<a href="#ZgotmplZ#ZgotmplZ">', id="in two pieces"),
        pytest.param('<a href="java{{ $x }}">', "script:alert(1)", '<a href="java#ZgotmplZ">', id="the rest of a scheme"),
        pytest.param('<a href="/x/{{ $x }}">', "a:b/?c\"", '<a href="/x/a:b/?c%22">', id="a path"),
        pytest.param('<a href="{{ $x }}/y?q={{ $x }}">', "a&b/é", '<a href="a&amp;b/%c3%a9/y?q=a%26b%2f%c3%a9">', id="a query"),
        pytest.param('<a href="/#{{ $x }}">', "a&b", '<a href="/#a%26b">', id="a fragment"),
        pytest.param('<a href="/{{ $x }}">', "%41%4%zz", '<a href="/%41%254%25zz">', id="what is escaped already"),
        pytest.param('<a href="?q={{ urlquery $x }}">', "a b&", '<a href="?q=a&#43;b%26">', id="urlquery is not escaped twice"),
        pytest.param('<a href="{{ safeUrl $x }}">', "tel:1&2", '<a href="tel:1&amp;2">', id="safeUrl"),
        pytest.param('<a href="?u={{ safeUrl $x }}">', "a&b", '<a href="?u=a&amp;b">', id="safeUrl in a query"),
        pytest.param('<a href="{{ if $x }}/a?{{ else }}/b?{{ end }}{{ $x }}">', "&", '<a href="/a?%26">', id="branches alike"),
        pytest.param('<a href="{{ if $x }}{{ $x }}{{ else }}/b{{ end }}">', "javascript:x", '<a href="#ZgotmplZ">', id="a branch each"),
        pytest.param('<a href="{{ if $x }}{{ $x }}{{ else }}/b{{ end }}?q={{ $x }}">', "&", '<a href="&amp;?q=%26">', id="then a query"),
        pytest.param('<a href="?{{ range stringSlice `a` `b` }}{{ . }}={{ $x }}&amp;{{ end }}">', "&", '<a href="?a=%26&amp;b=%26&amp;">', id="a range in a query"),
        # Styles
        pytest.param('<p style="color: {{ $x }}">', "red", '<p style="color: red">', id="a colour"),
        pytest.param('<p style="color: {{ $x }}">', "#fff", '<p style="color: #fff">', id="a colour by number"),
        pytest.param('<p style="color: {{ $x }}">', "expression(alert(1))", '<p style="color: ZgotmplZ">', id="a script"),
        pytest.param('<p style="color: {{ $x }}">', "exPRESSion", '<p style="color: ZgotmplZ">', id="its name"),
        pytest.param('<p style="color: {{ $x }}">', "red; x: y", '<p style="color: ZgotmplZ">', id="another property"),
        pytest.param('<p style="color: {{ $x }}">', "-moz-binding", '<p style="color: -moz-binding">', id="a word with dashes"),
        pytest.param('<p style="color: {{ $x }}">', "mozbinding", '<p style="color: ZgotmplZ">', id="a binding"),
        pytest.param("<p style=color:{{ $x }}>", "a b", "<p style=color:a&#32;b>", id="a style without quotes"),
        pytest.param("<p style=\"background: url('/x'); color: {{ $x }}\">", "red", "<p style=\"background: url('/x'); color: red\">", id="after a string"),
        # What is safe already
        pytest.param("{{ safeHtml $x }}", "<b>&amp;</b>", "<b>&amp;</b>", id="safeHtml"),
        pytest.param('<p title="{{ safeHtml $x }}">', '<b class="x">a</b>&amp;"', '<p title="a&amp;&#34;">', id="safeHtml in an attribute"),
        pytest.param("<title>{{ safeHtml $x }}</title>", "&amp;<", "<title>&amp;&lt;</title>", id="safeHtml in a title"),
        pytest.param("{{ $x | html }}", "<&", "&lt;&amp;", id="html is not escaped twice"),
        pytest.param('<p title="{{ $x | html }}">', "<&", '<p title="&lt;&amp;">', id="nor in an attribute"),
        pytest.param('{{ printf "%s" (safeHtml $x) }}', "<b>", "&lt;b&gt;", id="what is printed anew is escaped"),
        pytest.param("{{ toUpper (safeHtml $x) }}", "<b>", "&lt;B&gt;", id="what is changed is escaped"),
        pytest.param("{{ safeHtml `<b>` | reReplaceAll `b` $x }}", "<i>", "&lt;&lt;i&gt;&gt;", id="what is replaced is escaped"),
        # The rest
        pytest.param("{{ len $x }} {{ stringSlice $x }} {{ true }}", "<", "1 [&lt;] true", id="other values"),
        pytest.param("{{ index (list nil) 0 }}|{{ (dict).x }}", "", "|", id="nil is nothing"),
        pytest.param("a<!-- {{ $x }} -->b<!-- --!>c", "-->", "abc", id="comments are dropped"),
        pytest.param("a<!-- b {{ if $x }} c {{ end }} --> d", "x", "a d", id="also over branches"),
        pytest.param("1 < 2 <3 </ x<", "", "1 &lt; 2 &lt;3 &lt;/ x&lt;", id="brackets that begin no tag"),
        pytest.param("<!DOCTYPE html><p>{{ $x }}", "<", "<!DOCTYPE html><p>&lt;", id="a doctype"),
        pytest.param("<style>p > a {}</style><script>1 < 2</script >{{ $x }}", "<", "<style>p > a {}</style><script>1 < 2</script >&lt;", id="scripts without actions"),
        pytest.param("<p {{ if $x }}class='a'{{ end }}>{{ $x }}", "<", "<p class='a'>&lt;", id="an optional attribute"),
        pytest.param("<p{{ if $x }} class='a'{{ end }}>{{ $x }}", "<", "<p class='a'>&lt;", id="at the end of the name"),
        pytest.param("<input {{ if $x }}checked{{ end }}>{{ $x }}", "<", "<input checked>&lt;", id="an optional name"),
        pytest.param("<input {{ if $x }}checked {{ end }}/>{{ $x }}", "<", "<input checked />&lt;", id="an optional name and a space"),
        pytest.param("<p {{ if $x }}title='{{ $x }}'{{ else }}id=x {{ end }}>", "'", "<p title='&#39;'>", id="either attribute"),
        pytest.param("{{ range stringSlice `a` }}<b>{{ . }}{{ if $x }}{{ continue }}{{ end }}</b>{{ end }}", "x", "<b>a", id="continue in text"),
        pytest.param("<p title='{{ range stringSlice `<` `b` }}{{ . }}{{ if $x }}{{ break }}x{{ . }}{{ end }}{{ end }}'>", "x", "<p title='&lt;'>", id="break in an attribute"),
        pytest.param("{{ range stringSlice `a` `b` }}{{ continue }}{{ . }}<p {{ end }}<b>{{ $x }}", "<", "<b>&lt;", id="what is never reached"),
        pytest.param("{{ with $x }}<b>{{ . }}</b>{{ else }}-{{ end }}", "<", "<b>&lt;</b>", id="with"),
        pytest.param("{{ $y := $x }}{{ $y = print $y }}<b>{{ $y }}", "<", "<b>&lt;", id="assignments print nothing"),
    ],
)  # fmt: skip
def test_escaping(text: str, value: str, expected: str) -> None:
    assert page(text, value) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("<script>{{ .Status }}</script>", "1:9: an action cannot be made safe inside of <script>", id="a script"),
        pytest.param("<script\n>\nx = {{ .Status }}", "3:5: an action cannot be made safe inside of <script>", id="a script's line"),
        pytest.param("<style>{{ .Status }}</style>", "1:8: an action cannot be made safe inside of <style>", id="a style sheet"),
        pytest.param("<iframe>{{ .Status }}</iframe>", "1:9: an action cannot be made safe inside of <iframe>", id="a frame's content"),
        pytest.param('<p onclick="{{ .Status }}">', "1:13: an action cannot be made safe inside of a script of an attribute", id="an event"),
        pytest.param('<p ONCLICK="{{ .Status }}">', "1:13: an action cannot be made safe inside of a script", id="an event in capitals"),
        pytest.param('<a href="javascript:{{ .Status }}">', "1:21: an action cannot be made safe in an address that runs a script", id="an address that runs a script"),
        pytest.param('<a href=" java&#115;cript:{{ .Status }}">', "1:27: an action cannot be made safe in an address", id="in entities"),
        pytest.param('<a href="{{ if .Status }}javascript:{{ else }}http://{{ end }}?{{ .Status }}">', "1:64: an action cannot be made safe", id="in one branch"),
        pytest.param('<iframe srcdoc="{{ .Status }}">', "an action cannot be made safe", id="a page in an attribute"),
        pytest.param('<img srcset="{{ .Status }}">', "an action cannot be made safe", id="several addresses"),
        pytest.param('<script src="{{ .Status }}"></script>', "an action cannot be made safe", id="a script's address"),
        pytest.param('<meta content="{{ .Status }}">', "an action cannot be made safe", id="a refresh"),
        pytest.param('<animate to="{{ .Status }}">', "an action cannot be made safe", id="an animation"),
        pytest.param("<p {{ .Status }}>", "1:4: an action cannot be made safe inside of a tag", id="a tag"),
        pytest.param("<p {{ .Status }}=x>", "1:4: an action cannot be made safe inside of a tag", id="an attribute's name"),
        pytest.param("<p da{{ .Status }}=x>", "1:6: an action cannot be made safe inside of a tag", id="a part of a name"),
        pytest.param("<p{{ .Status }}>", "1:3: an action cannot be made safe inside of a tag", id="a tag's name"),
        pytest.param("<p title {{ .Status }}>", "1:10: an action cannot be made safe inside of a tag", id="after a name"),
        pytest.param("<p style=\"x: '{{ .Status }}'\">", "it is not certain what an action would be in this a style", id="a string in a style"),
        pytest.param('<p style="x: url({{ .Status }})">', "it is not certain", id="an address in a style"),
        pytest.param('<p style="x: /* {{ .Status }} */">', "it is not certain", id="a comment in a style"),
        pytest.param('<p style="{{ if .Status }}(){{ else }}({{ end }}{{ .Status }}">', "it is not certain", id="a style by branches"),
        pytest.param('<p style="x: \\{{ .Status }}">', "it is not certain", id="an escape in a style"),
        pytest.param('<a href="{{ if .Status }}{{ .Status }}{{ else }}/b{{ end }}{{ .Status }}">', "it is not certain what an action would be", id="after branches"),
        pytest.param("{{ if .Status }}<p title='{{ end }}x", "1:1: the branches end at different places: a value of an attribute and text", id="a quote in a branch"),
        pytest.param("{{ if .Status }}<script>{{ end }}x", "the branches end at different places: <script> and text", id="a script in a branch"),
        pytest.param("{{ range .Alerts }}<p title='{{ end }}x", "the branches end at different places", id="a quote in a range"),
        pytest.param("{{ with .Status }}<!--{{ end }}", "the branches end at different places: a comment and text", id="a comment in a branch"),
        pytest.param("<a {{ if .Status }}hr{{ end }}ef='{{ .Status }}'>", "the name of a tag or an attribute goes on after an action", id="a name in pieces"),
        pytest.param("<a {{ if .Status }}href{{ end }}='{{ .Status }}'>", 'unexpected "=" in a tag', id="a value after branches"),
        pytest.param("<scr{{ if .Status }}ipt{{ end }}>", "the name of a tag or an attribute goes on after an action", id="a tag in pieces"),
        pytest.param("<title>x</ti{{ if .Status }}{{ end }}tle>", "the end of <title> goes on after an action", id="an end in pieces"),
        pytest.param("<script><!-- <script></script>{{ .Status }}", "a comment in a script is refused", id="a comment in a script"),
        pytest.param("<p =x>", '1:4: unexpected "=" in a tag', id="a value without a name"),
        pytest.param("x\n<p '>", "2:4: unexpected \"'\" in a tag", id="a quote in a tag"),
        pytest.param("<p title=>", "the attribute has no value", id="no value"),
        pytest.param("<p title='x", "1:1: the page ends inside of a value of an attribute", id="a quote without end"),
        pytest.param("<p", "1:1: the page ends inside of a tag", id="a tag without end"),
        pytest.param("<script>", "1:1: the page ends inside of <script>", id="a script without end"),
        pytest.param("{{ range .Alerts }}<p title='{{ if . }}{{ break }}{{ end }}'>{{ end }}", "the branches end at different places", id="break in an attribute"),
        pytest.param("{{ range .Alerts }}<p title='{{ if . }}{{ continue }}{{ end }}'>{{ end }}", "the branches end at different places", id="continue in an attribute"),
        pytest.param("<script>{{ range .Alerts }}</script>{{ break }}<script>{{ end }}", "the branches end at different places", id="break out of a script"),
        pytest.param(
            "{{ define `x` }}{{ if . }}{{ template `x` }}{{ end }}<p title='{{ end }}{{ template `x` .Status }}",
            "calls itself and ends in a value of an attribute", id="a template that calls itself"),
    ],
)  # fmt: skip
def test_refused_in_html(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read_templates().compile(text, name="page", html=True)
    assert message in str(caught.value)
    assert str(caught.value).startswith("page:")
    read_templates().compile(text, name="page")  # in text it is nobody's business


def test_a_called_template_is_escaped_for_its_place() -> None:
    text = '{{ define "x" }}{{ . }}{{ end }}<a href="{{ template "x" .CommonLabels.job }}">{{ template "x" "<" }}</a>'
    assert render(text, html=True) == '<a href="api">&lt;</a>'
    text = (
        '{{ define "x" }}{{ . }}{{ end }}<a href="{{ template "x" "javascript:x" }}" title="{{ template "x" "\'" }}">'
    )
    assert render(text, html=True) == '<a href="#ZgotmplZ" title="&#39;">'


def test_a_called_template_may_open_what_another_closes() -> None:
    text = '{{ define "open" }}<p title="{{ end }}{{ define "close" }}">{{ end }}{{ template "open" }}{{ "<" }}{{ template "close" }}{{ "<" }}'
    assert render(text, html=True) == '<p title="&lt;">&lt;'


def test_a_template_that_calls_itself_in_html() -> None:
    text = "{{ define `n` }}<b>{{ . }}{{ if . }}{{ template `n` (slice . 1) }}{{ end }}</b>{{ end }}{{ template `n` `<<` }}"
    assert render(text, html=True) == "<b>&lt;&lt;<b>&lt;<b></b></b></b>"


def test_what_a_file_defines_is_checked_as_html_only_where_it_is_used_so() -> None:
    templates = read_templates([("x.tmpl", "{{ define `js` }}<script>{{ .Status }}</script>{{ end }}")])
    assert templates.compile("{{ template `js` . }}", name="t").render(DATA, NOON) == "<script>firing</script>"
    with pytest.raises(TemplateError, match=r"^x\.tmpl:1:26: an action cannot be made safe"):
        templates.compile("{{ template `js` . }}", name="t", html=True)


@given(st.text(alphabet="<>\"'&=`/ \n:;()-a\0é%#?j+\\{}"))
def test_no_value_leaves_its_place(value: str) -> None:
    """Whatever a value is, the tags and quotes of a page stay those of its template."""
    text = '<p title="{{ $x }}" class=\'{{ $x }}\' id={{ $x }} style="c: {{ $x }}"><a href="{{ $x }}/{{ $x }}?{{ $x }}">{{ $x }}</a>'
    shown = page(text, value)
    assert (shown.count("<"), shown.count(">")) == (3, 3)
    assert (shown.count('"'), shown.count("'")) == (6, 2)
    head, _, rest = shown.partition(" id=")
    bare = rest.partition(" style=")[0]
    assert bare
    assert not set(bare) & set(" \n\t\"'<>=`")
    assert head.count('"') == 2
